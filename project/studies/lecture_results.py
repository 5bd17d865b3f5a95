"""What the lecture's page shows: studies' numbers, and fresh networks' layers. `docs/lecture/results.json` keeps them."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from project.initialization import He, Initialization, Normal
from project.normalization import BatchNormalization
from project.studies.fresh_networks import PlainXavier, fresh_layers, labelled_images
from project.studies.measurements import WEIGHT_EDGE
from project.studies.study_result import ArmResult, StudyResult

STUDIES = Path("configs/studies")
ACTIVATIONS: dict[str, type[nn.Module]] = {"Sigmoid": nn.Sigmoid, "Tanh": nn.Tanh, "ReLU": nn.ReLU}
STARTS: dict[str, Initialization] = {
    "normal_1": Normal(1.0),
    "normal_001": Normal(0.01),
    "xavier": PlainXavier(),
    "he": He(),
}
DEPTHS, WIDTH = (2, 5, 10), 100
APART = 10.0
IMAGES, SEEDS, BINS = 200, 5, 21  # an odd number, so that one of what is around zero has it in its middle


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Cell(Model):
    """An arm of a study: its place among the two things that the study varies, and each seed's numbers.

    Attributes:
        at: What the arm sets, such as a rate and a momentum.
        accuracy: On the validation images, in %.
        train_loss, val_loss: Both in evaluation mode and on images as they come; null where it is no number.
    """

    at: tuple[str, str]
    accuracy: list[float | None]
    train_loss: list[float | None]
    val_loss: list[float | None]


class Grid(Model):
    """A study, and the command that repeats it."""

    command: str
    cells: list[Cell]


class Weights(Model):
    """The trained weights of an arm's networks.

    Attributes:
        penalty: The arm; empty for the base, which has none.
        shares: In % by bin of `project.studies.measurements.weight_shares`: the lowest, the median and the highest of the seeds.
        near_zero: In %, of each seed.
        size: Root mean square, of each seed.
        accuracy: On the validation images, in %, of each seed.
    """

    penalty: str
    shares: list[tuple[float, float, float]]
    near_zero: list[float]
    size: list[float]
    accuracy: list[float]


class Penalties(Model):
    """A study of penalties on weights, and the command that repeats it.

    Attributes:
        edge: The histograms reach from minus it to it.
    """

    command: str
    edge: float = WEIGHT_EDGE
    arms: list[Weights]


class Layer(Model):
    """A layer of networks that were drawn with several seeds. Of each three numbers the lowest, the median and the highest.

    Attributes:
        signal: How far its units tell images apart; null for the head.
        gradient: Norm of the loss's gradient by its weights.
        span: Of its histograms, where layers have axes of their own; else it is the network's.
        shares: Of its outputs with the first seed, in % by bin over the `span`; none for the head.
        centred: Of the same less each unit's mean over the images, from minus the width of the span to it.
    """

    signal: tuple[float, float, float] | None = None
    gradient: tuple[float, float, float]
    span: tuple[float, float] | None = None
    shares: list[float] = []
    centred: list[float] = []


class Fresh(Model):
    """Networks of an activation, an initialization and a depth, with or without batch normalization, before any training.

    Attributes:
        span: From the least to the largest output that any hidden layer has: one axis for all of them. Only where their largest
            outputs differ by more than APART, each has its own.
    """

    activation: str
    start: str
    depth: int
    normalized: bool
    span: tuple[float, float]
    layers: list[Layer]


class LectureResults(Model):
    """All that the page shows, by the names of its pictures' studies."""

    version: Literal[1] = 1
    torch: str
    grids: dict[str, Grid]
    penalties: Penalties
    fresh: list[Fresh]


def by_level(arm: ArmResult, study: StudyResult) -> tuple[str, str] | None:
    """An arm's place in a study's grid; None for a base that is not in it."""
    if arm.cell is None or study.grid is None:
        return None
    return study.grid[0].levels[arm.cell[0]], study.grid[1].levels[arm.cell[1]]


def by_strength(arm: ArmResult, study: StudyResult) -> tuple[str, str] | None:
    """`weight decay 0.02`: a regularizer and its strength. The base has none of any."""
    name, _, strength = arm.name.rpartition(" ")
    return name, strength if name else "0"


def by_batch(arm: ArmResult, study: StudyResult) -> tuple[str, str] | None:
    """`batch 2, layer`: a size and a normalization."""
    size, _, normalization = arm.name.removeprefix("batch ").partition(", ")
    return (size, normalization) if normalization else None


Place = Callable[[ArmResult, StudyResult], tuple[str, str] | None]
WANTED: dict[str, Place] = {
    "rate_and_momentum": by_level,
    "strength": by_strength,
    "rate_and_normalization": by_level,
    "batch_and_normalization": by_batch,
}
PENALTIES = "lecture/penalties"


PARTS = (*WANTED, "penalties", "fresh")


