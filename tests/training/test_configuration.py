"""The pure merge of files and options: later over earlier, key by key; another class forgets the earlier one's settings."""

import copy
import importlib
import inspect
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from project.support.errors import UserError
from project.training.class_aliases import FULL_NAMES, MODULES, full_name
from project.training.configuration import as_overlay, merged, read_arguments, read_overlay

KEYS = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.sampled_from(["x", "y z"]))
SETTINGS = st.recursive(
    st.dictionaries(KEYS, VALUES), lambda inner: st.dictionaries(KEYS, st.one_of(VALUES, inner)), max_leaves=8
)
OPTIMIZERS = st.fixed_dictionaries(
    {"class_path": st.sampled_from(["SGD", "torch.optim.SGD", "torch.optim.AdamW", "project.optimization.Muon"])},
    optional={"init_args": st.dictionaries(st.sampled_from(["lr", "momentum"]), st.integers(0, 9))},
)


def optimizer(*overlays):
    return merged({"model": {"optimizer": overlay}} for overlay in overlays)["model"]["optimizer"]


@given(st.lists(SETTINGS, max_size=4))
def test_nothing_that_is_merged_is_changed_and_a_merge_laid_over_itself_is_itself(overlays):
    before = copy.deepcopy(overlays)
    whole = merged(overlays)
    assert overlays == before
    assert merged([whole]) == whole and merged([whole, whole]) == whole
    assert merged([whole, {}]) == whole


@given(st.lists(SETTINGS, min_size=2, max_size=4))
def test_files_may_be_merged_in_parts(overlays):
    assert merged([merged(overlays[:-1]), overlays[-1]]) == merged(overlays)


@given(st.lists(OPTIMIZERS, min_size=2, max_size=4))
def test_the_last_run_of_one_class_alone_has_a_say(classes):
    name = optimizer(classes[-1])["class_path"]
    run = []
    for each in reversed(classes):
        if optimizer(each)["class_path"] != name:
            break
        run.insert(0, each)
    assert optimizer(*classes) == optimizer(*run)


@given(st.lists(st.tuples(st.sampled_from(["a.b", "a.c.d", "model.optimizer.lr"]), st.integers(0, 9)), max_size=4))
def test_an_option_is_a_file_with_a_single_key(options):
    base = {"model": {"optimizer": {"class_path": "torch.optim.SGD"}}}
    args = [arg for name, value in options for arg in (f"--{name}", str(value))]
    assert merged([base, *read_arguments(args).overlays]) == merged(
        [base, *(as_overlay(n, str(v)) for n, v in options)]
    )


def test_classes_of_one_name_in_two_modules_are_two_classes():
    ours = {"class_path": "project.optimization.Muon", "init_args": {"lr": 0.3, "adam_lr": 0.1}}
    assert optimizer(ours, {"class_path": "torch.optim.Muon"}) == {"class_path": "torch.optim.Muon"}
    overlays = [{"model": {"network": {"class_path": f"{module}.ResNet", "init_args": args}}} for module, args in (
        ("project.networks", {"width": 8}), ("torchvision.models", {}))]  # fmt: skip
    assert merged(overlays)["model"]["network"] == "torchvision.models.ResNet", "and keeps no setting"


def test_a_class_can_be_named_by_a_text_by_its_short_name_and_by_an_option():
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.3}}
    assert optimizer(sgd, "SGD") == optimizer(sgd, "torch.optim.SGD") == sgd, "the same class keeps its settings"
    assert optimizer(sgd, "AdamW") == {"class_path": "torch.optim.AdamW"}
    assert optimizer(sgd, {"lr": 0.1}) == {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}}
    assert optimizer(sgd, None) is None and optimizer(None, sgd) == sgd


@pytest.mark.parametrize(
    ("earlier", "now"),
    [
        ("project.data.glyphs.Glyphs", "project.datasets.glyphs.Glyphs"),
        ("project.data.archive.ImageArchive", "project.datasets.image_archive.ImageArchive"),
        ("project.data.sources.FashionMNIST", "project.datasets.downloaded.FashionMNIST"),
        ("project.data.augmentation.Cutout", "project.augmentation.Cutout"),
        ("project.data.glyphs.Gliphs", "project.data.glyphs.Gliphs"),
        ("project.Glyphs", "project.Glyphs"),
    ],
)
def test_where_a_class_was_in_an_earlier_version_stands_for_where_it_is(earlier, now):
    assert full_name(earlier) == now


