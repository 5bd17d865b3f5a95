"""The grammar of configurations: it derives what the template writes, and nothing that could be read as anything else."""

import copy
import json
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.intake import grammar
from grader.intake.grammar import allowed, allowed_anywhere, classes_for, derive
from project.training.command_line import complete_config
from tests.grader import allowed_classes

OVERLAYS = [
    path
    for folder in ("optimization", "regularization", "initialization", "normalization", "recipes")
    for path in sorted(Path("configs", folder).glob("*.yaml"))
]
MODULES = ["mine.py"]


@pytest.fixture(scope="module")
def complete():
    return yaml.safe_load(complete_config(["--config", "configs/quickstart.yaml"]))


def at(config, path, value):
    """A copy with another value at a dotted path."""
    config = copy.deepcopy(config)
    *parents, last = path.split(".")
    place = config
    for parent in parents:
        place = place[parent]
    place[last] = value
    return config


@pytest.mark.parametrize("overlay", OVERLAYS, ids=str)
def test_what_the_template_writes_is_derived_and_means_the_same(overlay):
    config = yaml.safe_load(complete_config(["--config", "configs/base.yaml", "--config", str(overlay)]))
    derived, mistakes = derive(config, MODULES)
    assert not mistakes
    assert len(zlib.compress(json.dumps(derived).encode(), 9)) < grammar.MOST_INFORMATION / 4
    for section, values in derived.items():
        assert values == {key: config[section][key] for key in values}
    for section in ("model", "data"):
        left = {key for key, value in config[section].items() if value not in (None, [])} - derived[section].keys()
        assert left <= {"source", "in_memory", "num_workers"}


@pytest.mark.parametrize(
    "path", sorted(path for place in ("optimizer", "scheduler", "regularization") for path in allowed()[place])
)
def test_what_the_template_writes_of_a_listed_class_is_derived(path):
    place = next(place for place, classes in allowed().items() if path in classes)
    needed = {  # arguments without defaults
        "StepLR": {"step_size": 3},
        "MultiStepLR": {"milestones": [3, 5]},
        "ExponentialLR": {"gamma": 0.9},
        "CosineAnnealingLR": {"T_max": 10},
        "CosineAnnealingWarmRestarts": {"T_0": 3},
        "CyclicLR": {"base_lr": 0.1, "max_lr": 0.2},
        "OneCycleLR": {"max_lr": 0.1, "total_steps": 100},
        "cli.ReduceLROnPlateau": {"monitor": "val/loss"},
    }
    needed = next((arguments for name, arguments in needed.items() if path.endswith(f".{name}")), {})
    chosen = json.dumps({"class_path": path, "init_args": needed})
    option = f"--model.{place}={chosen}" if place != "regularization" else f"--model.regularization=[{chosen}]"
    config = yaml.safe_load(complete_config(["--config", "configs/base.yaml", option]))
    assert derive(config, MODULES)[1] == []


def test_the_list_is_what_the_installed_libraries_have():
    ours = {name: words for name, words in allowed_anywhere().items() if name.startswith("project.")}
    made = {name: words for found in allowed_classes.allowed().values() for name, words in found.items()}
    assert ours == {name: words for name, words in made.items() if name.startswith("project.")}
    listed = grammar.LIST.read_text(encoding="utf-8")
    if allowed_classes.versions() not in listed:
        pytest.skip("the list was made with other versions")
    assert allowed_classes.text() == listed


def test_nothing_on_the_list_can_run_reach_or_load_anything():
    for name, arguments in allowed_anywhere().items():
        assert not {"weights_backbone", "pretrained", "lr_lambda", "scale_fn", "path", "root"} & {
            argument for argument, words in arguments.items() if words != "null"
        }, name
        assert arguments.get("weights", "null") == "null"
        assert name.rpartition(".")[2] not in ("Lambda", "LBFGS", "StochasticWeightAveraging", "LearningRateFinder")


