"""A mistake in settings is one line and exit status 2, and leaves no folder behind: those that were made, and made-up ones."""

import copy
import functools
import importlib
import inspect
import json
import re

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.optim import SGD
from torch.optim.lr_scheduler import ExponentialLR, OneCycleLR

from main import main
from project.classifier import Classifier
from project.networks import MLP
from project.optimization import Cosine, CosineRestarts, Cyclic, OneCycle, Plateau, Polynomial, WarmupCosine
from project.training.checkpoint import settings_of
from project.training.class_aliases import FULL_NAMES, MODULES
from project.training.command_line import complete_config
from project.training.parser_errors import PLACES
from tests.mistakes.settings import BASE, FILES, OPTIONS

MOST_CHARACTERS = 500


@pytest.fixture
def told(tmp_path, capsys):
    """What a command says of a mistake: one line after its notes, with exit status 2, and no run is left."""

    def run(command, *args):
        runs = tmp_path / "runs"
        assert main([command, *args, f"--run.folder={runs}"]) == 2
        *notes, said = capsys.readouterr().err.splitlines()
        assert all(line.startswith("note: ") for line in notes), notes
        assert said.startswith("error: ") and len(said) < MOST_CHARACTERS, said
        assert not runs.exists() or not any(runs.iterdir()), "a mistake leaves no run behind"
        return said

    return run


@pytest.mark.parametrize("options", OPTIONS)
def test_a_wrong_option_is_one_line(options, told):
    asks_for_help = ".help" in options
    assert OPTIONS[options] in told("fit", *([] if asks_for_help else BASE), *options.split(" ")), options


