"""The command line: a whole run on few images, and one line for each mistake."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys

import pytest
import torch
import yaml

from main import main
from project.support.errors import UserError
from project.training import parser_errors
from project.training.command_line import complete_config, default_run_name, made, run
from project.training.configuration import merged, read_arguments
from project.training.known_settings import REPOSITORY
from project.training.parser_errors import explain
from project.training.run_folder import Run
from project.training.summary import Record
from tests.mistakes.settings import LINES, OTHER_FILES

TINY = [
    *("--data.source.train=400", "--data.source.val=100", "--data.source.test=100"),
    *("--model.network.width=4", "--data.batch_size=50", "--trainer.max_epochs=2", "--trainer.accelerator=cpu"),
    "--run.wandb=disabled",
]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A short run of the quickstart's configuration, with its W&B run."""
    folder = tmp_path_factory.mktemp("runs")
    cli = run(
        [
            "fit",
            "--config",
            "configs/quickstart.yaml",
            *TINY,
            "--run.wandb=offline",
            "--run.name=quickstart",
            f"--run.folder={folder}",
        ]
    )
    return cli


def fit(tmp_path, *args):
    return run(["fit", *args, *TINY, f"--run.folder={tmp_path}"])


def test_run_folder_is_complete(fitted):
    folder = fitted.folder
    assert folder.name == "quickstart"
    rows = (folder / "metrics.csv").read_text().splitlines()
    assert rows[0].startswith("epoch,step,train/loss,train/accuracy,val/loss,val/accuracy,lr,gradient_norm/stem.0,")
    assert len(rows) == 3 and all(row.count(",") == rows[0].count(",") and ",," not in row for row in rows)
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["epochs"], summary["steps"], summary["seed"], summary["samples_per_epoch"]) == (2, 16, 0, 400)
    assert summary["val_accuracy"] <= summary["best_val_accuracy"]
    assert summary["parameters"] == sum(p.numel() for p in fitted.model.network.parameters())
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert (folder / "figures" / "curves.png").stat().st_size > 10_000
    assert list(folder.glob("wandb/offline-run-*/run-*.wandb"))


def test_summary_names_the_strategies_with_evidence(fitted):
    strategies = json.loads((fitted.folder / "summary.json").read_text())["strategies"]
    names = {family: {strategy["name"] for strategy in found} for family, found in strategies.items()}
    assert names == {
        "optimization": {"SGD with Nesterov momentum", "OneCycle schedule"},
        "regularization": {"weight decay", "RandomAffine"},
        "initialization": {"He"},
        "normalization": {"batch normalization"},
    }
    assert all(strategy["evidence"] for found in strategies.values() for strategy in found)


def test_every_weight_moves(tmp_path):
    cli = fit(tmp_path, "--config", "configs/quickstart.yaml")
    torch.manual_seed(0)
    fresh = made(merged(read_arguments(["--config", "configs/quickstart.yaml", *TINY]).overlays), "validate")
    for (name, trained), start in zip(cli.model.network.named_parameters(), fresh.model.network.parameters()):
        assert not torch.equal(trained, start), name


def test_the_same_config_gives_the_same_numbers(fitted, tmp_path):
    repeated = run(
        ["fit", "--config", str(fitted.folder / "config.yaml"), f"--run.folder={tmp_path}", "--run.wandb=disabled"]
    )
    assert repeated.folder.name == "quickstart"
    without_seconds = lambda folder: [  # noqa: E731
        row.rpartition(",")[0] for row in (folder / "metrics.csv").read_text().splitlines()
    ]
    assert without_seconds(repeated.folder) == without_seconds(fitted.folder)


def test_no_run_overwrites_another(tmp_path):
    settings = merged(read_arguments(["--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}"]).overlays)
    names = [made(settings, run_name="base").folder.name for _ in range(2)]
    assert names == ["base", "base-2"]


def test_a_folder_of_runs_that_is_a_link_to_nothing_is_told(tmp_path):
    (tmp_path / "runs").symlink_to(tmp_path / "not_mounted")
    with pytest.raises(UserError, match="run.folder: .*a link in it leads to nothing"):
        Run(folder=str(tmp_path / "runs")).create_folder("base")