HOSTILE = st.sampled_from(
    [
        "{class_path: cProfile.run, init_args: {statement: 'print(1)'}}",
        '{"class_path": "os.system", "init_args": {"command": "id"}}',
        "os.system",
        "class_path: os.system",
        "[os.system]",
        "builtins.eval",
        "LearningRateFinder",
        "torchvision.transforms.v2.Lambda",
        "project.training.command_line.run",
        "torch.hub.load",
        "torch.optim.sgd.os.system",
        "submission.absent.Net",
        "submission.mine.Net.forward",
        "/etc/passwd",
        "file:///etc/passwd",
        "../../weights",
        "${model.network}",
        "!!python/name:os.system",
        "x\n- y",
        "DEFAULT",
        "IMAGENET1K_V1",
        "\u202eevil",
        "1" * 101,
        {"class_path": "os.system"},
        {"class_path": "os.system", "init_args": {"command": "id"}},
        {"class_path": ["os.system"]},
        {"class_path": "torch.optim.SGD", "dict_kwargs": {"x": 1}},
        {"class_path": "torch.optim.SGD", "init_args": "lr: 1"},
        {"class_path": "torchvision.models.resnet18", "init_args": {"weights": "DEFAULT"}},
        {"class_path": "torch.optim.lr_scheduler.LambdaLR", "init_args": {"lr_lambda": "os.system"}},
        {"init_args": {"lr": 1}},
        ["os.system"],
        [[["os.system"]]],
        float("inf"),
        float("nan"),
        10**99,
        -(10**99),
        {1: 2},
        {"a.b": 1},
        {"network.class_path": "os.system"},
    ]
)
PLACES = (
    *("model", "data", "trainer", "model.network", "model.optimizer", "model.scheduler", "model.initialization"),
    *("model.normalization", "model.regularization", "model.compile", "data.augmentation", "data.mean"),
    *("trainer.callbacks", "trainer.precision", "trainer.deterministic", "trainer.gradient_clip_val"),
    *("model.network.class_path", "model.network.init_args", "model.network.init_args.activation"),
    *("model.network.init_args.normalization", "model.network.init_args.width", "model.network.init_args.new"),
    *("model.optimizer.class_path", "model.optimizer.init_args.lr", "model.optimizer.init_args.params"),
    *("model.network.dict_kwargs", "model.optimizer.init_args.lr+", "model.network+", "model.regularization+"),
)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=120) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)


def harmless(value, own=False):
    """Whether a derived value is a class that is allowed, or no text but one on the list; below an own class, a plain one."""
    literals = {"norm", "value", "auto", "warn", "32", "32-true", "16-mixed", "bf16-mixed", "bf16-true"}
    offered = " | ".join(words for arguments in allowed_anywhere().values() for words in arguments.values())
    if isinstance(value, dict):
        named = value.get("class_path", "")
        assert isinstance(named, str)
        return all(harmless(each, own or named.startswith("submission.")) for each in value.values())
    if isinstance(value, list):
        return all(harmless(each, own) for each in value)
    if isinstance(value, str):
        listed = value in allowed_anywhere() or grammar.OWN_CLASS.fullmatch(value) or value in literals
        return listed or repr(value) in offered or own and grammar.PLAIN_TEXT.fullmatch(value) and "." not in value
    return value is None or isinstance(value, (bool, int, float)) and abs(value) <= grammar.MOST


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(PLACES), HOSTILE | PLAIN), min_size=1, max_size=3), st.booleans())
def test_whatever_is_derived_can_be_read_in_one_way_only(complete, changes, own):
    config = complete
    if own:
        config = at(config, "model.network", {"class_path": "submission.mine.Net", "init_args": {"width": 3}})
    for path, value in changes:
        try:
            config = at(config, path, value)
        except (KeyError, TypeError):  # another change took its place away
            pass
    derived, mistakes = derive(config, MODULES)
    assert all(mistake.what and mistake.mend and str(mistake.where).isprintable() for mistake in mistakes)
    if not mistakes:
        assert harmless(derived)
        assert derive(copy.deepcopy(derived), MODULES) == (derived, [])
        named = set(classes_for(derived))
        assert all(name in allowed_anywhere() or grammar.OWN_CLASS.fullmatch(name) for name in named)