@pytest.mark.parametrize("text", FILES)
def test_a_wrong_file_is_one_line(text, told, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    assert FILES[text] in told("fit", *BASE, "--config", str(tmp_path / "mine.yaml")), text


def test_a_command_that_is_not_there_is_told_with_those_that_are(told):
    assert "look, study, compare, gallery, completion; did you mean gallery?" in told("galery")


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_what_has_learnt_nothing_is_not_judged(command, told):
    assert f"{command}: there is no network without a checkpoint; give --ckpt_path RUN" in told(command, *BASE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of one epoch."""
    runs = tmp_path_factory.mktemp("runs")
    assert main(["fit", *BASE, f"--run.folder={runs}", "--run.name=first"]) == 0
    return runs / "first"


def other_checkpoints(trained, folder):
    """Files that are no checkpoint of a run, or not any more."""
    whole = (trained / "checkpoints" / "last.ckpt").read_bytes()
    for name, content in {"empty": b"", "words": b"no checkpoint", "half": whole[: len(whole) // 2]}.items():
        (folder / f"{name}.ckpt").write_bytes(content)
    torch.save({"state_dict": {}}, folder / "weights.ckpt")
    torch.save([1, 2], folder / "list.ckpt")
    return [str(path) for path in sorted(folder.glob("*.ckpt"))]


@pytest.mark.parametrize("command", ["fit", "validate"])
def test_a_file_that_is_no_checkpoint_is_told(command, trained, told, tmp_path):
    for path in other_checkpoints(trained, tmp_path):
        said = told(command, *BASE, "--run.name=other", f"--ckpt_path={path}")
        assert f"--ckpt_path {path}: no checkpoint of a run, or a damaged one" in said


@pytest.mark.parametrize(
    ("command", "change", "expected"),
    [
        ("validate", ["--model.network.width=8"], "stem.0.weight is 16x3x3x3 in it, and 8x3x3x3 here"),
        ("test", ["--model.network=MLP"], "from another network: hidden.0.0.weight is missing in it"),
        (
            "predict",
            ["--model.normalization=BatchNormalization"],
            "from another network: stem.1.weight is missing in it",
        ),
        ("fit", ["--model.optimizer=AdamW", "--trainer.max_epochs=2"], "from a training with another optimizer"),
        ("fit", ["--model.optimizer.lr=0.0625", "--trainer.max_epochs=2"], ", and not with 0.0625; ask for the same"),
        (
            "fit",
            ["--model.optimizer.momentum=0.5", "--trainer.max_epochs=2"],
            "goes on with momentum 0.0, and not with 0.5",
        ),
        ("fit", [], "no epoch is left to train; give a higher trainer.max_epochs"),
    ],
)
def test_a_checkpoint_of_another_run_is_told(command, change, expected, trained, told):
    before = {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()}
    checkpoint = str(trained / "checkpoints" / "last.ckpt")
    assert expected in told(command, *BASE, *change, f"--ckpt_path={checkpoint}")
    assert {path: path.read_bytes() for path in trained.rglob("*") if path.is_file()} == before


OWN_SCHEDULES = (Cosine, CosineRestarts, WarmupCosine, OneCycle, Cyclic, Polynomial)
SCHEDULES = [
    functools.partial(kind, total_steps=20) for kind in (*OWN_SCHEDULES, functools.partial(OneCycleLR, max_lr=1))
]


@pytest.mark.parametrize("scheduler", [None, Plateau, functools.partial(ExponentialLR, gamma=0.5), *SCHEDULES], ids=str)
def test_no_step_of_a_schedule_makes_its_settings_others(scheduler):
    model = Classifier(MLP, functools.partial(SGD, lr=0.1, momentum=0.9), scheduler=scheduler)
    optimizer = model.build_optimizer()
    schedule = model.build_scheduler(optimizer, 20)
    at_first = settings_of(copy.deepcopy(optimizer.param_groups[0]), model)
    for _ in range(7 if schedule else 0):
        optimizer.step()
        schedule.step(*([1.0] if scheduler is Plateau else []))
    assert settings_of(optimizer.param_groups[0], model) == at_first and at_first["weight_decay"] == 0


def test_a_run_that_goes_on_does_so_in_its_own_folder_and_curves(trained, tmp_path, capsys):
    runs = tmp_path / "runs"
    options = ["--trainer.max_epochs=3", "--model.network.width=4", "--run.diagnostics=true"]
    assert main(["fit", *BASE, *options, f"--run.folder={runs}", "--run.name=whole"]) == 0
    first = ["--trainer.max_epochs=2", *options[1:], f"--run.folder={runs}", "--run.name=parts"]
    assert main(["fit", *BASE, *first]) == 0
    capsys.readouterr()
    config = ["--config", str(runs / "parts" / "config.yaml"), "--ckpt_path", "last"]
    assert main(["fit", *config, "--trainer.max_epochs=3"]) == 0
    assert f"going on in {runs / 'parts'}\n" in capsys.readouterr().out
    assert {path.name for path in runs.iterdir()} == {"whole", "parts"}
    whole, parts = (measured(runs / name) for name in ("whole", "parts"))
    assert [row["epoch"] for row in parts] == ["1", "2", "3"] and parts == whole
    summaries = [json.loads((runs / name / "summary.json").read_text()) for name in ("whole", "parts")]
    assert len({(each["best_epoch"], each["best_val_accuracy"], each["epochs"]) for each in summaries}) == 1
    names = {path.name for path in (runs / "parts" / "checkpoints").iterdir()}
    assert names == {"best.ckpt", "last.ckpt"}
    assert yaml.safe_load((runs / "parts" / "config.yaml").read_text())["trainer"]["max_epochs"] == 3


def test_a_run_whose_folder_was_moved_keeps_its_best_epoch(trained, tmp_path):
    runs = tmp_path / "runs"
    options = ["--model.network.width=4", "--model.optimizer.lr=0.001", f"--run.folder={runs}", "--run.name=run"]
    assert main(["fit", *BASE, *options, "--trainer.max_epochs=1"]) == 0
    elsewhere = runs.rename(tmp_path / "elsewhere") / "run"
    last = elsewhere / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    (best,) = [state for state in content["callbacks"].values() if state.get("monitor") == "val/accuracy"]
    best["best_model_score"] = best["kth_value"] = torch.tensor(2.0)  # which no epoch surpasses
    best["best_k_models"] = dict.fromkeys(best["best_k_models"], torch.tensor(2.0))
    torch.save(content, last)
    before = (elsewhere / "checkpoints" / "best.ckpt").read_bytes()
    config = str(elsewhere / "config.yaml")
    assert main(["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_epochs=2"]) == 0
    assert {path.name for path in last.parent.iterdir()} == {"best.ckpt", "last.ckpt"}
    assert (elsewhere / "checkpoints" / "best.ckpt").read_bytes() == before and not runs.exists()


def measured(folder):
    """The rows of a run's metrics.csv, without their seconds."""
    head, *rows = (line.split(",") for line in (folder / "metrics.csv").read_text().splitlines())
    return [{name: value for name, value in zip(head, row) if name != "seconds"} for row in rows]


@pytest.mark.parametrize("command", ["validate", "test"])
def test_scores_are_a_table_that_a_person_reads(command, trained, capsys):
    assert main([command, "--config", str(trained / "config.yaml"), "--ckpt_path", "best"]) == 0
    head, scores = capsys.readouterr().out.splitlines()[-2:]
    assert head.split() == ["images", "number", "loss", "accuracy"]
    assert re.fullmatch(r"(validation|test) +50 +\d\.\d{3} +\d+\.\d\d%", scores)


@pytest.mark.parametrize(
    ("limit", "part"),
    [("1", "50 of 100 training images"), ("0.5", "50 of 100 training images"), ("1.0", " 100 training images")],
)
def test_the_first_line_says_what_an_epoch_really_takes(limit, part, tmp_path, capsys):
    args = [*BASE, f"--trainer.limit_train_batches={limit}", f"--run.folder={tmp_path}", "--run.name=part"]
    assert main(["fit", *args]) == 0
    assert f"{part} an epoch" in capsys.readouterr().out.splitlines()[0]
    summary = json.loads((tmp_path / "part" / "summary.json").read_text())
    assert summary["samples_per_epoch"] == (100 if limit == "1.0" else 50)


BATCH = "configs/normalization/batch.yaml"


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (
            ["--config", BATCH, *BASE],
            ["--config configs/normalization/batch.yaml has no effect: --config configs/base"],
        ),
        (
            ["--model.network.width=8", *BASE],
            ["--model.network.width has no effect: --config configs/base.yaml, which"],
        ),
        ([*BASE, "--config", BATCH], []),
        (
            [*BASE, "--config", BATCH, "--config", "configs/normalization/layer.yaml"],
            [f"--config {BATCH} has no effect"],
        ),
        ([*BASE, "--trainer.max_epochs=3", "--trainer.max_epochs=1"], []),
    ],
)
def test_a_file_that_undoes_all_that_an_earlier_one_says_is_told(args, expected, tmp_path, capsys):
    main(["fit", *args, f"--run.folder={tmp_path}", "--trainer.precision=no"])
    *notes, _ = capsys.readouterr().err.splitlines()
    assert len(notes) == len(expected) and all(part in line for part, line in zip(expected, notes)), notes