def test_a_plus_appends():
    crop, flip = "project.augmentation.RandomCrop", "project.augmentation.RandomHorizontalFlip"
    base = {"data": {"augmentation": [crop]}}
    args = ["--data.augmentation+", "RandomHorizontalFlip", "--data.augmentation.p=0.1"]
    assert merged([base, *read_arguments(args).overlays])["data"]["augmentation"] == [
        {"class_path": crop},
        {"class_path": flip, "init_args": {"p": 0.1}},
    ]
    assert merged([{"data": {"augmentation+": [crop]}}]) == merged([base])


def test_an_empty_plus_appends_nothing():
    base = {"data": {"augmentation": ["project.augmentation.RandomCrop"]}}
    assert merged([base, {"data": {"augmentation+": None}}]) == merged([base])


def test_a_key_that_is_no_text_is_a_key_like_any_other(tmp_path):
    (tmp_path / "x.yaml").write_text("model: {network: {class_path: Net, table: {0: 3, 2: [4], yes: {no: 5}}}}")
    table = {0: 3, 2: [4], True: {False: 5}}
    found = merged([read_overlay(tmp_path / "x.yaml")])
    assert found == {"model": {"network": {"class_path": "Net", "init_args": {"table": table}}}}
    (tmp_path / "x.yaml").write_text("data: {0: {class_path: Net, init_args: 5}}")
    with pytest.raises(UserError, match="data.0.init_args: expected"):
        merged([read_overlay(tmp_path / "x.yaml")])


@pytest.mark.parametrize("name", ["SGD", {"class_path": "SGD"}, ["SGD"]])
def test_a_class_alone_is_a_list_of_one(name):
    base = {"trainer": {"callbacks": ["torch.optim.Adam"]}}
    assert merged([base, {"trainer": {"callbacks": name}}])["trainer"]["callbacks"] == [
        {"class_path": "torch.optim.SGD"}
    ]


def test_options_before_a_file_lose_to_it_and_after_it_win():
    file = "configs/base.yaml"
    assert merged(read_arguments(["--trainer.max_epochs=3", "-c", file]).overlays)["trainer"]["max_epochs"] == 15
    assert merged(read_arguments(["-c", file, "--trainer.max_epochs=3"]).overlays)["trainer"]["max_epochs"] == 3


def test_numbers_are_numbers(tmp_path):
    (tmp_path / "x.yaml").write_text("a: 1e-3\nb: 5E+2\nc: 1.5e3\nd: 1e3x\ne: '1e-3'")
    assert read_overlay(tmp_path / "x.yaml") == {"a": 1e-3, "b": 500.0, "c": 1500.0, "d": "1e3x", "e": "1e-3"}
    assert as_overlay("a.b", "-1e-3") == {"a": {"b": -1e-3}}


