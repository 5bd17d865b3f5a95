"""What a training left in its sandbox: read as if it were a trap, and compared with what is expected."""

import csv
import io
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from grader.confidence_intervals import wilson_interval
from grader.ledger.measurement import Ended, Measurement
from grader.rerun.census import census_of, without_families
from grader.rerun.grading_data import GradingData
from grader.rerun.prior_knowledge import prior_knowledge
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.untrusted_files import Unreadable, distrusted, read_json, read_output
from project.training.summary import METRICS

BYTES_OF_A_NUMBER = 2  # at least
MOST_NAMES = 20  # of a list that a program reports


def suspicions(
    data: GradingData,
    trained: Path,
    curves: list[dict[str, float | None]],
    share: float,
    untrained: float | None,
    redraws: list[float],
) -> list[str]:
    """What a person should look at in an audited run. It is no verdict."""
    found = []
    if untrained is None:
        found.append("could not predict before its training")
    elif known := prior_knowledge(untrained, redraws, len(data.classes)):
        found.append(known)
    monitor = curves[-1]["val/accuracy"] if curves else None
    if monitor is None:
        found.append("left no metrics that can be read")
    else:
        _, scored_high = wilson_interval(share, len(data.labels_N), z=4)
        monitor_low, _ = wilson_interval(min(max(monitor, 0.0), 1.0), data.monitored, z=4)
        if not 0 <= monitor <= 1 or monitor_low > scored_high:
            found.append(f"logged {monitor:.0%} while it trained, but scores {share:.0%}")
    try:
        steps, expected, passes, most, replaced, gone = read_json(trained / "evidence.json", evidence_of)
    except Unreadable:
        return [*found, "left no evidence of its training"]
    if steps > expected:  # fewer are honest: a loss scaler leaves some out
        found.append(f"took {steps} optimizer steps where {expected} are expected")
    if passes > most:
        found.append(
            f"took {passes} passes backward where {most} are enough; so does SAM with a penalty that takes a gradient"
        )
    if gone:
        found.append(f"showed {', '.join(gone)} before its training, and no more after it")
    if replaced:
        unproven = "its census is unproven: it " if any(map(of_census, replaced)) else ""
        found.append(f"{unproven}replaced {', '.join(replaced[:5])}{' and more' if len(replaced) > 5 else ''}")
    return found


def of_census(name: str) -> bool:
    """Whether a replaced function is one that the census is taken with."""
    return name.partition(".")[0] in ("project", "torch", "builtins", "math", "random")


def evidence_of(record: dict[str, Any]) -> tuple[int, int, int, int, list[str], list[str]]:
    """Steps taken and expected, passes backward and the most expected, functions replaced, and what is gone at the end."""
    steps, expected = whole(record["steps"], "steps"), whole(record["expected_steps"], "steps")
    passes, most = whole(record["passes"], "passes"), whole(record["most_passes"], "passes")
    replaced = [printable(str(name)) for name in record["replaced"]]
    gone = [printable(str(name)) for name in record["gone"][:MOST_NAMES]]
    return steps, expected, passes, most, replaced, gone


def read_summary(path: Path, rules: Rules, max_epochs: int) -> dict[str, Any]:
    """Epochs, parameters, strategies and remarks of a rerun's summary, types checked. Raises Unreadable.

    Raises Ended where there are more than `max_epochs`, the configuration's own number, or where a family is missing.
    """

    def summary_of(record: dict[str, Any]) -> tuple[int, int, dict[str, Any]]:
        return whole(record["epochs"], "epochs"), parameters_of(record), census_of(record)

    epochs, parameters, census = read_json(path, summary_of)
    if epochs > max_epochs:
        said = f"trained {epochs} epochs, more than the {max_epochs} of its configuration"
        raise Ended(Measurement(outcome="refused", said=said))
    if (used := without_families(Measurement(outcome="scored", **census), rules)).missing:
        raise Ended(used)
    return {"epochs": epochs, "parameters": parameters, **census}


def parameters_of(record: dict[str, Any]) -> int:
    """Number of parameters in a record; to be called by `read_json`, since it may raise anything."""
    return whole(record["parameters"], "parameters")


def whole(value: Any, counted: str) -> int:
    """A count that a program reported. Raises Unreadable where it cannot be one."""
    if type(value) is not int or not 0 <= value < 10**12:
        raise Unreadable(f"it reports an impossible number of {counted}")
    return value


def read_operations(path: Path, most: float) -> float | None:
    """Operations of one image's way through the network, as the training counted them; at most `most`.

    Beside a student's own code the count is a claim. One that is too high hides no more than slowness.
    """
    try:
        counted = read_json(path, lambda record: float(record["operations"]))
    except Unreadable:
        return None
    return min(counted, most) if 0 <= counted < math.inf else None


def most_operations(weights: bytes, image_shape: tuple[int, int, int]) -> float:
    """What such weights allow, given their file: each number multiplied and added once at each pixel (C, H, W)."""
    _, height, width = image_shape
    return 2 * len(weights) / BYTES_OF_A_NUMBER * height * width


def read_curves(path: Path) -> list[dict[str, float | None]]:
    """The rows of a run's metrics.csv: `epoch`, counted from 1, and METRICS, None for what is no finite number.

    Empty where the file is not what it should be.
    """

    def number(text: str) -> float | None:
        value = float(text or "nan")
        return value if math.isfinite(value) else None

    with suppress(Unreadable), distrusted(path.name):
        rows = csv.DictReader(io.StringIO(read_output(path, 10**6).decode("utf-8")))
        return [{"epoch": i, **{name: number(row[name]) for name in METRICS}} for i, row in enumerate(rows, start=1)]
    return []


def keep(output: Path, target: Path) -> None:
    """Copy a small file that a sandbox left, if it is a plain one."""
    with suppress(Unreadable):
        target.write_bytes(read_output(output, 10**6))
