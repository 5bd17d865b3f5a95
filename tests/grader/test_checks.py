"""The checks: a valid submission has no findings; every spoiled one has exactly the finding that it must have."""

import os
import random
import string
import warnings
from pathlib import Path

import pytest
import yaml

from grader.cli import main
from grader.intake.checks import check, check_code, rejections
from grader.intake.submission import take_in
from project.training.command_line import complete_config
from project.training.known_settings import EDITOR_LINE

NOISE = "".join(random.Random(0).choices(string.ascii_letters + string.digits, k=20_000))
OWN = "from torch import nn\n\n\nclass Net(nn.Module):\n    pass\n"


def set_key(path, value):
    """A change of the configuration at a dotted path."""

    def change(config):
        *parents, last = path.split(".")
        for parent in parents:
            config = config[parent]
        config[last] = value

    return change


def test_a_valid_submission_has_no_findings(write_submission, rules):
    assert check(take_in(write_submission()), rules) == []
    own = write_submission("own", set_key("model.network", {"class_path": "submission.mine.Net"}), mine_py=OWN)
    assert check(take_in(own), rules) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("trainer.max_epochs", 16),
        ("trainer.max_epochs", -1),
        ("trainer.max_epochs", None),
        ("trainer.max_epochs", "15"),
        ("trainer.max_epochs", True),
        ("trainer.max_steps", 100000),
        ("trainer.limit_train_batches", 0.5),
        ("trainer.fast_dev_run", True),
        ("trainer.overfit_batches", 1),
        ("trainer.reload_dataloaders_every_n_epochs", 1),
        ("trainer.profiler", "simple"),
        ("trainer.precision", "evil"),
        ("trainer.plugins", [{"class_path": "os.system"}]),
        ("trainer.nonsense", 1),
        ("trainer.callbacks", [{"class_path": "pytorch_lightning.callbacks.LambdaCallback"}]),
        ("ckpt_path", "weights.ckpt"),
        ("data.batch_size", 0),
        ("data.mean", "zero"),
        ("data.workers", 4),
        ("data.augmentation", [{"class_path": "torchvision.transforms.v2.Lambda"}]),
        ("model.network.class_path", "os.system"),
        ("model.network.init_args.activation", "subprocess.Popen"),
        ("model.network.class_path", "torch.hub.load"),
        ("model.network.class_path", "submission.absent.Net"),
        ("model.optimizer.class_path", "torch.optim.sgd.os"),
        ("model.secret", 1),
        ("extra", 1),
    ],
    ids=str,
)
def test_a_broken_rule_is_rejected_with_its_place(path, value, write_submission, rules):
    found = rejections(check(take_in(write_submission(change=set_key(path, value))), rules))
    assert found and any(path.split(".class_path")[0].rsplit("[")[0] in finding.where for finding in found), found
    assert all(finding.mend and "None" not in finding.mend and "\n" not in str(finding) for finding in found)


