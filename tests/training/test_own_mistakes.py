"""Mistakes in a student's own code, acted out: each is one line with its place, a cure, and exit status 2."""

import importlib
import math
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from main import main
from project.support.errors import UserError
from project.training.command_line import made
from project.training.configuration import merged, read_arguments
from project.training.safeguards import FiniteLoss
from tests.mistakes.own_code import (
    COUNTS,
    IMPORTS,
    LAST,
    NET,
    OPTION,
    RAISED,
    REFUSED,
    REG,
    SMALL,
    method,
    net,
    own,
)


@pytest.fixture
def fit(tmp_path, monkeypatch, capsys):
    """Trains with what a module `mine` defines; returns the exit status and the lines on stderr that are no notes."""

    def act(code: str, *options: str) -> tuple[int, list[str]]:
        (tmp_path / "mine.py").write_text(IMPORTS + code)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "mine", raising=False)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        importlib.invalidate_caches()
        chosen = [f"{OPTION[name]}=mine.{name}" for name in re.findall(r"class (\w+)", code) if name in OPTION]
        runs = f"--run.folder={tmp_path / 'runs'}"
        status = main(["fit", *SMALL, runs, "--model.network=mine.Net", *chosen, *options])
        return status, [line for line in capsys.readouterr().err.splitlines() if not line.startswith("note: ")]

    return act


def no_run_is_left(tmp_path: Path) -> bool:
    return not any((tmp_path / "runs").glob("*"))


@pytest.mark.parametrize("mistake", RAISED)
def test_what_their_code_raises_is_its_line_and_a_cure(mistake, fit, tmp_path):
    if "GPU" in mistake and torch.cuda.is_available():
        pytest.skip("it fails without a GPU only")
    code, expected = RAISED[mistake]
    status, lines = fit(code)
    assert status == 2 and len(lines) == 2 and lines[0].startswith("error: "), lines
    assert "mine.py" in lines[0] and all(part in "\n".join(lines) for part in expected.split(" | ")), lines
    assert all(len(line) < 500 for line in lines)
    (kept,) = tmp_path.glob("traceback-*.txt")
    assert lines[1].endswith(f"; the whole traceback is in {kept}") and "Traceback (most" in kept.read_text()
    assert no_run_is_left(tmp_path)


@pytest.mark.parametrize("mistake", REFUSED)
def test_what_is_seen_before_or_while_training_is_one_line(mistake, fit, tmp_path):
    code, expected = REFUSED[mistake]
    status, lines = fit(code)
    assert status == 2 and len(lines) == 1, lines
    assert lines[0].startswith("error: ") and expected in lines[0] and len(lines[0]) < 400, lines
    assert no_run_is_left(tmp_path)


def test_a_rate_that_is_too_large_is_named_as_the_likeliest_cause(fit):
    status, lines = fit(NET, "--model.optimizer.lr=1e30")
    assert status == 2 and len(lines) == 1
    assert re.search(r"the loss became .* in step \d, in epoch 1; likeliest is a learning rate", lines[0]), lines
    assert lines[0].endswith(": 1e+30 is far above any that trains; fit --find-lr looks for one")


@pytest.mark.parametrize(
    ("rate", "cure"), [(8.0, ": try --model.optimizer.lr 0.8"), (1e9, "fit --find-lr looks for one")]
)
def test_a_smaller_rate_is_named_where_it_is_not_far_too_large(rate, cure):
    assert FiniteLoss().likeliest(2, [SimpleNamespace(param_groups=[{"lr": rate}])]).endswith(cure)


def test_a_loss_that_is_lost_later_leaves_the_epochs_before_it(fit, tmp_path):
    late = net(LAST, f"{COUNTS}        x = x * float('nan') if self.n > 5 else x\n{LAST}")
    status, lines = fit(late, "--trainer.max_epochs=3")
    assert status == 2 and "in step 6, in epoch 2" in lines[-1]
    (metrics,) = tmp_path.glob("runs/*/metrics.csv")
    assert metrics.read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([0, 0, 1, 1], "in step 2, in epoch 7; likeliest is a learning rate"),  # two batches a step
        ([500, 501, 502], "in step 503, in epoch 7; it was 2.3 in the step before"),  # of a run that went on
    ],
)
def test_a_loss_that_is_lost_is_told_with_the_optimizer_s_step(steps, said):
    rates = SimpleNamespace(param_groups=[{"lr": 0.1}])
    trainer = SimpleNamespace(current_epoch=6, is_last_batch=False, optimizers=[rates], accumulate_grad_batches=2)
    looking = FiniteLoss()
    for number, step in enumerate(steps, 1):
        trainer.global_step = step
        looking.on_train_batch_start(trainer, None, None, number)
        loss = torch.tensor(math.nan if number == len(steps) else 1.15)  # divided by two batches
        looking.on_train_batch_end(trainer, None, {"loss": loss}, None, number)
    with pytest.raises(UserError, match=said):
        looking.on_train_end(trainer, None)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            net(
                "self.conv = nn.Conv2d(in_channels, 4, 3, padding=1, stride=4)", "self.convs = [nn.Conv2d(3, 4, 4, 4)]"
            ).replace("self.conv(x)", "self.convs[0](x)"),
            "the layers in convs, a plain list, are not trained; write self.convs = nn.ModuleList([...])",
        ),
        (
            net("self.head =", "self.scale = nn.Parameter(torch.ones(1))\n        self.head ="),
            "no gradient reaches scale on the first batch",
        ),
    ],
)
def test_weights_that_never_learn_are_told(code, said, capsys, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(IMPORTS + code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    assert main(["fit", *SMALL, f"--run.folder={tmp_path}", "--model.network=mine.Net"]) == 0
    assert said in capsys.readouterr().err


def test_the_first_batch_changes_nothing(fit, tmp_path):
    """A network that counts its calls and draws trains as it does where no batch goes through before."""
    code = net(
        LAST, f"        self.calls = getattr(self, 'calls', 0) + 1\n        x = self.calls * F.dropout(x, 0.5)\n{LAST}"
    )
    assert fit(code, "--run.name=guarded")[0] == 0
    runs = tmp_path / "runs"
    options = [*SMALL, f"--run.folder={runs}", "--model.network=mine.Net", "--run.name=unguarded"]
    made(merged(read_arguments(options).overlays)).fit()
    first, second = ((runs / name / "metrics.csv").read_text().splitlines()[1] for name in ("guarded", "unguarded"))
    assert first.rpartition(",")[0] == second.rpartition(",")[0]  # but for the seconds


def test_a_helper_that_is_called_like_nothing_of_ours_stays(fit):
    helps = own(REG, method("penalty(self, network)", "return self.penalties(network)"))
    assert (
        fit(helps + "\n    def penalties(self, network):\n        return network.head.weight.square().sum()\n")[0] == 0
    )


def test_a_network_with_settings_of_its_own_need_not_be_told_what_the_data_tells(fit, tmp_path):
    code = net("self, num_classes", "self, width: int, num_classes").replace(
        "in_channels, 4", "in_channels, 4 + 0 * width"
    )
    assert fit(code, "--model.network.width=4", "--run.name=own")[0] == 0
    status, lines = fit(code, "--model.network.wdth=4")
    assert status == 2 and len(lines) == 1 and "mine.Net has no setting wdth" in lines[0], lines
