"""What a training left in its sandbox: read as if it were a trap, and compared with what is expected."""

import csv
import io
import math
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from grader.confidence_intervals import wilson_interval
from grader.ledger.measurement import Ended, Measurement
from grader.rerun.census import census_of, without_families
from grader.rerun.grading_data import GradingData
from grader.rerun.prior_knowledge import prior_knowledge
from grader.rerun.training_budget import TrainingBudget
from grader.rules import Rules
from grader.safe_text import printable
from grader.sandbox.untrusted_files import Unreadable, distrusted, read_json, read_output
from project.training.summary import METRICS

BYTES_OF_A_NUMBER = 2  # at least
MOST_NAMES = 20  # of a list that a program reports
OTHERS_SECONDS, OTHERS_SHARE = 5, 0.1  # of the processor: the program's end, and what it is started by, take some


def suspicions(
    data: GradingData,
    budget: TrainingBudget,
    trained: Path,
    curves: list[dict[str, float | None]],
    share: float,
    untrained: float | None,
    redraws: list[float],
    processor: float | None,
) -> list[str]:
    """What a person should look at in an audited run. It is no verdict.

    Args:
        processor: Seconds of the processor that all processes of the training took, if the kernel counted them.
    """
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
        seen = read_json(trained / "evidence.json", evidence_of)
    except Unreadable:
        return [*found, "left no evidence of its training"]
    if seen.steps > budget.steps:  # fewer are honest: a loss scaler leaves some out
        found.append(f"took {seen.steps} optimizer steps where {budget.steps} are expected")
    if seen.passes > budget.passes:
        passes = f"took {seen.passes} passes backward where {budget.passes} are enough"
        found.append(f"{passes}; honest code may, too, with SAM and a penalty that takes a gradient")
    if seen.images > budget.images:
        found.append(f"learnt from images {seen.images} times where {budget.images} times are enough")
    if seen.batch > budget.batch:
        found.append(f"learnt from {seen.batch} images at once where a batch has {budget.batch}")
    if seen.other_images:
        found.append("made its batches of other images than it was given to train on")
    others = max(seen.others, (processor or 0.0) - seen.own)
    if others > OTHERS_SECONDS + OTHERS_SHARE * seen.own and not seen.helped:
        found.append(
            f"other processes took {others:.0f} s of the processor beside the {seen.own:.0f} s of the training's own"
        )
    if seen.gone:
        found.append(f"showed {', '.join(seen.gone)} before its training, and no more after it")
    if names := seen.replaced:
        unproven = "its census is unproven: it " if any(map(of_census, names)) else ""
        found.append(f"{unproven}replaced {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}")
    return found


def of_census(name: str) -> bool:
    """Whether a replaced function is one that the census is taken with."""
    return name.partition(".")[0] in ("project", "torch", "builtins", "math", "random")


class Evidence(NamedTuple):
    """What an audited training's evidence.json says, see programs/evidence.py.

    Attributes:
        images: That gradients went through, each as often as they did; `batch` the most at once.
        own: Seconds of the processor that the training's process took; `others` those of processes that it started.
        helped: Whether it says that worker processes or the compiler were at work.
    """

    steps: int
    passes: int
    images: int
    batch: int
    other_images: bool
    own: float
    others: float
    helped: bool
    replaced: list[str]
    gone: list[str]


def evidence_of(record: dict[str, Any]) -> Evidence:
    """The evidence in a record; to be called by `read_json`, since it may raise anything."""
    processor = record["processor"]
    return Evidence(
        steps=whole(record["steps"], "steps"),
        passes=whole(record["passes"], "passes"),
        images=whole(record["images"], "images"),
        batch=whole(record["batch"], "images"),
        other_images=record["other_images"] is not False,
        own=seconds(processor["own"]),
        others=seconds(processor["others"]),
        helped=processor["helped"] is True,
        replaced=[printable(str(name)) for name in record["replaced"][:MOST_NAMES]],
        gone=[printable(str(name)) for name in record["gone"][:MOST_NAMES]],
    )


def seconds(value: Any) -> float:
    """Seconds that a program reported. Raises Unreadable where they cannot be any."""
    if not 0 <= (number := float(value)) < 10**9:
        raise Unreadable("it reports an impossible time")
    return number


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