# Mistakes that are made up of the configuration itself.


@functools.cache
def whole():
    """A complete configuration with a class in every place."""
    classes = ["model.scheduler=WarmupCosine", "model.initialization=Normal", "model.normalization=BatchNormalization"]
    classes += ["model.regularization+=Dropout", "model.regularization+=Mixup", "data.augmentation+=RandomAffine"]
    options = [f"--{each}" for each in [*classes, "data.augmentation+=Cutout", "model.optimizer=AdamW"]]
    return yaml.safe_load(complete_config([*BASE, *options]))


def leaves(tree, path=()):
    """Each setting, after the keys that lead to it; a class is one, too."""
    if isinstance(tree, dict):
        if "class_path" in tree:
            yield (*path, "class_path"), tree["class_path"]
        for key, value in tree.items():
            if key != "class_path":
                yield from leaves(value, (*path, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from leaves(value, (*path, number))
    else:
        yield path, tree


def changed(path, change):
    """The complete configuration in which `change(holder, key)` was done to one setting."""
    tree = copy.deepcopy(whole())
    holder = tree
    for key in path[:-1]:
        holder = holder[key]
    change(holder, path[-1])
    return tree


def replaced(value):
    return lambda holder, key: holder.__setitem__(key, value)


def paths(condition):
    return st.deferred(lambda: st.sampled_from([path for path, value in leaves(whole()) if condition(path, value)]))


def is_number(path, value):
    return isinstance(value, int | float)


def is_class(path, value):
    return path[-1] == "class_path"


def is_named(path, value):
    return isinstance(path[-1], str) and path[-1] not in ("class_path", "num_classes", "image_shape")


def place_of(name):
    """Where a class of ours or torch's belongs."""
    module, _, own = FULL_NAMES[name].rpartition(".")
    bases = [base.__name__ for base in getattr(importlib.import_module(module), own).__mro__]
    return next((PLACES[base] for base in bases if base in PLACES), "model.network")


@st.composite
def wrong_types(draw):
    path = draw(paths(is_number))
    return changed(path, replaced(draw(st.sampled_from(["many", "1o", "15 epochs", [1, "a"], {"a": 1}]))))


@st.composite
def misspelt_keys(draw):
    path = draw(paths(is_named))
    key = path[-1]
    at = draw(st.integers(0, len(key) - 1))
    misspelt = draw(st.sampled_from([key[:at] + key[at + 1 :] + "z", key[:at] + key[at] * 2 + key[at:]]))

    def rename(holder, old):
        holder[misspelt] = holder.pop(old)

    return changed(path, rename)


@st.composite
def wrong_families(draw):
    path = draw(paths(is_class))
    place = ".".join(key for key in path[:-1] if isinstance(key, str))
    others = [name for name in FULL_NAMES if place_of(name) != place]
    return changed(path[:-1], replaced({"class_path": FULL_NAMES[draw(st.sampled_from(others))]}))


@st.composite
def unknown_classes(draw):
    path = draw(paths(is_class))
    name = draw(
        st.sampled_from(["project.networks.ConvNett", "SGDD", "torch.optim.sgd", "nowhere.Net", "a b", "", "é.x"])
    )
    return changed(path[:-1], replaced({"class_path": name}))


@st.composite
def missing_arguments(draw):
    """A class without what it needs, or a group without its class."""
    needing = {"StepLR": "model.scheduler", "ExponentialLR": "model.scheduler", "MultiStepLR": "model.scheduler"}
    needing |= {"ImageTable": "data.source", "ImageArchive": "data.source", "IDXImages": "data.source"}
    name = draw(st.sampled_from(sorted(needing)))
    return changed(needing[name].split("."), replaced({"class_path": FULL_NAMES[name]}))


INTERVAL = re.compile(r"\bin ([\[(])(-?[\d.]+), (-?[\d.]+|inf)([\])])|(>=?) (-?[\d.]+\d|\d)", re.IGNORECASE)


@functools.cache
def promised():
    """Each setting of a class of ours for which its docstring promises a range: class, setting, a value outside, its type."""
    found = []
    for name in " ".join(names for module, names in MODULES.items() if module.startswith("project.")).split():
        module, _, own = FULL_NAMES[name].rpartition(".")
        made = getattr(importlib.import_module(module), own)
        parameters = inspect.signature(made).parameters
        for setting, text in re.findall(r"^ {8}(\w+): ((?:.*\n?)(?: {10,}.*\n?)*)", made.__doc__ or "", re.MULTILINE):
            if setting not in parameters or not (stated := INTERVAL.search(text)):
                continue
            opening, low, high, closing, sign, least = stated.groups()
            is_open = opening == "(" or sign == ">"
            low = float(low or least)
            outside = [low - 1, *([low] if is_open else [])]
            if high and high != "inf":
                outside += [float(high) + 1, *([float(high)] if closing == ")" else [])]
            whole_number = parameters[setting].annotation is int or "int" in str(parameters[setting].annotation)
            found += [(name, setting, int(value) if whole_number else value) for value in outside]
    return found


def test_ranges_are_found_in_every_family():
    assert len(promised()) > 60
    assert {place_of(name) for name, *_ in promised()} >= {*PLACES.values(), "model.network"}


@st.composite
def out_of_range(draw):
    name, setting, value = draw(st.deferred(lambda: st.sampled_from(promised())))
    place = place_of(name).split(".")
    chosen = {"class_path": FULL_NAMES[name], "init_args": {setting: value}}
    return changed(place, replaced([chosen] if place[-1] in ("regularization", "augmentation") else chosen))


MISTAKES = st.one_of(
    wrong_types(), misspelt_keys(), wrong_families(), unknown_classes(), missing_arguments(), out_of_range()
)
QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


def is_one_line(tree, told, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(tree))
    told("fit", "--config", str(path))


@settings(max_examples=12, derandomize=True, **QUIET)
@given(MISTAKES)
def test_a_made_up_mistake_is_one_line(told, tmp_path, tree):
    is_one_line(tree, told, tmp_path)


@pytest.mark.slow
@settings(max_examples=600, **QUIET)
@given(MISTAKES)
def test_no_made_up_mistake_is_more_than_one_line(told, tmp_path, tree):
    is_one_line(tree, told, tmp_path)


@pytest.mark.slow
def test_every_range_that_a_docstring_promises_is_held(told, tmp_path):
    for name, setting, value in promised():
        place = place_of(name).split(".")
        chosen = {"class_path": FULL_NAMES[name], "init_args": {setting: value}}
        listed = place[-1] in ("regularization", "augmentation")
        is_one_line(changed(place, replaced([chosen] if listed else chosen)), told, tmp_path)