@settings(max_examples=100)
@given(st.sampled_from([place for place in PLACES if "." in place and "own" not in place]), HOSTILE)
def test_a_hostile_value_in_a_library_s_place_is_refused(complete, path, value):
    config = at(complete, path, value)
    derived, mistakes = derive(config, MODULES)
    assert mistakes or derived == derive(complete, MODULES)[0] or path.endswith("+")


@settings(max_examples=50)
@given(st.binary(min_size=4000, max_size=6000), st.sampled_from([1, 2, 3]), st.booleans())
def test_settings_cannot_carry_weights(complete, content, width, own):
    """However the bytes are written: as many numbers as the grammar takes in, in lists of the library's or of one's own class."""
    numbers = [int.from_bytes(content[at : at + width]) for at in range(0, len(content), width)]
    lists = [numbers[at : at + 100] for at in range(0, len(numbers), 100)]
    if own:
        config = at(complete, "model.network", {"class_path": "submission.mine.Net", "init_args": {"table": lists}})
    else:
        scales = [{"class_path": "torchvision.transforms.v2.RandomErasing", "init_args": {"scale": s}} for s in lists]
        config = at(complete, "data.augmentation", scales)
    compressible = len(zlib.compress(content, 9)) < 3500
    assert compressible or derive(config, MODULES)[1]


def test_settings_that_carry_a_table_are_told_how_many_bytes_may_stand_there(complete):
    table = random.Random(0).choices(range(10**8), k=900)
    config = at(complete, "model.network", {"class_path": "submission.mine.Net", "init_args": {"table": table}})
    (mistake,) = derive(config, MODULES)[1]
    assert mistake.where == "trainer, model, data" and "bytes of settings when they are compressed" in mistake.what
    assert mistake.mend == "choose in at most 3,000; a network's weights come from training alone"


def test_a_mistake_says_in_words_what_may_stand_there(complete):
    said = {}
    for path, value in (
        ("model.optimizer.init_args.lr", "fast"),
        ("model.optimizer.init_args.nesterov", 1),
        ("model.network.init_args.width", 10**7),
        ("model.scheduler.init_args.total_steps", "all"),
    ):
        (mistake,) = derive(at(complete, path, value), MODULES)[1]
        assert mistake.where == path
        said[path.rpartition(".")[2]] = f"{mistake.what}; {mistake.mend}"
    assert said == {
        "lr": "fast is not allowed; take a number",
        "nesterov": "1 is not allowed; take true or false",
        "width": "10000000 is not allowed; take a whole number 0..100000",
        "total_steps": "all is not allowed; take a whole number or null",
    }


WALLED = """
import sys
sys.path[:0] = ["grader/programs"]
from class_wall import allow_only
from project.support.errors import UserError
from project.training.command_line import complete_config
from grader.intake.grammar import classes_for
import yaml

base = ["--config", "configs/quickstart.yaml", "--config", "configs/normalization/group.yaml"]
allow_only(classes_for(yaml.safe_load(complete_config(base))))
complete_config(base)
for key, value in (
    ("model.network.activation", "{class_path: cProfile.run, init_args: {statement: 'print(1)'}}"),
    ("model.network.activation", "os.system"),
    ("model.optimizer", "torch.hub.load"),
    ("data.augmentation", "[torchvision.transforms.v2.Lambda]"),
    ("trainer.callbacks", "[pytorch_lightning.callbacks.LambdaCallback]"),
    ("model.scheduler", "torch.optim.lr_scheduler.LambdaLR"),
    ("model.optimizer", "torch.optim.Adam"),
):
    try:
        complete_config([*base, f"--{key}={value}"])
    except UserError:
        continue
    sys.exit(f"{key}={value} was read")
"""


def test_the_parser_itself_imports_no_other_class():
    ended = subprocess.run([sys.executable, "-c", WALLED], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
