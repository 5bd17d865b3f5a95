"""Version 0 kept verdicts by the rules that they were taken by; version 1 keeps what was measured.

The fact behind each verdict is read from its reason. Of trainings that were made again under other rules, the last one
counts.
"""

import hashlib
import json
import re
import sqlite3
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from grader.ledger.measurement import LimitName, Measurement, Outcome, drawing
from grader.ledger.migration_from_2 import carry_over
from grader.secret import EarlierSecret, drew
from project.support.errors import UserError
from project.support.files import write_atomically

COMPUTATION = 1  # of all that version 0 measured
LATE = re.compile(
    r"time: came (?:(?P<days>\d+) days?, )?(?P<h>\d+):(?P<m>\d+):(?P<s>\d+) after the deadline, (?P<deadline>[^;]+);"
)
TAKEN_ANEW = re.compile(r"^is marked|times as long as the verified")  # flags that the ledger no longer keeps
MOVED = {  # classes of datasets
    "project.data.glyphs.Glyphs": "project.datasets.glyphs.Glyphs",
    "project.data.archive.ImageArchive": "project.datasets.image_archive.ImageArchive",
    "project.data.sources.CIFAR10": "project.datasets.downloaded.CIFAR10",
    "project.data.sources.FashionMNIST": "project.datasets.downloaded.FashionMNIST",
    "project.data.sources.TensorFolder": "project.datasets.tensor_folder.TensorFolder",
}
LIMITS: dict[str, list[LimitName]] = {
    "took longer than": ["minutes"],
    "of memory": ["memory_gb"],
    "wrote more than": ["output_mb", "output_files"],
    "processes and threads": ["processes"],
}


def migrate(database: sqlite3.Connection, results: Path) -> None:
    """Take a database from version 0 to 1. `results` is the folder that it lies in."""
    from grader.ledger.schema import create_tables  # which imports this module

    old = {}
    for table in ("attempts", "ablations", "submissions", "regrades", "bonuses"):
        old[table] = database.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
        database.execute(f"DROP TABLE {table}")
    create_tables(database)
    images = images_by_rules(
        old["attempts"], results, renamed_images(results, [row["seed"] for row in old["attempts"] if row["seed"] != -1])
    )
    newest: dict[tuple[Any, ...], int] = {}
    rejected = {}
    for row in old["attempts"]:
        if row["seed"] != -1:
            about = {"images": images[row["rules"]], "variant": "", "at": row["ended"]}
            add_measurement(database, {**row, **about}, results, newest)
        elif row["verdict"] == "rejected":
            rejected[row["student"], row["digest"], row["rules"]] = json.loads(row["result"])["reason"]
    for row in old["ablations"]:
        about = {"images": images.get(row["rules"], ""), "round": 0, "started": row["at"]}
        add_measurement(database, {**row, **about}, results, newest)
    max_epochs = json.loads(old["attempts"][-1]["circumstances"]).get("max_epochs", 15) if old["attempts"] else 15
    for row in old["submissions"]:
        reason = rejected.get((row["student"], row["digest"], row["rules"]), "")
        submitted = handed_in(reason)
        database.execute(
            "INSERT INTO submissions (taken_in, student, name, digest, tier, source, submitted, marked_late, images)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(row["taken_in"], row["student"], row["name"], row["digest"], row["tier"], row["source"]),
                *(submitted, "_LATE_" in row["source"], images.get(row["rules"], "")),
            ],
        )
        where, _, said = reason.partition(": ")
        what, _, mend = said.rpartition("; ")
        severity = "bonus" if where in ("REPORT.md", "CONCLUSION.md") else "reject"  # the rules' own matter since
        found = [{"severity": severity, "where": where, "what": what, "mend": mend}] if reason and not submitted else []
        database.execute(
            "INSERT OR REPLACE INTO findings (student, digest, checks, findings) VALUES (?, ?, ?, ?)",
            [row["student"], row["digest"], f"1 max_epochs {max_epochs}", json.dumps(found)],
        )
    carry_over(database, old["regrades"], old["bonuses"])