def test_an_option_is_no_yaml_file_in_which_comments_stand():
    assert as_overlay("run.name", "x # y") == {"run": {"name": "x # y"}}
    assert as_overlay("run.name", "'x # y'") == {"run": {"name": "x # y"}}
    assert as_overlay("a", '{"b": "x # y"}') == {"a": {"b": "x # y"}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trainer: {max_epochs: 3}\ntrainer: {max_epochs: 4}", "the key 'trainer' is there twice"),
        ("model:\n  optimizer: {lr: 1, lr: 2}", "'lr' is there twice"),
        ("model: &a {network: *a}", "recursive"),
        ("--- &a\nmodel: *a", "recursive"),
        ("config: configs/base.yaml", "config: a file names no other file"),
        ("a: " + "[" * 3000 + "]" * 3000, "line 1: nested too deeply"),
        ("trainer:\n  max_epochs: 0x" + "f" * 9000, "line 2: a number of 9002 characters"),
        ("a: !!int ''", "line 1: tags"),
        ('a: "\\UFFFFFFFF"', "not valid YAML"),
        (b"a: \xff", "not valid YAML"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_a_file_cannot_mean_is_told(text, said, tmp_path):
    (tmp_path / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=said) as error:
        read_overlay(tmp_path / "x.yaml")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b: c", "line 1, column 5: not valid YAML: mapping values are not allowed here; indent the line as those"),
        (
            "a: 1\n  b: 2",
            "line 2, column 4: not valid YAML: mapping values are not allowed here; indent the line as those",
        ),
        (
            "a:\n  b: 1\n c: 2",
            "line 3, column 2: not valid YAML: expected <block end>, but found '<block mapping start>'; indent",
        ),
        (
            "a:\n\tb: 1",
            "line 2, column 1: not valid YAML: found character '\\t' that cannot start any token; indent with spaces",
        ),
        (
            "a: 1\nb: [1, 2\nc: 3",
            "line 2, column 4: not valid YAML: expected ',' or ']', but got ':'; close the bracket",
        ),
        (
            "a: {b: [",
            "line 1, column 9: not valid YAML: expected the node content, but found '<stream end>'; close the bracket",
        ),
        ("a: 'x\nb: 2", "line 1, column 4: not valid YAML: found unexpected end of stream; close the quotation mark"),
        (
            "a: `x`",
            "line 1, column 4: not valid YAML: found character '`' that cannot start any token; put the text into quotes",
        ),
        (
            "a: - b",
            "line 1, column 4: not valid YAML: sequence entries are not allowed here; begin the list on a line of its own",
        ),
        ("a: 1\n---\nb: 2", "line 2, column 1: not valid YAML: but found another document; leave out the line ---"),
        (
            b"a: 1\nb: \xff",
            "line 2, column 4: not valid YAML: unacceptable character #x00ff: invalid start byte; save it as UTF-8",
        ),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_where_a_file_is_no_yaml_is_told_with_its_line_its_column_and_the_cure(text, said, tmp_path):
    (tmp_path / "x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as error:
        read_overlay(tmp_path / "x.yaml")
    assert str(error.value).startswith(f"--config {tmp_path / 'x.yaml'}: {said}") and "\n" not in str(error.value)


def test_keys_that_come_from_an_anchor_are_there_once(tmp_path):
    (tmp_path / "x.yaml").write_text("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}")
    assert read_overlay(tmp_path / "x.yaml") == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}


@pytest.mark.parametrize(
    "args",
    [
        *(["--trainer.max_epochs"], ["--trainer.max_epochs="], ["--trainer.max_epochs", ""]),
        *(["--a", "--b", "1"], ["fit"], ["--config", "no/such.yaml"], ["--config", "x" * 5000]),
        *(["--a", "[" * 3000], ["--a", "0x" + "f" * 9000], ["--" + ".".join("a" * 2000), "1"]),
    ],
    ids=lambda args: " ".join(args)[:20],
)
def test_what_cannot_be_read_is_told(args):
    with pytest.raises(UserError):
        read_arguments(args)


@pytest.mark.parametrize(
    "option",
    [
        "--model.optimizer.init_args=5",
        "--model.optimizer.dict_kwargs=[1]",
        "--model.optimizer.init_args=[]",
        "--trainer.max_epochs+=3",
        "--trainer=3",
        "--run=no",
    ],
)
def test_what_cannot_be_merged_is_told(option):
    base = read_arguments(["--config", "configs/base.yaml", "--run.name", "x"]).overlays
    with pytest.raises(UserError, match=option.lstrip("-").split("=")[0].rstrip("+").split(".")[-1]):
        merged([*base, *read_arguments([option]).overlays])


def test_a_group_whose_lines_are_all_comments_changes_nothing(tmp_path):
    (tmp_path / "x.yaml").write_text("trainer:\n  # max_epochs: 3\nmodel:\n")
    base = read_overlay("configs/base.yaml")
    assert merged([base, read_overlay(tmp_path / "x.yaml")]) == merged([base])


def test_an_impossible_date_is_a_text_or_one_line(tmp_path):
    assert as_overlay("run.name", "2024-13-45") == {"run": {"name": "2024-13-45"}}
    (tmp_path / "x.yaml").write_text("run: {name: 2024-13-45}")
    with pytest.raises(UserError, match="not valid YAML"):
        read_overlay(tmp_path / "x.yaml")


def test_help_is_about_the_class_that_a_value_would_name():
    assert read_arguments(["--model.optimizer.help", "Muon"]).help == [
        "--model.optimizer.help",
        "project.optimization.Muon",
    ]
    assert read_arguments(["--help"]).help == ["--help"]


def test_merging_imports_nothing_heavy():
    asked = (
        "import sys, project.training.configuration; print(sorted({'torch', 'pytorch_lightning'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True).stdout == "[]\n"


def test_the_table_of_short_names_is_complete():
    """Every class of ours that a setting can name is in it, and every name in it is a class."""
    for name, path in FULL_NAMES.items():
        module, _, attribute = path.rpartition(".")
        assert inspect.isclass(getattr(importlib.import_module(module), attribute)), name
    for module, names in MODULES.items():
        if not module.startswith("project.") or module in ("project.networks", "project.normalization"):
            continue
        loaded = importlib.import_module(module)
        public = {
            name
            for name, value in vars(loaded).items()
            if inspect.isclass(value) and value.__module__ == module and not inspect.isabstract(value)
        }
        bases = {"Regularizer", "Penalty", "Augmentation", "Placement", "TorchvisionSource", "PresumedReLU"}
        bases |= {"Layout", "Table"}  # of a file, in tables
        assert public - bases == set(names.split()), module
    assert FULL_NAMES["Muon"] == "project.optimization.Muon" and hasattr(torch.optim, "Muon")
