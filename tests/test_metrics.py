"""An epoch's loss and accuracy are those of all its samples, however they come."""

import pytest
import torch
from torch.nn import functional as F

from project.support import metrics
from project.support.metrics import EpochCallback, EpochMetrics


@pytest.mark.parametrize("kept", [1, 50, 10_000])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_they_are_those_of_all_samples(kept, dtype, monkeypatch):
    monkeypatch.setattr(metrics, "KEPT", kept)
    torch.manual_seed(0)
    logits_NK, labels_N = torch.randn(103, 10).to(dtype), torch.randint(0, 10, (103,))
    epoch = EpochMetrics(10)
    for _ in range(2):  # computing them begins anew
        for logits, labels in zip(logits_NK.split(20), labels_N.split(20)):
            epoch.update(logits, labels)
        found = epoch.compute()
        torch.testing.assert_close(found["loss"], F.cross_entropy(logits_NK.float(), labels_N))
        torch.testing.assert_close(found["accuracy"], (logits_NK.argmax(1) == labels_N).float().mean())


def test_logits_are_kept_without_what_they_were_computed_from():
    epoch, weight = EpochMetrics(2), torch.ones(3, 2, requires_grad=True)
    epoch.update(torch.ones(1, 3) @ weight, torch.tensor([0]))
    assert epoch.kept[0][0].grad_fn is None


def test_an_accuracy_of_four_fifths_is_not_above_it():
    """As a float32, which is what a trainer keeps, it would be 0.800000012."""

    class At80:
        sanity_checking, is_last_batch, callback_metrics = False, True, {"val/accuracy": torch.tensor(0.8)}

    callback = EpochCallback()
    callback.on_validation_end(At80, None)
    assert callback.measured(At80) == {"val/accuracy": 0.8}
