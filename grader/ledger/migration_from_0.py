"""Version 0 kept verdicts by the rules that they were taken by; version 1 keeps what was measured.

A verdict's reason is read back into the fact that it stood for. Where the same training was made twice under two sets of
rules, the later one counts.
"""

import hashlib
import json
import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from grader.ledger.measurement import Measurement, Strategy
from project.support.errors import UserError
from project.support.files import write_atomically

COMPUTATION = 1  # of all that version 0 measured
LATE = re.compile(
    r"time: came (?:(?P<days>\d+) days?, )?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+) after the deadline, (?P<deadline>[^;]+);"
)
MOVED = {  # classes of datasets
    "project.data.glyphs.Glyphs": "project.datasets.glyphs.Glyphs",
    "project.data.archive.ImageArchive": "project.datasets.image_archive.ImageArchive",
    "project.data.sources.CIFAR10": "project.datasets.downloaded.CIFAR10",
    "project.data.sources.FashionMNIST": "project.datasets.downloaded.FashionMNIST",
    "project.data.sources.TensorFolder": "project.datasets.tensor_folder.TensorFolder",
}
LIMITS = {
    "took longer than": ["minutes"],
    "of memory": ["memory_gb"],
    "wrote more than": ["output_mb", "output_files"],
    "processes and threads": ["processes"],
}


def migrate(database: sqlite3.Connection, results: Path) -> None:
    """Take a database from version 0 to 1. `results` is the folder that it lies in."""
    for table in ("submissions", "attempts", "bonuses", "ablations", "regrades"):
        database.execute(f"ALTER TABLE {table} RENAME TO {table}_0")
    for index in ("one_result_of_a_variant", "attempts_by_student", "submissions_by_student", "regrades_by_student", "one_final_result"):  # fmt: skip
        database.execute(f"DROP INDEX IF EXISTS {index}")
    from grader.ledger.schema import create_tables  # which imports this module

    create_tables(database)
    attempts = rows(database, "SELECT * FROM attempts_0 ORDER BY id")
    images = images_by_rules(attempts, results, renamed_images(results))
    rejected = {
        (a["student"], a["digest"], a["rules"]): a for a in attempts if a["seed"] == -1 and a["verdict"] == "rejected"
    }
    latest: dict[tuple, int] = {}
    for attempt in attempts:
        if attempt["seed"] != -1:
            about = {**attempt, "images": images[attempt["rules"]], "variant": "", "at": attempt["ended"]}
            add_measurement(database, about, json.loads(attempt["result"]), results, latest)
    for row in rows(database, "SELECT * FROM ablations_0 ORDER BY id"):
        about = {**row, "images": images.get(row["rules"], ""), "round": 0, "started": row["at"]}
        add_measurement(database, about, json.loads(row["result"]), results, latest)
    max_epochs = json.loads(attempts[-1]["circumstances"]).get("max_epochs", 15) if attempts else 15
    for row in rows(database, "SELECT * FROM submissions_0 ORDER BY id"):
        known = rejected.get((row["student"], row["digest"], row["rules"]))
        reason = json.loads(known["result"])["reason"] if known else ""
        late = LATE.match(reason)
        database.execute(
            "INSERT INTO submissions (taken_in, student, name, digest, tier, source, submitted, marked_late, images)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(row["taken_in"], row["student"], row["name"], row["digest"], row["tier"], row["source"]),
                *(handed_in(late) if late else None, "_LATE_" in row["source"], images.get(row["rules"], "")),
            ],
        )
        where, _, said = reason.partition(": ")
        what, _, mend = said.rpartition("; ")
        found = [{"severity": "reject", "where": where, "what": what, "mend": mend}] if reason and not late else []
        database.execute(
            "INSERT OR REPLACE INTO findings (student, digest, checks, findings) VALUES (?, ?, ?, ?)",
            [row["student"], row["digest"], f"1 max_epochs {max_epochs}", json.dumps(found)],
        )
    database.execute("INSERT INTO regrades SELECT * FROM regrades_0")
    database.execute("INSERT INTO points SELECT * FROM bonuses_0")
    for table in ("submissions", "attempts", "bonuses", "ablations", "regrades"):
        database.execute(f"DROP TABLE {table}_0")