def measured(out: Path, kept: LectureResults | None = None, parts: Sequence[str] = PARTS) -> LectureResults:
    """Train what is not trained yet, and take what the page needs. A failed arm has no cell.

    Args:
        out: The studies' folder, where finished runs are kept.
        kept: Results to take all other parts from; needed where not all are measured.
        parts: What is measured: studies by their names, and fresh networks.
    """
    from project.studies.study_plan import RUNS, read_plan
    from project.studies.study_trainings import run

    def ran(name: str) -> StudyResult:
        plan = read_plan(["--study", str(STUDIES / f"{name}.yaml"), "--out", str(out)])
        (plan.folder / RUNS).mkdir(parents=True, exist_ok=True)
        return run(plan)

    found: dict[str, Any] = {} if kept is None else dict(kept)
    found["grids"] = {
        name: grid(name, ran(name)) if name in parts else found["grids"][name] for name in WANTED
    }  # in this order, whatever is kept
    if "penalties" in parts:
        found["penalties"] = penalties(ran(PENALTIES))
    if "fresh" in parts:
        found["fresh"] = list(all_fresh())
    return LectureResults(**{**found, "torch": torch.__version__})


def grid(name: str, study: StudyResult) -> Grid:
    """A study's numbers."""
    place, cells = WANTED[name], []
    for arm in sorted(study.arms, key=lambda arm: arm.cell or (-1, -1)):  # a base that is in the grid comes first, else
        if arm.failed is None and (at := place(arm, study)) is not None:
            runs = sorted(arm.runs, key=lambda run: run.seed)
            accuracies = [None if run.accuracy is None else rounded(100 * run.accuracy) for run in runs]
            losses = [[rounded(run.train_loss) for run in runs], [rounded(run.val_loss) for run in runs]]
            cells.append(Cell(at=at, accuracy=accuracies, train_loss=losses[0], val_loss=losses[1]))
    return Grid(command=command(name), cells=cells)


def penalties(study: StudyResult) -> Penalties:
    """The trained weights of each arm that did not fail."""
    arms = []
    for arm in study.arms:
        if arm.failed is None:
            runs = sorted(arm.runs, key=lambda run: run.seed)
            arms.append(
                Weights(
                    penalty="" if arm is study.arms[0] else arm.name,
                    shares=[middle(seeds) for seeds in zip(*(run.weight_shares for run in runs), strict=True)],
                    near_zero=[rounded(run.measured["near_zero"]) or 0 for run in runs],
                    size=[rounded(run.measured["weight_size"]) or 0 for run in runs],
                    accuracy=[rounded(100 * (run.accuracy or 0)) or 0 for run in runs],
                )
            )
    return Penalties(command=command(PENALTIES), arms=arms)


def command(name: str) -> str:
    return f"python main.py study --study {STUDIES / name}.yaml"


def all_fresh() -> Iterator[Fresh]:
    """Every combination of activation, initialization and depth, with and without batch normalization."""
    images_NCHW, labels_N = labelled_images(IMAGES)
    for activation in ACTIVATIONS:
        for start in STARTS:
            for depth in DEPTHS:
                for normalized in (False, True):
                    yield fresh(images_NCHW, labels_N, activation, start, depth, normalized)


def fresh(images_NCHW: Tensor, labels_N: Tensor, activation: str, start: str, depth: int, normalized: bool) -> Fresh:
    """Such networks, drawn with SEEDS seeds."""
    normalization = BatchNormalization() if normalized else None
    kind = ACTIVATIONS[activation]
    drawn = [
        fresh_layers(images_NCHW, labels_N, kind, STARTS[start], depth, WIDTH, normalization, seed)
        for seed in range(SEEDS)
    ]
    largest = [outputs_NU.max().item() for outputs_NU in drawn[0].outputs]
    bounded = {"Sigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}.get(activation)
    whole = bounded or (0.0, max(largest))
    apart = not bounded and max(largest) > APART * min(largest)
    layers = []
    for number, outputs_NU in enumerate(drawn[0].outputs):
        low, high = (0.0, largest[number]) if apart else whole
        layers.append(
            Layer(
                signal=middle([network.signals()[number] for network in drawn]),
                gradient=middle([network.gradients[number] for network in drawn]),
                span=told(low, high) if apart else None,
                shares=in_bins(outputs_NU, low, high),
                centred=in_bins(outputs_NU - outputs_NU.mean(0), low - high, high - low),
            )
        )
    head = Layer(gradient=middle([network.gradients[-1] for network in drawn]))
    at = {"activation": activation, "start": start, "depth": depth, "normalized": normalized}
    return Fresh(**at, span=told(*whole), layers=[*layers, head])


def told(low: float, high: float) -> tuple[float, float]:
    return low, float(f"{high:.3g}")


def in_bins(values: Tensor, low: float, high: float) -> list[float]:
    """A histogram, in %."""
    counts = torch.histc(values, BINS, low, high) / values.numel()
    return [round(100 * share, 1) for share in counts.tolist()]


def middle(values: Sequence[float]) -> tuple[float, float, float]:
    """The lowest, the median and the highest."""
    low, median, high = (float(f"{value:.3g}") for value in (min(values), statistics.median(values), max(values)))
    return low, median, high


def rounded(value: float | None) -> float | None:
    """To four digits, which is more than seeds agree on."""
    return None if value is None else float(f"{value:.4g}")