def renamed_images(results: Path, seeds: list[int]) -> list[str]:
    """The keys of the last run's images under each name that their class has had; the last one is their key now.

    It writes the new name into the rules. Done again, it gives the same.

    Raises:
        UserError: The rules or the secret is missing, or did not draw the trainings' `seeds`, without which nobody can tell which images were graded on.
    """
    file = results / "assignment.json"
    try:
        rules = json.loads(file.read_text(encoding="utf-8"))
        seed = json.loads((results / "secret.json").read_text(encoding="utf-8"))["seed"]
        path = rules["dataset"]["class_path"]
        fraction = rules["monitor_fraction"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = f"assignment.json and secret.json are needed to bring the ledger up to date ({error})"
        raise UserError(f"{results}: {said}") from None
    if seeds and not drew(EarlierSecret(seed=seed), seeds[-1]):
        raise UserError(
            f"{results / 'secret.json'}: is not the one that the ledger's trainings were drawn from; put it back"
        )
    new = MOVED.get(path, path)
    keys = []
    for name in (path, *(old for old, moved in MOVED.items() if moved == new), new):
        key = json.dumps([{**rules["dataset"], "class_path": name}, fraction, seed], sort_keys=True)
        keys.append(hashlib.sha256(key.encode()).hexdigest()[:16])
    rules["dataset"]["class_path"] = new
    write_atomically(file, json.dumps(rules, indent=2) + "\n")
    return keys


def images_by_rules(attempts: list[sqlite3.Row], results: Path, last_keys: list[str]) -> dict[str, str]:
    """The key of the images by rules: the one that a scored training noted, otherwise that of the last run."""
    found = {attempt["rules"]: last_keys[-1] for attempt in attempts}
    for attempt in attempts:
        details = json.loads(attempt["result"]).get("details", {})
        if scoring := drawing(results, details.get("folder", "")).get("scoring"):
            key = scoring.split("/")[-2]
            found[attempt["rules"]] = last_keys[-1] if key in last_keys else key
    return found


def handed_in(reason: str) -> str | None:
    """When a submission that was rejected for coming late was handed in; None for any other reason."""
    if not (late := LATE.match(reason)):
        return None
    after = timedelta(int(late["days"] or 0), hours=int(late["h"]), minutes=int(late["m"]), seconds=int(late["s"]))
    return (datetime.fromisoformat(late["deadline"]) + after).isoformat()


def add_measurement(
    database: sqlite3.Connection, about: dict[str, Any], results: Path, newest: dict[tuple[Any, ...], int]
) -> None:
    """Add a measurement, which replaces the newest of the same training."""
    result = json.loads(about["result"])
    drawn = drawing(results, result["details"].get("folder", ""))
    measured = measurement(result, drawn, json.loads(about["circumstances"]))
    key = tuple(about[name] for name in ("student", "digest", "images", "variant", "seed", "round"))
    counts = measured.outcome != "infrastructure"
    added = database.execute(
        "INSERT INTO measurements (started, ended, student, digest, images, variant, seed, round, training, replaces,"
        " counts, measurement, circumstances) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            *(about["started"], about["at"], *key, result["details"].get("training", 0)),
            *(newest.get(key, 0) if counts else 0, counts, measured.model_dump_json(), about["circumstances"]),
        ],
    )
    if counts and added.lastrowid:
        newest[key] = added.lastrowid


def measurement(result: dict[str, Any], drawn: dict[str, Any], circumstances: dict[str, Any]) -> Measurement:
    """The facts behind a verdict of version 0."""
    reason, known = result["reason"], {**result["details"], **result}
    same = Measurement.model_fields.keys() & known.keys() - {"strategies", "flags"}  # in both versions
    outcome: Outcome = "scored"
    missing: list[str] = []
    limits: dict[LimitName, float] = {}
    if reason.startswith("uses no strategy of "):
        outcome, missing = "family_missing", reason.removeprefix("uses no strategy of ").split(" and ")
    elif result["verdict"] == "rejected":
        outcome = "refused"
    elif result["verdict"] == "infrastructure":
        outcome = "infrastructure"
    elif result["verdict"] == "failed":
        outcome = "crashed" if "crashed" in reason else "unscorable"
        for words, names in LIMITS.items():
            if words in reason:
                outcome, limits = "limit", {name: circumstances["limits"][name] for name in names}
    census = {family: [{"name": name} for name in names] for family, names in result["strategies"].items()}
    return Measurement(
        outcome=outcome,
        said="" if outcome == "scored" else reason,
        missing=missing,
        limits=limits,
        strategies=drawn.get("census") or census,
        val_accuracy=[row["val/accuracy"] for row in drawn.get("curves", [])],
        flags=[flag for flag in result["flags"] if not TAKEN_ANEW.search(flag)],
        computation=COMPUTATION,
        **{name: known[name] for name in same},
    )
