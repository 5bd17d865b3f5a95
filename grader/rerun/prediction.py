"""What a network answers, asked twice in sandboxes that know nothing of each other; and what it knew before its training.

A network that adapts to the images it is asked about, or to those in the same batch, answers differently in another
order; one that is random does, too.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from torch import Tensor

from grader.rerun.prior_knowledge import IMAGES, REDRAWS
from grader.rerun.questions import Look
from grader.rerun.scoring import accuracy
from grader.rerun.weights import as_file, read_weights, redrawn
from grader.sandbox.untrusted_files import Unreadable

# Takes a stage's name, looks to take in a sandbox of its own, and how many images those are; gives logits (N, K), float32,
# for each look. Raises Ended or Unreadable.
Ask = Callable[[str, Iterable[Look], int], list[Tensor]]
# What rounding may change, since each size of a batch has its own order of additions: the class of a share of the images,
# and all logits together, relative to them. The keys say whether the network may compute in 16 bits.
OTHER_CLASS = {False: 0.002, True: 0.01}
ROUNDING = {False: 0.005, True: 0.05}
ALLOWED = "in evaluation mode it may use no randomness, no statistics of a batch, and nothing of earlier images"


class NotAFunction(Unreadable):
    """A network that answers differently in another order."""


def predict(ask: Ask, images_NHWC: Tensor, weights: bytes, precision: str) -> Tensor:
    """Logits (N, K), float32, of a trained network. Raises Ended, and Unreadable where there are none to rely on."""
    first_NK, again_NK = (
        ask(stage, [Look(weights, images_NHWC)], len(images_NHWC))[0] for stage in ("predictor", "again")
    )
    if not first_NK.isfinite().all():
        raise Unreadable("the logits are not all finite: the training diverged")
    if differs := unequal(first_NK, again_NK, in_16_bits="16" in precision or precision == "auto"):
        raise NotAFunction(f"asked again in another order, its network answers differently ({differs}): {ALLOWED}")
    return first_NK


def unequal(first_NK: Tensor, again_NK: Tensor, in_16_bits: bool) -> str | None:
    """How two answers about the same images differ by more than rounding; None where they do not."""
    others = int((first_NK.argmax(1) != again_NK.argmax(1)).sum())
    if others > max(1, OTHER_CLASS[in_16_bits] * len(first_NK)):
        return f"{others} of {len(first_NK)} images got another class"
    error = ((first_NK - again_NK).double().norm() / first_NK.double().norm().clamp(min=1e-30)).item()
    if not error <= ROUNDING[in_16_bits]:  # also what is no number
        return f"the logits differ by {error:.1%}"
    return None


def before_training(
    ask: Ask, images_NHWC: Tensor, labels_N: Tensor, fresh: bytes, random: np.random.Generator
) -> tuple[float, list[float]]:
    """Accuracies of the weights from before the training, and of redraws of them. Raises Ended or Unreadable.

    Args:
        fresh: A safetensors file that nobody has looked at.
        random: Draws the redraws, and which look comes when.
    """
    images_NHWC, labels_N = images_NHWC[:IMAGES], labels_N[:IMAGES]
    tensors, order = read_weights(fresh), random.permutation(1 + REDRAWS).tolist()

    def looks() -> Iterator[Look]:  # one at a time, since weights may be large
        for number in order:
            yield Look(as_file(redrawn(tensors, random)) if number else fresh, images_NHWC)

    answers = ask("untrained", looks(), len(order) * len(images_NHWC))
    # Weights that suit no other order may overflow in a redraw.
    shares = {
        number: accuracy(answer_NK.nan_to_num(0.0, 0.0, 0.0), labels_N) for number, answer_NK in zip(order, answers)
    }
    return shares[0], [shares[number] for number in range(1, 1 + REDRAWS)]
