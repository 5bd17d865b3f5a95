"""What an epoch may take: each training image once, and once more where an optimizer asks for a second gradient."""

from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_lightning import Trainer

from grader.intake.grammar import allowed
from grader.rerun.training_budget import PASSES_OF_THE_CENSUS, training_budget
from project.classifier import MOST_GRADIENTS, Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP
from project.support.errors import UserError

IMAGES = 40
GLYPHS = Glyphs(IMAGES, 20, 20)
QUIET = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)


class Asks(torch.optim.SGD):
    """Asks for the gradient so many times in each step."""

    def __init__(self, params, times: int):
        super().__init__(params, lr=1e-3)
        self.times = times

    def step(self, closure=None):
        with torch.enable_grad():
            for _ in range(self.times):
                closure()
        super().step()


def shown_in_an_epoch(optimizer, batch_size=10, accumulated=1) -> int:
    """How many images a network gets with gradients while it trains for one epoch."""
    torch.manual_seed(0)
    classifier = Classifier(lambda num_classes: MLP(num_classes, depth=0), optimizer)
    shown = 0

    def count(module, inputs):
        nonlocal shown
        shown += len(inputs[0]) if torch.is_grad_enabled() else 0

    classifier.network.register_forward_pre_hook(count)
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", limit_val_batches=0, accumulate_grad_batches=accumulated, **QUIET
    )
    trainer.fit(classifier, datamodule=ImageData(GLYPHS, batch_size=batch_size))
    return shown


@pytest.mark.parametrize("name", allowed()["optimizer"])
def test_no_optimizer_of_the_list_sees_an_image_more_than_twice_an_epoch(name):
    module, _, last = name.rpartition(".")
    times = 2 if last == "SAM" else 1
    assert shown_in_an_epoch(getattr(import_module(module), last)) == times * IMAGES
    assert times <= MOST_GRADIENTS


@settings(max_examples=12)
@given(times=st.integers(1, 5), batch_size=st.integers(1, 40), accumulated=st.integers(1, 7))
def test_whoever_asks_more_often_than_that_is_refused(times, batch_size, accumulated):
    def optimizer(params):
        return Asks(params, times)

    if times <= MOST_GRADIENTS:
        of_epoch = IMAGES // batch_size * batch_size
        assert shown_in_an_epoch(optimizer, batch_size, accumulated) == times * of_epoch
    else:
        with pytest.raises(UserError, match="model.optimizer: Asks asks for a batch's gradient more than 2 times"):
            shown_in_an_epoch(optimizer, batch_size, accumulated)


@settings(max_examples=12)
@given(batch_size=st.integers(1, 60), accumulated=st.integers(1, 7), epochs=st.integers(1, 3), asks=st.integers(1, 2))
def test_the_budget_is_what_a_training_of_the_configuration_takes(batch_size, accumulated, epochs, asks):
    torch.manual_seed(0)
    classifier = Classifier(lambda num_classes: MLP(num_classes, depth=0), lambda params: Asks(params, asks))
    batches = []

    def count(module, inputs):
        if torch.is_grad_enabled():
            batches.append(len(inputs[0]))

    classifier.network.register_forward_pre_hook(count)
    limits = {"max_epochs": epochs, "accumulate_grad_batches": accumulated}
    trainer = Trainer(accelerator="cpu", limit_val_batches=0, **limits, **QUIET)
    trainer.fit(classifier, datamodule=ImageData(GLYPHS, batch_size=batch_size))

    budget = training_budget({"trainer": limits, "data": {"batch_size": batch_size}}, IMAGES, epochs)
    assert (budget.steps, budget.batch) == (trainer.global_step, max(batches))
    assert budget.images == MOST_GRADIENTS * sum(batches) / asks
    assert budget.passes == MOST_GRADIENTS * len(batches) / asks + PASSES_OF_THE_CENSUS


def test_a_configuration_that_leaves_things_out_has_the_usual_budget():
    budget = training_budget({"trainer": {}, "data": {}}, 1000, 2)
    assert budget.batch == 128 and budget.steps == 2 * 7 and budget.images == 2 * 2 * 7 * 128


def test_lbfgs_is_told_what_is_wrong():
    with pytest.raises(UserError, match="LBFGS asks .* an epoch would be several; take another one"):
        shown_in_an_epoch(lambda params: torch.optim.LBFGS([p for group in params for p in group["params"]]))
