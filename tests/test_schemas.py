"""The schemas: editors are told of every setting, accept what the command line accepts, and mark what it refuses."""

import inspect
import json
from pathlib import Path

import jsonschema
import pytest

from project.support.yaml_loader import read_yaml
from project.training.command_line import complete_config
from tests import schemas

CONFIGS = sorted(Path("configs").rglob("*.yaml"))
FIRST = "# yaml-language-server: $schema="


@pytest.fixture(scope="module")
def made():
    return schemas.schemas()


def committed(name: str = "settings.json"):
    return json.loads((schemas.FOLDER / name).read_text())


def mistakes(text: str, schema) -> list[str]:
    """What is wrong, as an editor would mark it; numbers and dates as JSON would have them."""
    given = json.loads(json.dumps(read_yaml(text), default=str))
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(given)]


def of_ours(schema, kept=("project.",)):
    """Without what the signatures of the installed torch and Lightning say."""
    schema = json.loads(json.dumps(schema))
    schema["properties"].pop("trainer", None)
    for kind in schema.get("$defs", {}).values():
        for rule in kind.get("allOf", ()):
            names = rule["if"].get("properties", {}).get("class_path", {}).get("enum", ())
            if not any(name.startswith(kept) for name in names):
                rule.pop("then")
    return schema


def test_the_schemas_are_those_of_the_code(made):
    """`python -m tests.schemas` writes them anew."""
    assert {path.name for path in schemas.FOLDER.iterdir()} == set(made)
    for name in ("settings.json", "rules.json", "study.json"):
        assert of_ours(committed(name)) == of_ours(made[name]), name
    for name in made:
        jsonschema.Draft7Validator.check_schema(committed(name))
        assert (schemas.FOLDER / name).stat().st_size < 300_000
    assert '"default": null' not in json.dumps(committed()), "editors that meet one complete no section"


@pytest.mark.parametrize("path", CONFIGS, ids=str)
def test_every_file_names_its_schema_which_accepts_it(path):
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    assert first.startswith(FIRST)
    schema = path.parent / first.removeprefix(FIRST)
    assert schema.resolve().parent == schemas.FOLDER
    assert mistakes(text, json.loads(schema.read_text())) == []


def test_what_runs_write_and_what_is_handed_in_is_known_by_its_place():
    """Also where it has no first line that names the schema."""
    ((schema, places),) = json.loads(Path(".vscode/settings.json").read_text())["yaml.schemas"].items()
    assert Path(schema).resolve() == schemas.FOLDER / "settings.json"
    for file in ("runs/quickstart/config.yaml", "submission/config.yaml", "submissions/kim/config.yaml"):
        assert any(Path(file).match(place) for place in places), file
    assert not any(Path("runs/a/wandb/offline-run-1/files/config.yaml").match(place) for place in places), "W&B's own"


def test_a_complete_configuration_of_every_class_is_accepted(made):
    """Of the installed torch, which may have settings that the committed schemas do not know yet."""
    schema, lists = made["settings.json"], ("regularization", "augmentation")
    known = {kind: dict(schemas.classes_of(kind)) for kind in schema["$defs"]}
    waiting = {
        kind: [name for name, of in classes.items() if "Folder" not in name and not needed(of, kind)]
        for kind, classes in known.items()
    }
    assert sum(map(len, waiting.values())) > 60
    while any(waiting.values()):
        options = ["--config", "configs/quickstart.yaml"]
        for kind, names in waiting.items():
            if names:
                section = "data" if kind in ("source", "augmentation") else "model"
                chosen = json.dumps(names) if kind in lists else names[0]
                options.append(f"--{section}.{kind}={chosen}")
                waiting[kind] = [] if kind in lists else names[1:]
        assert mistakes(complete_config(options), schema) == [], options


def needed(of: type, kind: str) -> list[str]:
    """The settings that a file must give."""
    parameters = inspect.signature(of).parameters.values()
    required = [one.name for one in parameters if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    return [name for name in required if name not in schemas.FILLED_IN.get(kind, ())]


@pytest.mark.parametrize(
    "text",
    [
        "trainer: {max_epochs: 3}\nmodel: {optimizer: {init_args: {lr: 0.1}}}",
        "model: {optimizer: {lr: 0.1}, scheduler: OneCycle}",
        "model: {regularization+: Dropout, network: submission.mine.Net}",
        "model: {regularization: {class_path: Dropout, init_args: {p: 0.2}}}",
        "model: {regularization: Dropout, regularization+: null}",
        "data: {augmentation: Cutout, augmentation+: {class_path: RandomCrop}}",
        "trainer: {callbacks: {class_path: submission.mine.Watch}, callbacks+: submission.mine.Watch}",
        "model: {regularization+: [{class_path: Dropout, p: 0.2}]}",
        "model: {network: {class_path: submission.mine.Net, init_args: {breadth: 3}}}",
        "model: {network: torchvision.models.resnet18}",
        "data: {source: {class_path: ImageTable, path: tables}}",
        "data: {augmentation: [{class_path: torchvision.transforms.v2.RandomErasing, init_args: {p: 0.2}}]}",
        "trainer: {callbacks: [{class_path: submission.mine.Watch}], precision: bf16-mixed}",
    ],
)
def test_what_the_command_line_accepts_an_editor_accepts(text):
    assert mistakes(text, committed()) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("seed: 1", "seed"),
        ("trainer: {max_epoch: 3}", "max_epoch"),
        ("trainer: {max_epochs: many}", "many"),
        ("trainer: {precision: bfloat}", "bfloat"),
        ("model: {optimiser: SGD}", "optimiser"),
        ("model: {scheduler: OneCylce}", "OneCylce"),
        ("model: {scheduler: project.optimization.OneCylce}", "OneCylce"),
        ("model: {optimizer: {class_path: SGD, init_args: {momentun: 0.9}}}", "momentun"),
        ("model: {optimizer: {class_path: SGD, momentun: 0.9}}", "momentun"),
        ("model: {optimizer: {init_args: {momentun: 0.9}}}", "momentun"),
        ("model: {optimizer: {class_path: SGD, init_args: {lr: high}}}", "high"),
        ("model: {regularization: [{class_path: Dropout, init_args: {prob: 0.9}}]}", "prob"),
        ("model: {regularization+: {class_path: Dropout, prob: 0.9}}", "prob"),
        ("model: {regularization: {class_path: Dropout, init_args: {prob: 0.9}}}", "prob"),
        ("model: {regularization: Dropuot}", "Dropuot"),
        ("model: {regularization: 3}", "3"),
        ("model: {normalization: OneCycle}", "OneCycle"),
        ("data: {batchsize: 3}", "batchsize"),
        ("run: {wandb: of}", "of"),
    ],
)
def test_what_is_misspelt_is_marked(text, word):
    found = mistakes(text, committed())
    assert len(found) == 1 and (word in found[0] or "prob" in text), found


def test_a_misspelt_rule_study_or_sweep_is_marked():
    for name, path, right, wrong in [
        ("rules.json", "configs/assignment.yaml", "max_epochs", "max_epoch"),
        ("study.json", "configs/studies/regularization.yaml", "question", "qestion"),
        ("sweep.json", "configs/sweeps/optimization.yaml", "model.optimizer.lr", "model.optimiser.lr"),
        ("sweep.json", "configs/sweeps/optimization.yaml", "model.scheduler", "model.schedule"),
    ]:
        text = Path(path).read_text(encoding="utf-8")
        assert mistakes(text.replace(right, wrong), committed(name)), wrong
