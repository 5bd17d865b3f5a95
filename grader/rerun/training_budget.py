"""The most that the epochs of a training come to, computed where no student's code can change what goes in.

That is the number of images which the grader gave, and the configuration which it wrote.
"""

import inspect
from dataclasses import dataclass
from typing import Any

from project.classifier import MOST_GRADIENTS
from project.data import ImageData

USUAL_BATCH = inspect.signature(ImageData).parameters["batch_size"].default
PASSES_OF_THE_CENSUS = 200  # at most, backward through a network or a small problem


@dataclass(frozen=True)
class TrainingBudget:
    """What a training may come to.

    Attributes:
        steps: Of its optimizer.
        passes: Backward, with those of the census.
        images: That gradients went through, each as often as they did.
        batch: Images that the network gets at once to learn from.
    """

    steps: int
    passes: int
    images: int
    batch: int


def training_budget(config: dict[str, Any], images: int, epochs: int) -> TrainingBudget:
    """The budget of so many epochs over so many training images, > 0, by a rerun's configuration."""
    batch = min(config["data"].get("batch_size", USUAL_BATCH), images)
    batches = images // batch  # a last, smaller one is left out
    steps = -(-batches // config["trainer"].get("accumulate_grad_batches", 1))
    gradients = MOST_GRADIENTS * batches * epochs
    return TrainingBudget(steps * epochs, gradients + PASSES_OF_THE_CENSUS, gradients * batch, batch)