@pytest.mark.parametrize("subcommand", ["validate", "test", "predict"])
def test_a_run_s_config_and_checkpoint_are_enough(fitted, subcommand, capsys, monkeypatch, tmp_path):
    checkpoint = fitted.folder / "checkpoints" / "last.ckpt"
    monkeypatch.chdir(tmp_path)
    cli = run([subcommand, "--config", str(fitted.folder / "config.yaml"), "--ckpt_path", str(checkpoint)])
    if subcommand == "validate":
        last = json.loads((fitted.folder / "summary.json").read_text())["val_accuracy"]
        assert cli.trainer.callback_metrics["val/accuracy"].item() == pytest.approx(last)
    if subcommand == "predict":
        rows = (fitted.folder / "predictions.csv").read_text().splitlines()
        assert rows[0] == "index,class,A,B,C,D,E,F,G,H,I,J" and len(rows) == 101
    assert not list(tmp_path.iterdir()), "nothing is written where the person happens to be"


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    stopped = tmp_path / "after-2-epochs.ckpt"

    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 2 and not stopped.exists():
            shutil.copy(trainer.default_root_dir + "/checkpoints/last.ckpt", stopped)

    monkeypatch.setattr(Record, "on_train_epoch_start", on_train_epoch_start)
    four = ("--config", "configs/quickstart.yaml", *TINY, "--trainer.max_epochs=4", f"--run.folder={tmp_path}")
    whole, resumed = run(["fit", *four]), run(["fit", *four, f"--ckpt_path={stopped}"])
    assert len((resumed.folder / "metrics.csv").read_text().splitlines()) == 3, "two epochs were left"
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, resumed.model.state_dict()[name]), name


def test_last_lines_say_which_conditions_hold(tmp_path, capsys):
    assert main(["fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "epoch  2/2  train loss" in said
    assert "NOT MET  normalization" in said and "--config configs/normalization/default.yaml" in said
    assert "  met      at most 15 epochs   2\n" in said
    *_, reached, suggested, command = said.splitlines()
    assert reached.startswith("val/accuracy ") and reached.endswith("1 of 6 conditions met")
    assert suggested.startswith("Next: the loss went from 2.3") and f" --config {tmp_path}/base+train=400" in command


def mistake(capsys, *args):
    assert main(["fit", *args]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1, said
    assert len(said) < 400, said
    return said


BASE = ("--config", "configs/base.yaml")


@pytest.mark.parametrize(
    ("args", "expected"),
    LINES,
    ids=lambda value: " ".join(value)[-40:],
)
def test_a_mistake_is_one_line(capsys, args, expected, tmp_path):
    said = mistake(capsys, *args, f"--run.folder={tmp_path}")
    assert all(part in said for part in expected), said
    assert not list(tmp_path.iterdir()), "a mistake leaves no half-made run behind"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["look"], "no data named"),
        (["fit", "--config", "configs/bsae.yaml"], "did you mean configs/base.yaml?"),
        (["fit", "--model.network", "no_such_code.Net"], "model.network: there is no module no_such_code\n"),
        (["fit", "--data.augmentation+", "no_such_code.Noise"], "data.augmentation: there is no module no_such_code\n"),
        (["look", "--data.source", "no_such_code.Glyphs"], "did you mean project.datasets.glyphs.Glyphs?"),
    ],
)
def test_what_needs_no_torch_is_told_before_torch_is_imported(args, expected):
    done = subprocess.run([sys.executable, "-X", "importtime", "main.py", *args], capture_output=True, text=True)
    assert done.returncode == 2 and expected in done.stderr
    assert not re.search(r"\| +torch$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "expected"),
    OTHER_FILES,
)
def test_a_mistake_in_a_file_is_one_line(capsys, tmp_path, text, expected):
    (tmp_path / "mine.yaml").write_text(text)
    said = mistake(capsys, *BASE, "--config", str(tmp_path / "mine.yaml"), f"--run.folder={tmp_path / 'runs'}")
    assert all(part in said for part in expected), said


@pytest.mark.parametrize("module", ["submission", "submission.mine"])
def test_a_folder_without_the_file_that_is_named_is_explained_in_the_same_way(module):
    missing = [f"No module named '{module}'", f"module '{module}' has no attribute 'mine'"]
    for said in missing:
        told = explain(f'Parser key "model.network": {said}. Got value: submission.mine.Net', ())
        is_there = module == "submission.mine" and said == missing[1]
        assert ("there is no file submission/mine.py" in told) != is_there, told


def test_a_function_can_make_the_network():
    cli = made(merged(read_arguments([*BASE, "--model.network=torchvision.models.resnet18"]).overlays), "validate")
    assert type(cli.model.network).__name__ == "ResNet" and cli.model.network.fc.out_features == 10
    assert "network: torchvision.models.resnet18\n" in cli.complete