@pytest.mark.parametrize(
    ("files", "where"),
    [
        ({"student.yaml": None}, "student.yaml"),
        ({"student.yaml": "id: ok"}, "student.yaml: name"),
        ({"student.yaml": "id: ../../etc\nname: x"}, "student.yaml: id"),
        ({"config.yaml": None}, "config.yaml"),
        ({"config.yaml": "trainer: {max_epochs: 15"}, "config.yaml"),
        ({"config.yaml": "a: &a [x]\nb: *a"}, "config.yaml"),
        ({"config.yaml": "trainer: {max_epochs: 15, max_epochs: 16}"}, "config.yaml"),
        ({"config.yaml": "!!python/object/apply:os.system [id]"}, "config.yaml"),
        ({"config.yaml": "[" * 5000}, "config.yaml"),
        ({"mine_py": "def broken(:"}, "mine.py: line 1"),
        ({"mine_py": f"WEIGHTS = '{'A' * 30_000}'"}, "mine.py: line 1"),
        ({"mine_py": "\nWEIGHTS = (\n" + f"'{'A' * 900}'\n" * 30 + ")"}, "mine.py: line 3"),
        ({"mine_py": "\nTABLE = [\n" + "1, 2, 3, 4,\n" * 2000 + "]"}, "mine.py: line 2"),
        ({f"mine{i}_py": f"TEXT = '{NOISE[1000 * i :][:1000]}'\n" for i in range(20)}, "*.py"),
        ({"mine_py": "".join(f"def x{NOISE[50 * i :][:50]}(): pass\n" for i in range(400))}, "*.py"),
        ({"mine_py": "MANY = 0x" + "f" * 5000}, "mine.py: line 1"),
        ({"not a module.py": OWN}, "not a module.py"),
    ],
    ids=str,
)
def test_a_broken_file_is_rejected_with_its_place(files, where, write_submission, rules):
    found = rejections(check(take_in(write_submission(**files)), rules))
    assert where in [finding.where for finding in found], found


@pytest.mark.parametrize(
    ("module", "where", "what"),
    [
        ("0\n" * 1_000_000, "*.py", "2000 kB of code"),
        ("[\n" * 1_000_000, "*.py", "2000 kB of code"),
        ("\0\n" * 1_000_000, "*.py", "2000 kB of code"),
        ("x" * 199_000, "mine.py: line 1", "longer than"),
        ("[\n" * 99_000, "mine.py", "too many nested"),
        ("(\n" + "x+\n" * 60_000 + "x)", "mine.py", "recursion"),
        ("-\\\n" * 60_000 + "x", "mine.py", "does not parse"),
        ("".join(" " * depth + "if x:\n" for depth in range(200)), "mine.py", "too many levels"),
        ("\0\n" * 99_000, "mine.py", "null bytes"),
        ("# coding: punycode\n" + ("a" * 999 + "-\n") * 190, "mine.py", "encoding is punycode"),
        ("\r# coding: utf-7\r+AAo-", "mine.py", "encoding is utf-7"),
    ],
    ids=lambda value: repr(value[:9]) if isinstance(value, str) else "",
)
def test_a_module_that_could_keep_the_grader_busy_is_rejected(module, where, what):
    (finding,) = check_code({"mine.py": module.encode()})
    assert finding.where.startswith(where) and what in finding.what and finding.severity == "reject"


@pytest.mark.parametrize(
    "module",
    [
        "''\n" * 30_000,
        "0\n" * 61_000,
        ("[" * 150 + "]" * 150 + "\n") * 100,
        ("x" + "\u0301" * 450 + "\u0323" * 450 + "\n") * 50,
    ],
    ids=["texts", "numbers", "brackets", "accents"],
)
def test_a_module_of_many_parts_is_looked_at_but_once(module):
    assert not list(check_code({"mine.py": module.encode()}))


def test_a_module_s_warnings_are_not_the_grader_s(recwarn):
    warnings.simplefilter("always")
    assert not list(check_code({"mine.py": b"PATTERN = '\\d'"})) and not recwarn.list


def test_an_extra_file_is_a_warning(write_submission, rules):
    (finding,) = check(take_in(write_submission(**{"notes.txt": "x"})), rules)
    assert finding.severity == "warn" and finding.where == "notes.txt"


def test_the_dataset_in_a_configuration_is_the_student_s_own_business(write_submission, rules):
    source = {"class_path": "project.datasets.image_archive.ImageArchive", "init_args": {"path": "C:/data.zip"}}
    assert check(take_in(write_submission(change=set_key("data.source", source))), rules) == []


@pytest.mark.parametrize("recipe", sorted(Path("configs/recipes").glob("*.yaml")), ids=str)
def test_a_recipe_can_be_handed_in(write_submission, rules, recipe):
    settings = yaml.safe_load(complete_config(["--config", str(recipe)]))
    assert check(take_in(write_submission(change=lambda config: config.update(settings))), rules) == []