def rows(database: sqlite3.Connection, query: str) -> list[dict[str, Any]]:
    found = database.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def renamed_images(results: Path) -> dict[str, str]:
    """The key of the last run's images, by all names that their class has had -> their key now, which comes last.

    The rules take the new name over. Done again, this gives the same.

    Raises:
        UserError: Rules or secret are missing, without which nobody can tell which images were graded on.
    """
    file = results / "assignment.json"
    try:
        rules = json.loads(file.read_text(encoding="utf-8"))
        seed = json.loads((results / "secret.json").read_text(encoding="utf-8"))["seed"]
        path = rules["dataset"]["class_path"]
        fraction = rules["monitor_fraction"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{results}: assignment.json and secret.json are needed to bring the ledger up to date ({error})"
        ) from None
    new = MOVED.get(path, path)
    names = [path, *(old for old, moved in MOVED.items() if moved == new), new]
    keys = [
        hashlib.sha256(
            json.dumps([{**rules["dataset"], "class_path": name}, fraction, seed], sort_keys=True).encode()
        ).hexdigest()[:16]
        for name in names
    ]
    write_atomically(file, json.dumps({**rules, "dataset": {**rules["dataset"], "class_path": new}}, indent=2) + "\n")
    return dict.fromkeys(keys, keys[-1])


def images_by_rules(attempts: list[dict[str, Any]], results: Path, renamed: dict[str, str]) -> dict[str, str]:
    """Of each set of rules, the key of the images: a training that was scored has noted it, else it is the last run's."""
    found: dict[str, str] = {}
    for attempt in attempts:
        drawn = to_draw(results, json.loads(attempt["result"]))
        if "scoring" in drawn:
            key = drawn["scoring"].split("/")[-2]
            found[attempt["rules"]] = renamed.get(key, key)
    return {attempt["rules"]: found.get(attempt["rules"], list(renamed.values())[-1]) for attempt in attempts}


def to_draw(results: Path, result: dict[str, Any]) -> dict[str, Any]:
    try:
        return json.loads((results / result["details"]["folder"] / "to_draw.json").read_text(encoding="utf-8"))
    except (KeyError, OSError, ValueError):
        return {}


def handed_in(late: re.Match[str]) -> str:
    """When what came late was handed in."""
    after = timedelta(int(late["days"] or 0), hours=int(late["h"]), minutes=int(late["m"]), seconds=int(late["s"]))
    return (datetime.fromisoformat(late["deadline"]) + after).isoformat()


def add_measurement(
    database: sqlite3.Connection, about: dict[str, Any], result: dict[str, Any], results: Path, latest: dict[tuple, int]
) -> None:
    circumstances = json.loads(about["circumstances"])
    measured = measurement(result, to_draw(results, result), circumstances)
    key = tuple(about[name] for name in ("student", "digest", "images", "variant", "seed", "round"))
    counts = measured.outcome != "infrastructure"
    added = database.execute(
        "INSERT INTO measurements (started, ended, student, digest, images, variant, seed, round, training, replaces,"
        " counts, measurement, circumstances) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(about["started"], about["at"], *key, result["details"].get("training", 0)),
            *(latest.get(key, 0) if counts else 0, counts, measured.model_dump_json(), about["circumstances"]),
        ],
    )
    if counts and added.lastrowid:
        latest[key] = added.lastrowid


def measurement(result: dict[str, Any], drawn: dict[str, Any], circumstances: dict[str, Any]) -> Measurement:
    """The facts behind a verdict of version 0."""
    reason, details = result["reason"], result["details"]
    outcome, missing, stopped = "scored", [], {}
    if result["verdict"] == "rejected":
        outcome = "refused"
        if reason.startswith("uses no strategy of "):
            outcome, missing = "family_missing", reason.removeprefix("uses no strategy of ").split(" and ")
    elif result["verdict"] == "failed":
        outcome = "crashed" if "crashed" in reason else "unscorable"
        for words, names in LIMITS.items():
            if words in reason:
                outcome, stopped = "limit", {name: circumstances["limits"][name] for name in names}
    elif result["verdict"] == "infrastructure":
        outcome = "infrastructure"
    census = drawn.get("census") or {
        family: [{"name": name} for name in names] for family, names in result["strategies"].items()
    }
    return Measurement(
        outcome=outcome,
        said="" if outcome == "scored" else reason,
        missing=missing,
        limits=stopped,
        accuracy=result["accuracy"],
        samples=details.get("samples"),
        epochs=result["epochs"],
        parameters=result["parameters"],
        seconds=result["seconds"],
        peak_memory=details.get("peak_memory"),
        strategies={family: [Strategy(**found) for found in names] for family, names in census.items()},
        val_accuracy=[row["val/accuracy"] for row in drawn.get("curves", [])],
        untrained_accuracy=details.get("untrained_accuracy"),
        flags=[
            flag
            for flag in result["flags"]
            if "times as long as the verified" not in flag and not flag.startswith("is marked")
        ],
        weights=details.get("weights", ""),
        folder=details.get("folder", ""),
        computation=COMPUTATION,
        machine=result.get("machine", {}),
    )