def test_run_names_come_from_the_overlays():
    assert default_run_name(["configs/base.yaml", "configs/initialization/he.yaml"], {}) == "base+he"
    assert default_run_name(["configs/base.yaml", "configs/normalization/default.yaml"], {}) == "base+normalization"
    assert default_run_name(["runs/quickstart/config.yaml"], {}) == "quickstart"
    assert default_run_name([], {}) == "run"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--model.network.width=32", "--trainer.max_epochs", "5"], "base+width=32+max_epochs=5"),
        (["--model.optimizer=torch.optim.AdamW", "--model.optimizer.lr=1e-3"], "base+optimizer=AdamW+lr=1e-3"),
        (["--data.source=ImageTable", "--data.source.path=/home/a b/tables/"], "base+source=ImageTable+path=tables"),
        (["--model.regularization+=Dropout"], "base+regularization=Dropout"),
        (["--data.mean=[0.5, 0.5]"], "base+mean=_0.5,_0.5_"),
        (["--trainer.max_epochs=5", "--trainer.max_epochs=6"], "base+max_epochs=6"),
        (["--run.folder=elsewhere", "--run.wandb=disabled", "--trainer.accelerator=cpu"], "base"),
    ],
)
def test_run_names_say_which_options_were_changed(options, name):
    arguments = read_arguments([*BASE, *options])
    assert default_run_name(arguments.files, arguments.options) == name


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_a_bar_in_a_terminal_and_a_line_an_epoch_everywhere(terminal, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    fit(tmp_path, "--config", "configs/base.yaml")
    said = capsys.readouterr().out
    assert ("epoch  1/2:" in said) == ("\r" in said) == terminal
    lines = re.findall(r"epoch +(\d)/2  train loss \d\.\d+ accuracy +[\d.]+%  val loss", said)
    assert lines == ["1", "2"]


def test_an_epoch_s_line_comes_when_its_row_is_written(tmp_path, monkeypatch):
    rows = []
    monkeypatch.setattr(
        "project.training.epoch_display.tqdm.write",
        lambda line: rows.extend(len(path.read_text().splitlines()) - 1 for path in tmp_path.rglob("metrics.csv")),
    )
    fit(tmp_path, "--config", "configs/base.yaml")
    assert rows == [1, 2]


def test_ctrl_c_says_how_to_go_on(tmp_path, capsys, monkeypatch):
    def on_train_epoch_start(self, trainer, pl_module):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(Record, "on_train_epoch_start", on_train_epoch_start)
    handler = signal.getsignal(signal.SIGINT)
    try:
        assert main(["fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}"]) == 130
    finally:
        signal.signal(signal.SIGINT, handler)  # the Trainer ignores it from then on
    said = capsys.readouterr()
    command = re.search(r"Stopped in epoch 2 of 2; to go on: python main.py (.*)", said.out)[1]
    assert "Traceback" not in said.err
    monkeypatch.undo()
    assert main(command.split()) == 0
    (folder,) = tmp_path.iterdir()
    assert len((folder / "metrics.csv").read_text().splitlines()) == 3, "one epoch was left"


def test_a_count_of_batches_stays_a_count_and_a_share_a_share():
    options = ["--trainer.limit_train_batches=1", "--trainer.limit_val_batches=0.5", "--trainer.overfit_batches", "1.0"]
    settings = complete_config(["--config", "configs/base.yaml", *options])
    assert "limit_train_batches: 1\n" in settings and "limit_val_batches: 0.5\n" in settings
    assert "overfit_batches: 1.0\n" in settings


def test_a_run_that_was_stopped_within_an_epoch_goes_on_with_the_batches_that_are_left(tmp_path):
    data = [
        "--data.source",
        "Glyphs",
        "--data.source.train",
        "200",
        "--data.source.val",
        "50",
        "--data.batch_size",
        "20",
    ]
    args = ["fit", "--config", "configs/quickstart.yaml", *data, "--trainer.max_epochs", "3", "--run.diagnostics=false"]
    args += ["--run.wandb", "disabled", "--run.folder", str(tmp_path)]
    callback = "pytorch_lightning.callbacks.ModelCheckpoint"
    steps = [f"--trainer.callbacks+={callback}", "--trainer.callbacks.dirpath", str(tmp_path / "steps")]
    steps += ["--trainer.callbacks.every_n_train_steps", "7", "--trainer.callbacks.save_top_k", "-1"]
    whole = run([*args, *steps])
    assert whole.trainer.num_training_batches == 10
    for step in (7, 14):
        (checkpoint,) = (tmp_path / "steps").glob(f"*step={step}.ckpt")
        rest = run([*args, "--ckpt_path", str(checkpoint)])
        assert rest.trainer.global_step == 30
        for one, other in zip(whole.model.network.state_dict().values(), rest.model.network.state_dict().values()):
            assert torch.equal(one, other), step


@pytest.mark.parametrize("part", ["--trainer.limit_train_batches=3", "--trainer.overfit_batches=3"])
def test_a_run_of_a_part_of_the_batches_goes_on_with_the_next_epoch_s_first(part, tmp_path):
    args = ["fit", "--config", "configs/base.yaml", *TINY, "--run.diagnostics=false", "--run.figures=false", part]
    args += ["--model.network=project.networks.MLP", f"--run.folder={tmp_path}"]
    first = run([*args, "--trainer.max_epochs=1"])
    rest = run([*args, f"--ckpt_path={first.folder / 'checkpoints' / 'last.ckpt'}"])
    whole = run(args)
    assert rest.trainer.global_step == whole.trainer.global_step == 6
    torch.testing.assert_close(rest.model.network.state_dict(), whole.model.network.state_dict(), rtol=0, atol=0)


def fit_briefly(tmp_path, *options):
    """The exit status of a few epochs of a small network, without figures."""
    quick = ["--config", "configs/base.yaml", *TINY, "--model.network=project.networks.MLP", "--run.diagnostics=false"]
    return main(["fit", *quick, "--run.figures=false", f"--run.folder={tmp_path}", *options])


def strict_json(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_an_epoch_that_was_not_validated_has_no_validation_accuracy(tmp_path, capsys):
    plateau = ("--config", "configs/optimization/plateau.yaml")
    assert fit_briefly(tmp_path, *plateau, "--trainer.check_val_every_n_epoch=2", "--trainer.max_epochs=5") == 0
    (folder,) = tmp_path.iterdir()
    rows = list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))
    assert [bool(row["val/accuracy"]) for row in rows] == [bool(row["val/loss"]) for row in rows] == [0, 1, 0, 1, 0]
    assert all(row["train/accuracy"] for row in rows)
    summary = strict_json((folder / "summary.json").read_text())
    measured = {int(row["epoch"]): float(row["val/accuracy"]) for row in rows if row["val/accuracy"]}
    assert summary["val_accuracy"] == measured[4] and summary["epochs"] == 5
    assert summary["best_val_accuracy"] == max(measured.values()) == measured[summary["best_epoch"]]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert ["val loss" in line for line in lines] == [False, True, False, True, False]