def test_transforms_of_torchvision_can_be_handed_in(write_submission, rules):
    transforms = [{"class_path": "torchvision.transforms.v2.RandomCrop", "init_args": {"size": 32, "padding": 4}}]
    assert check(take_in(write_submission(change=set_key("data.augmentation", transforms))), rules) == []


def test_check_and_pack_on_the_command_line(write_submission, tmp_path, capsys):
    good, bad = write_submission("good"), write_submission("bad", set_key("trainer.max_epochs", 16))
    assert main(["check", str(good)]) == 0 and "ready to hand in" in capsys.readouterr().out
    assert main(["check", str(bad)]) == 1 and "trainer.max_epochs" in capsys.readouterr().out
    for name in ("absent", "x" * 5000):
        assert main(["check", str(tmp_path / name)]) == 2 and "no such file" in capsys.readouterr().err
    archive = tmp_path / "good.zip"
    assert main(["pack", str(good), "--out", str(archive)]) == 0
    assert take_in(archive).digest == take_in(good).digest
    config = good / "config.yaml"
    config.write_text(f"{EDITOR_LINE}../../configs/schemas/settings.json\n{config.read_text()}")
    again = tmp_path / "again.zip"
    assert main(["pack", str(good), "--out", str(again)]) == 0
    assert take_in(again).files == take_in(archive).files, "a line that leads nowhere from where this is unpacked"
    assert take_in(again).digest == take_in(good).digest, "packed or copied by hand, it is the same work"
    assert main(["pack", str(bad), "--out", str(tmp_path / "bad.zip")]) == 1
    assert not (tmp_path / "bad.zip").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        *(["pack", "--out", place] for place in (".", "absent/x.zip", "folder", "pipe", "file/x.zip")),
        *(["check", "--summary", place] for place in (".", "absent/x.md", "/dev/full")),
    ],
    ids=" ".join,
)
def test_an_output_that_cannot_be_written_is_one_line(arguments, write_submission, tmp_path, capsys, monkeypatch):
    command, option, place = arguments
    rules = str(Path("configs/assignment.yaml").resolve())
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder").mkdir()
    os.mkfifo("pipe")
    submission = write_submission()
    before = sorted(tmp_path.rglob("*"))
    assert main([command, str(submission), "--rules", rules, option, place]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {option} {place}: ") and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before and Path("pipe").is_fifo()


def test_a_notebook_alone_is_told_what_makes_a_submission_of_it(tmp_path, rules):
    notebook = tmp_path / "hanseo_12351_678920_hw4.ipynb"
    notebook.write_bytes(b"{}")
    (finding,) = check(take_in(notebook), rules)
    assert "a notebook alone" in str(finding)
    assert "its last cells pack" in finding.mend and "python -m grader import NOTEBOOK" in finding.mend


def test_a_damaged_archive_is_named_without_what_a_terminal_or_a_file_could_not_hold(tmp_path, rules, capsys):
    archive = tmp_path / os.fsdecode(b"\xb1\xe8\x1b[2J\n.zip")
    archive.write_bytes(b"no zip")
    (finding,) = check(take_in(archive), rules)
    assert finding.where == "[2J .zip" and str(finding).isprintable()
    assert main(["check", str(archive)]) == 1 and capsys.readouterr().out.count("\n") == 2


def test_a_summary_for_a_workflow_s_page_says_the_same_and_quotes_no_markup(write_submission, tmp_path, capsys):
    folder = write_submission("kim-minji", lambda config: config["trainer"].update({"max_epochs": "<b>|x"}))
    summary = tmp_path / "summary.md"
    assert main(["check", str(folder), "--summary", str(summary)]) == 1
    text = summary.read_text()
    assert "would be rejected" in text and "max\\_epochs" in text and "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 2 and all(len(line.replace("\\|", "").split("|")) == 6 for line in rows)