@pytest.mark.filterwarnings("error:.*val/accuracy")
def test_a_run_without_validation_says_so(tmp_path, capsys):
    assert fit_briefly(tmp_path, "--trainer.limit_val_batches=0") == 0
    (folder,) = tmp_path.iterdir()
    summary = strict_json((folder / "summary.json").read_text())
    assert summary["val_accuracy"] is summary["best_val_accuracy"] is summary["best_epoch"] is None
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["last.ckpt"]
    said = capsys.readouterr().out
    assert "NOT MET  accuracy above 80%  not measured; " in said
    assert said.splitlines()[-1].startswith("val/accuracy was not measured; 2 epochs, ")


@pytest.mark.parametrize("part", ["limit_train_batches=3", "overfit_batches=2"])
def test_a_run_on_a_part_of_the_images_suggests_nothing(part, tmp_path, capsys):
    assert fit_briefly(tmp_path, f"--trainer.{part}", "--trainer.max_epochs=1") == 0
    assert "conditions met" in capsys.readouterr().out.splitlines()[-1]


def test_an_epoch_that_was_broken_off_repeats_no_numbers(tmp_path):
    assert fit_briefly(tmp_path, "--trainer.max_steps=11", "--run.figures=true") == 0  # eight batches an epoch
    (folder,) = tmp_path.iterdir()
    first, last = csv.DictReader((folder / "metrics.csv").read_text().splitlines())
    assert first["train/loss"] and first["val/loss"] and not last["train/loss"] and not last["val/loss"]
    assert json.loads((folder / "summary.json").read_text())["val_accuracy"] == float(first["val/accuracy"])


@pytest.mark.parametrize("target", [0.8, 0.925])
def test_the_learning_curves_show_the_rules_target(target, tmp_path, monkeypatch, capsys):
    from project.training import figures

    rules, drawn = tmp_path / "rules.yaml", []
    rules.write_text(f"target_accuracy: {target}")
    monkeypatch.setattr(figures, "save", lambda figure, path: drawn.append(figure))
    assert fit_briefly(tmp_path / "runs", "--run.figures=true", f"--run.rules={rules}") == 0
    assert f"accuracy above {100 * target:g}%" in capsys.readouterr().out
    _, accuracy = drawn[0].axes
    (line,) = [line for line in accuracy.lines if line.get_label() == f"target, {100 * target:g} %"]
    assert list(line.get_ydata()) == [target, target]


def test_rules_that_are_not_there_are_told_before_any_training(tmp_path, capsys):
    assert fit_briefly(tmp_path / "runs", "--run.rules=absent.yaml") == 2
    assert "absent.yaml: cannot be read" in capsys.readouterr().err and not (tmp_path / "runs").exists()


@pytest.mark.parametrize("overlay", ["regularization/early_stopping", "optimization/plateau"])
def test_what_waits_for_a_validation_that_never_comes_is_told(overlay, tmp_path, capsys):
    assert fit_briefly(tmp_path, "--config", f"configs/{overlay}.yaml", "--trainer.limit_val_batches=0") == 2
    said = capsys.readouterr().err
    error = said.splitlines()[-1]  # notes come before it
    assert error.startswith("error: trainer.limit_val_batches: ") and "val/loss" in error


@pytest.mark.parametrize("degrees", ["10", "[-5, 12.5]"])
def test_a_complete_configuration_has_the_numbers_that_torchvision_asks_for(degrees, tmp_path):
    arguments = f"{{degrees: {degrees}, scale: [0.9, 1.1]}}"
    transform = f"{{class_path: torchvision.transforms.v2.RandomAffine, init_args: {arguments}}}"
    complete = complete_config(["--config", "configs/base.yaml", f"--data.augmentation=[{transform}]"])
    assert yaml.safe_load(complete)["data"]["augmentation"][0]["init_args"]["degrees"] == yaml.safe_load(degrees)
    (tmp_path / "config.yaml").write_text(complete)
    assert complete_config(["--config", str(tmp_path / "config.yaml")]) == complete


def test_a_wrong_class_is_told_where_datasets_are_not_there(monkeypatch):
    """As in a grading, whose trainings see no datasets but their own."""
    missing = {"Gone": "project.datasets.no_such_module.Gone", "Lost": "project.datasets.Lost"}
    monkeypatch.setattr(parser_errors, "FULL_NAMES", {**parser_errors.FULL_NAMES, **missing})
    assert "SGD" in parser_errors.allowed("typing.Callable[[X], torch.optim.optimizer.Optimizer]")


def test_a_name_that_is_short_of_one_that_is_there_is_told_with_it(tmp_path, monkeypatch, capsys):
    longer = "quickstart+max_epochs=3+optimizer=torch.optim.AdamW+weight_decay=0.001"
    for file in (f"runs/{longer}/config.yaml", "submission/my_network.py"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("")
    monkeypatch.chdir(tmp_path)
    for args, meant in (
        (["validate", "--config", "runs/quickstart/config.yaml"], f"runs/{longer}/config.yaml"),
        (["study", "runs/quickstart"], longer),
        (["fit", "--model.network", "submission.my_net.Small"], "submission.my_network.Small"),
    ):
        assert main(args) == 2
        assert capsys.readouterr().err.endswith(f"; did you mean {meant}?\n")


@pytest.mark.parametrize("used", ["random", "my_network"])
def test_a_file_that_the_grader_would_not_take_is_told_before_it_is_trained(used, tmp_path, monkeypatch, capsys):
    (tmp_path / "submission").mkdir()
    for name in ("random", "my_network"):
        (tmp_path / "submission" / f"{name}.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--model.network", f"submission.{used}.Net"]) == 2
    assert "submission/random.py: has the name of a library; give it" in capsys.readouterr().err


def test_elsewhere_it_says_where_its_commands_start_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["fit", "--config", "configs/base.yaml"]) == 2
    assert f"no such file; these commands start from {REPOSITORY}" in capsys.readouterr().err


def test_where_nothing_is_installed_it_says_in_a_line_how_to_mend_that():
    done = subprocess.run([sys.executable, "-S", "main.py", "fit"], cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
    assert re.search(r"has no package \w+; make quickstart installs it into .venv", done.stderr)
