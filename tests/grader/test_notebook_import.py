"""A pasted notebook becomes a submission: the eight of the class as they are known, and what may stand in others. None is run."""

import inspect
import json
import re
import subprocess
import sys

import pytest
import yaml

import project.augmentation
from grader.cli import main
from grader.intake.checks import check
from grader.intake.notebooks import read_notebook
from grader.intake.pasted.augmentation import OVERLAYS
from grader.intake.pasted.finder import POSITIONS, REQUIRED
from grader.intake.pasted.notebook import submission_of
from grader.intake.pasted.training import SCHEDULES as SCHEDULES_OF_TORCH
from grader.intake.submission import take_in
from grader.rules import Rules
from project.assignment import RULES
from project.support.errors import UserError
from tests.fixtures.class_notebooks import CASES, SMALL, Case, cells_of, notebook

BUILD = """
import importlib.util, json, pathlib, sys, torch

def described(file, name, arguments):
    spec = importlib.util.spec_from_file_location("my_network", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = getattr(module, name)(**arguments)
    leaves = {n: m for n, m in network.named_modules() if not list(m.children())}
    weighted = {n: m for n, m in leaves.items() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))}
    called = set()
    for n, m in leaves.items():
        m.register_forward_hook(lambda module, given, out, n=n: called.add(n))
    out = network(torch.rand(4, 1, 28, 28))
    return {
        "shape": list(out.shape),
        "parameters": sum(p.numel() for p in network.parameters()),
        "normalization": any("BatchNorm" in type(m).__name__ for m in leaves.values()),
        "dropout": sorted({m.p for m in leaves.values() if isinstance(m, torch.nn.Dropout)}),
        "drawn": sum(bool(m.weight.abs().max() > 1.001 / m.weight[0].numel() ** 0.5) for m in weighted.values()),
        "idle": sorted(leaves.keys() - called),
        "sums to one": bool((out.sum(1) - 1).abs().max() < 1e-5),
    }

torch.manual_seed(0)
cases = json.loads(sys.argv[1])
print(json.dumps({case: described(*given) for case, given in cases.items()}))
"""


def linear(*widths):
    return sum(i * o + o for i, o in zip(widths, widths[1:]))


def convolution(i, o):
    return i * o * 9 + o


# From what is known of the class: optimizer, schedule, regularization, batch size, then the network.
OPTIMIZERS = {
    "A": ("Adam", {"lr": 1e-3}),
    "B": ("Adam", {"lr": 1e-3, "weight_decay": 1e-5}),
    "C": ("AdamW", {"lr": 1e-3, "weight_decay": 0.01}),
    "D": ("AdamW", {"lr": 1e-3}),
    "E": ("Adam", {}),
    "F": ("AdamW", {"lr": 1e-3}),
    "G": ("AdamW", {"lr": 1e-3, "weight_decay": 1e-5}),
    "H": ("Adam", {"lr": 1e-3}),
}
SCHEDULES = {"D": ("CosineAnnealingLR", {"T_max": 15, "eta_min": 1e-3}), "F": ("StepLR", {"step_size": 12})}
BATCH_SIZES = {"B": 32, "E": 1024}
PARAMETERS = {
    "A": linear(784, 50, 10) + 2 * 50,
    "B": linear(784, 50, 10) + 2 * 50,
    "C": linear(784, 512, 256, 64, 10) + 2 * (512 + 256 + 64),
    "D": convolution(1, 32) + convolution(32, 64) + convolution(64, 128) + 2 * 224 + linear(1152, 256, 10),
    "E": linear(784, 256, 128, 10) + 2 * 384,
    "F": convolution(1, 32) + convolution(32, 64) + 2 * 96 + linear(2304, 600, 120, 10),
    "G": linear(784, 256, 128, 10) + 2 * 384,
    "H": convolution(1, 32) + convolution(32, 64) + convolution(64, 128) + linear(2048, 625, 10),
}
DROPOUT = {"A": [0.2], "B": [0.2], "C": [], "D": [0.5], "E": [0.1], "F": [0.5], "G": [0.3], "H": [0.5]}
DRAWN = {"A": 2, "B": 2, "C": 4, "D": 2, "E": 3, "F": 0, "G": 3, "H": 2}
IDLE = {"G": ["bn1", "bn2", "dropout"]}
SAID = {
    "B": "schedule: StepLR is made, but stepped nowhere: left out",
    "D": "schedule: CosineAnnealingLR does nothing: its eta_min 0.001 is the optimizer's lr",
    "E": "MyNet computes softmax: cross-entropy takes logits, and probabilities cost some accuracy",
}


def class_of(settings):
    return (settings["class_path"].rpartition(".")[2], settings.get("init_args", {}))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("nbformat", [3, 4])
def test_the_class_s_notebooks_become_the_configurations_that_they_are(name, nbformat):
    imported = submission_of(notebook(cells_of(CASES[name]), nbformat), f"{name}.ipynb")
    config = yaml.safe_load(imported.files["config.yaml"])
    model, data = config["model"], config["data"]
    assert config["trainer"] == {"max_epochs": 15}
    assert class_of(model["optimizer"]) == OPTIMIZERS[name]
    assert (class_of(model["scheduler"]) if model["scheduler"] else None) == SCHEDULES.get(name)
    assert [class_of(one) for one in model["regularization"]] == ([("L1", {"factor": 1e-5})] if name == "E" else [])
    assert (model["initialization"], model["normalization"], data["augmentation"]) == (None, None, [])
    assert (data["batch_size"], data["mean"], data["std"]) == (BATCH_SIZES.get(name, 128), [0.0], [1.0])
    assert data["source"]["init_args"] == {"path": "Train.csv"}
    assert SAID.get(name, imported.said[0]) in imported.said
    assert not any("left out" in line and line != SAID.get(name) for line in imported.said)
    assert not any("not taken over" in line for line in imported.said)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """What the eight networks are, once they are built: in a process of their own."""
    cases = {}
    for name, case in CASES.items():
        imported = submission_of(notebook(cells_of(case)), f"{name}.ipynb")
        module = tmp_path_factory.mktemp(name) / "my_network.py"
        module.write_bytes(imported.files["my_network.py"])
        cases[name] = (str(module), *class_of(yaml.safe_load(imported.files["config.yaml"])["model"]["network"]))
    done = subprocess.run([sys.executable, "-c", BUILD, json.dumps(cases)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", CASES)
def test_the_class_s_networks_are_taken_along_as_they_are(name, networks):
    assert networks[name] == {
        "shape": [4, 10],
        "parameters": PARAMETERS[name],
        "normalization": name != "H",
        "dropout": DROPOUT[name],
        "drawn": DRAWN[name],
        "idle": IDLE.get(name, []),
        "sums to one": name == "E",
    }


def test_what_is_written_asks_for_the_student_alone(tmp_path, capsys):
    source, out = tmp_path / "과제.ipynb", tmp_path / "new" / "submission"
    source.write_bytes(notebook(cells_of(CASES["B"])))
    assert main(["import", str(source), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert (
        "StepLR is made, but stepped nowhere: left out" in said
        and f"grader check {out} --try --dataset FOLDER\n" in said
    )
    assert f"To train it, move it to {RULES.parents[1] / 'submission'}" in said
    assert {path.name for path in out.iterdir()} == {"config.yaml", "student.yaml", "my_network.py", "과제.ipynb"}
    assert list(out.parent.iterdir()) == [out]
    wrong = {finding.where for finding in check(take_in(out), Rules.load()) if finding.severity == "reject"}
    assert "student.yaml" in wrong and not any("config" in where for where in wrong)
    (out / "config.yaml").write_text("mine")
    assert main(["import", str(source), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err and (out / "config.yaml").read_text() == "mine"


SKLEARN = "from sklearn.linear_model import LogisticRegression\nmodel = LogisticRegression()"
SPLIT_ALONE = "from sklearn.model_selection import train_test_split\na, b = train_test_split(X)"
RESNET = """import torch, torchvision
class Unused(torch.nn.Module):
    pass
model = torchvision.models.resnet18(num_classes=10)
model.fc = torch.nn.Linear(512, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)"""


def test_the_check_that_is_named_tries_the_notebook_s_own_table(tmp_path, capsys):
    source, table = tmp_path / "my work.ipynb", tmp_path / "Train.csv"
    source.write_bytes(notebook(cells_of(CASES["A"])))
    table.write_text("")
    assert main(["import", str(source), "--out", str(tmp_path / "submission")]) == 0
    assert f"grader check {tmp_path / 'submission'} --try --dataset {table}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no notebook"),
        (b"[" * 100_000, "is no notebook"),
        (b'{"cells": 3}', "is no notebook"),
        (b'{"worksheets": 3}', "is no notebook"),
        (b'{"worksheets": [3]}', "is no notebook"),
        (b'{"worksheets": [{"cells": 3}]}', "is no notebook"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "no network is found"),
        (b"\xff\xfe", "is no notebook"),
        (notebook([("code", "import tensorflow as tf\nmodel = tf.keras.Sequential([])")]), "is written for tensorflow"),
        (notebook([("code", "\n\nclass MyNet(nn.Module:\n    pass")]), "cell 1, line 3 does not parse"),
        (notebook([("code", SKLEARN)]), "is written for sklearn (cell 1, line 2)"),
        (notebook([("code", SPLIT_ALONE)]), "no network is found; expected a class of torch.nn.Module"),
        (notebook([("code", RESNET)]), "is torchvision.models.resnet18, no class of the notebook"),
        (notebook([("code", "x = 1\n" * 100_000)]), "no network is found"),
        (notebook([]), "no network is found"),
    ],
    ids=[
        "empty",
        "deep",
        "no list",
        "no sheets",
        "no sheet",
        "no list in a sheet",
        "no text",
        "no UTF-8",
        "Keras",
        "does not parse",
        "estimator",
        "sklearn for something else",
        "torchvision's",
        "too large",
        "no cells",
    ],
)
def test_what_holds_no_network_is_one_line_and_no_folder(content, said, tmp_path, capsys):
    source, out = tmp_path / "work.ipynb", tmp_path / "submission"
    source.write_bytes(content)
    assert main(["import", str(source), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and list(tmp_path.iterdir()) == [source]


HOSTILE = [
    "import os\nos.system('touch {touched}')",
    "open({touched!r}, 'w')",
    "epochs = __import__('os').system('touch {touched}')",
    "lr = 10 ** 10 ** 10 ** 10",
    "lr = 0x" + "f" * 20_000,
    "lr = " + "9" * 1_900,
    "lr = " + "-" * 60 + "1",
    "\n".join(f"v{i} = v{i + 1}\nv{i} = v{i + 1}" for i in range(40)) + "\nlr = v0",
    "lr = lr",
    "lr = " + " + ".join(["1"] * 400),
]


@pytest.mark.parametrize("code", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_notebook_is_read_and_never_run(code, tmp_path):
    touched = tmp_path / "touched"
    hostile = code.replace("{touched!r}", repr(str(touched))).replace("{touched}", str(touched))
    case = [*cells_of(CASES["A"])[:-3], ("code", "optimizer = torch.optim.Adam(model.parameters(), lr=lr)")]
    imported = submission_of(notebook([("code", hostile), *case]), "a.ipynb")
    config = yaml.safe_load(imported.files["config.yaml"])
    assert "lr" not in config["model"]["optimizer"].get("init_args", {}) and not touched.exists()
    assert any("lr" in line and "default stays" in line for line in imported.said)


@pytest.mark.parametrize("terms", [400, 900, 2000])
def test_a_cell_that_is_nested_too_deeply_is_left_out_and_named(terms, tmp_path, capsys):
    source = tmp_path / "work.ipynb"
    deep = "optimizer = torch.optim.Adam(model.parameters(), lr=" + " +\n".join(["1"] * terms) + ")"
    source.write_bytes(notebook([*cells_of(CASES["A"])[:-3], ("code", deep)]))
    number = len(cells_of(CASES["A"])) - 2
    assert main(["import", str(source), "--out", str(tmp_path / "submission")]) == 0
    said = "".join(capsys.readouterr())
    assert re.search(rf"cell {number}\b.*nested.*the cell is left out", said), said


@pytest.mark.parametrize("entangled", ["l1(m) + l1(m)", "l1(m)\n    l1(m)\n    l1(m)"], ids=["penalties", "calls"])
def test_functions_that_call_themselves_in_every_way_are_given_up_in_time(entangled):
    text = f"def l1(m):\n    sum(p.abs().sum() for p in m.parameters())\n    schedule.step()\n    return {entangled}\n"
    text += "schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)\nloss = l1(model)\nloss.backward()"
    case = [*cells_of(CASES["A"])[:-4], ("code", text)]
    try:
        assert submission_of(notebook(case), "a.ipynb").said
    except UserError as error:
        assert "in too many ways" in str(error)


def imported(optimizer="optimizer = optim.Adam(model.parameters())", network=SMALL, **more):
    result = submission_of(notebook(cells_of(Case(network, optimizer, **more))), "a.ipynb")
    return yaml.safe_load(result.files["config.yaml"]), result


@pytest.mark.parametrize(
    ("optimizer", "expected", "line"),
    [
        (
            "lr = 1 / 100\noptimizer = optim.SGD(model.parameters(), lr, momentum=0.9)",
            {"lr": 0.01, "momentum": 0.9},
            "",
        ),
        ("from torch.optim import *\noptimizer = RMSprop(params=model.parameters(), lr=1e-4)", {"lr": 1e-4}, ""),
        ("lr = find_lr(model)\noptimizer = optim.Adam(model.parameters(), lr=lr)", {}, "lr comes from a function call"),
        (
            "lr = 0.1\nlr = 0.2\noptimizer = optim.Adam(model.parameters(), lr=lr)",
            {},
            "is set to several values (0.1, 0.2)",
        ),
        ("lr = 0.1\nlr *= 2\noptimizer = optim.Adam(model.parameters(), lr=lr)", {}, "lr is a name that changes"),
        (
            "def make(net, rate=0.5):\n    return optim.Adam(net.parameters(), lr=rate)\noptimizer = make(model, rate=2e-3)",
            {"lr": 2e-3},
            "",
        ),
        (
            "optimizer = optim.Adam(model.parameters(), lr=1e-3, betas=(0.8, 0.9))",
            {"lr": 1e-3, "betas": [0.8, 0.9]},
            "",
        ),
        ("optimizer = MyOptimizer(model.parameters())", {"lr": 0.05}, "none of torch.optim is made"),
    ],
    ids=range(8),
)
def test_an_optimizer_s_arguments_are_known_or_said(optimizer, expected, line):
    config, result = imported(optimizer)
    assert config["model"]["optimizer"].get("init_args", {}) == expected
    assert any(line in said for said in result.said)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (
            "l1 = 0\nfor p in model.parameters():\n    l1 += torch.norm(p, 1)\nloss += 0.001 * l1",
            ("L1", {"factor": 0.001}),
        ),
        ("for p in model.parameters():\n    loss = loss + 2e-4 * torch.abs(p).sum()", ("L1", {"factor": 2e-4})),
        ("loss += sum(p.norm(p=1) for p in model.parameters()) / 1000", ("L1", {"factor": 0.001})),
        (
            "l2 = sum((p ** 2).sum() for p in model.parameters())\nloss = loss + 0.5 * 0.01 * l2",
            ("L2", {"factor": 0.005}),
        ),
        ("nn.utils.clip_grad_norm_(model.parameters(), max_norm=2.0)", ("GradientClipping", {"max_norm": 2.0})),
        ("distance = (outputs - labels[:, None]).abs().mean()", None),
        ("norm = sum(p.abs().sum() for p in model.parameters())\nprint(norm)", "its L1 penalty's factor is not found"),
        ("loss += strength() * sum(p.abs().sum() for p in model.parameters())", "factor comes from a function call"),
    ],
    ids=range(8),
)
def test_what_the_loop_adds_to_the_loss(loss, expected):
    config, result = imported(loss=loss)
    found = [class_of(one) for one in config["model"]["regularization"]]
    assert found == ([expected] if isinstance(expected, tuple) else [])
    assert not isinstance(expected, str) or any(expected in said for said in result.said)


def test_a_penalty_in_a_function_of_its_own():
    penalty = (
        "def l1(net, factor):\n    total = 0\n    for p in net.parameters():\n        total = total + p.abs().sum()\n"
    )
    penalty += "    return factor * total\n"
    config, _ = imported(penalty + "optimizer = optim.Adam(model.parameters())", loss="loss = loss + l1(model, 1e-4)")
    assert [class_of(one) for one in config["model"]["regularization"]] == [("L1", {"factor": 1e-4})]


@pytest.mark.parametrize(
    ("schedule", "where", "expected", "line"),
    [
        (
            "OneCycleLR(optimizer, max_lr=0.1, steps_per_epoch=len(train_loader), epochs=15)",
            "batch",
            {"max_lr": 0.1},
            "",
        ),
        ("StepLR(optimizer, 5)", "batch", None, "StepLR is stepped once a batch, here it would be once an epoch"),
        (
            "OneCycleLR(optimizer, 0.1, total_steps=15)",
            "epoch",
            None,
            "stepped once an epoch, here it would be once a batch",
        ),
        ("LambdaLR(optimizer, lambda epoch: 0.9 ** epoch)", "epoch", None, "LambdaLR cannot be told"),
        (
            "StepLR(optimizer, step_size=30)",
            "epoch",
            {"step_size": 30},
            "does nothing: its first step comes after epoch 30",
        ),
        (
            "ReduceLROnPlateau(optimizer, 'min', factor=0.5)",
            "epoch",
            {"factor": 0.5, "patience": 10},
            "becomes Plateau",
        ),
    ],
    ids=range(6),
)
def test_a_schedule_is_kept_where_it_does_the_same_here(schedule, where, expected, line):
    making = f"optimizer = optim.Adam(model.parameters(), lr=0.01)\nscheduler = optim.lr_scheduler.{schedule}"
    step = {"loss": "scheduler.step()"} if where == "batch" else {"after_epoch": "scheduler.step()"}
    config, result = imported(making, **step)
    scheduler = config["model"]["scheduler"]
    assert (scheduler and class_of(scheduler)[1]) == expected
    assert any(line in said for said in result.said)


@pytest.mark.parametrize(
    ("schedule", "missing"),
    [
        ("CosineAnnealingLR(optimizer, T_max=len(train_loader))", "T_max"),
        ("CosineAnnealingLR(optimizer, T_max=num_epochs * len(train_loader))", "T_max"),
        ("CosineAnnealingWarmRestarts(optimizer, find())", "T_0"),
        ("StepLR(optimizer, step_size=every())", "step_size"),
        ("MultiStepLR(optimizer, milestones=[len(train_loader)])", "milestones"),
        ("ExponentialLR(optimizer, find(), verbose=True)", "gamma"),
        ("StepLR(*settings)", "step_size"),
        ("OneCycleLR(optimizer, max_lr=find(), total_steps=len(train_loader) * 15)", "max_lr"),
        ("CyclicLR(optimizer, 1e-3, find())", "max_lr"),
    ],
)
def test_a_schedule_without_what_it_requires_is_left_out_and_said(schedule, missing):
    making = f"optimizer = optim.Adam(model.parameters(), lr=0.01)\nscheduler = optim.lr_scheduler.{schedule}"
    step = {"loss" if "Cyc" in schedule else "after_epoch": "scheduler.step()"}
    config, result = imported(making, **step)
    assert config["model"]["scheduler"] is None
    assert any(f"has no default for {missing}: left out" in said for said in result.said), result.said
    assert not any("default stays" in said for said in result.said), result.said


def test_what_a_schedule_requires_is_what_torch_requires():
    from torch.optim import lr_scheduler

    for name in SCHEDULES_OF_TORCH:
        parameters = list(inspect.signature(getattr(lr_scheduler, name)).parameters.values())[1:]
        assert REQUIRED.get(name, []) == [each.name for each in parameters if each.default is each.empty], name
        positions = POSITIONS[name][1:]
        assert positions == [each.name for each in parameters][: len(positions)], name


@pytest.mark.parametrize(
    ("made", "expected", "line"),
    [
        ("T.RandomHorizontalFlip()", [("RandomHorizontalFlip", {"p": 0.5})], "RandomHorizontalFlip, p 0.5"),
        ("T.RandomHorizontalFlip(p=CHANCE)", [("RandomHorizontalFlip", {"p": 0.25})], "p 0.25"),
        ("T.RandomRotation(10)", [("RandomRotation", {"degrees": 10.0})], "RandomRotation, degrees 10.0"),
        ("T.RandomRotation((-15, 15), fill=0)", [("RandomRotation", {"degrees": 15.0})], ""),
        ("T.RandomCrop(28, padding=2)", [("RandomCrop", {"padding": 2})], "at the edges mirrors the image"),
        ("RandomCrop(28, 2)", [("RandomCrop", {"padding": 2})], ""),
        (
            "v2.Compose([v2.RandomCrop(28, 4), v2.RandomHorizontalFlip(), v2.ToTensor()])",
            [("RandomCrop", {"padding": 4}), ("RandomHorizontalFlip", {"p": 0.5})],
            "",
        ),
        ("T.RandomHorizontalFlip(chance())", [], "p that comes from a function call: left out; see configs/regu"),
        ("T.RandomHorizontalFlip(1.5)", [], "has a p that is not in [0, 1]: left out; see configs/regularization/flip"),
        ("T.RandomRotation((0, 90))", [], "configs/regularization/rotation.yaml"),
        ("T.RandomRotation(10, expand=True)", [], "has arguments that it does not have here"),
        ("T.RandomRotation(*angles)", [], "configs/regularization/rotation.yaml"),
        ("T.RandomCrop(24)", [], "RandomCrop cuts without padding: left out; see configs/regularization/crop.yaml"),
        ("T.RandomCrop(28, padding=[1, 2])", [], "configs/regularization/crop.yaml"),
        ("T.RandomCrop(28, padding=2.5)", [], "configs/regularization/crop.yaml"),
        ("T.RandomApply([T.RandomRotation(10)], p=0.3)", [], "RandomRotation is not read: left out"),
        ("T.ColorJitter(0.2)", [], "configs/regularization/color_jitter.yaml"),
        ("T.RandAugment()", [], "configs/regularization/trivial_augment.yaml"),
        ("random.RandomState(3)", [], ""),
    ],
)
def test_augmentation_is_kept_where_it_is_plain_and_else_said(made, expected, line):
    imports = "import torchvision.transforms as T\nfrom torchvision.transforms import RandomCrop, v2\nCHANCE = 0.25\n"
    config, result = imported(f"{imports}change = {made}\noptimizer = optim.Adam(model.parameters())")
    augmentation = config["data"]["augmentation"]
    assert [class_of(one) for one in augmentation] == expected
    for one in augmentation:
        getattr(project.augmentation, class_of(one)[0])(**one["init_args"])
    assert any(line in said for said in result.said), result.said
    assert any("augmentation" in said for said in result.said) == ("T." in made or "Crop" in made)


def test_every_overlay_that_is_named_is_there():
    for overlay in (*OVERLAYS.values(), "trivial_augment"):
        assert (RULES.parents[1] / "configs" / "regularization" / f"{overlay}.yaml").is_file()


def with_loop(*texts):
    """The notebook of case A with these cells in the place of its loop."""
    filled = cells_of(CASES["A"])
    filled[9:10] = [("code", text) for text in texts]
    result = submission_of(notebook(filled), "a.ipynb")
    return yaml.safe_load(result.files["config.yaml"]), result.said


IN_A_FUNCTION = """!pip install torch
def train_one_epoch(net, loader):
    for images, labels in loader:
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()

def fit(net, epochs=15, lr=0.01):
    global optimizer
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    for epoch in tqdm(range(1, epochs + 1)):
        train_one_epoch(net, train_loader)
        schedule.step()
"""


def test_a_loop_in_functions_is_followed():
    config, _ = with_loop(IN_A_FUNCTION, "%time fit(model, epochs=12)\nfit(model, epochs=12)")
    assert config["trainer"]["max_epochs"] == 12 and config["data"]["batch_size"] == 128
    assert class_of(config["model"]["optimizer"]) == ("SGD", {"lr": 0.01})
    assert class_of(config["model"]["scheduler"]) == ("ExponentialLR", {"gamma": 0.9})


def test_all_epochs_of_a_network_count():
    loop = "for epoch in range(15):\n    loss = train(model)\n    loss.backward()"
    config, said = with_loop("optimizer = optim.Adam(model.parameters())", loop, loop)
    assert config["trainer"]["max_epochs"] == 30 and "epochs: 2 loops train, 15 + 15 epochs: all are counted" in said
    config, said = with_loop("optimizer = optim.Adam(model.parameters())\nwhile True:\n    loss.backward()")
    assert config["trainer"]["max_epochs"] == 15 and any("no loop that trains" in line for line in said)


DRAW = "def draw(m):\n    if isinstance(m, nn.Linear):\n        nn.init.constant_(m.weight, SCALE)\nSCALE = 7.0\n"
DRAWN_BY = {
    "apply": f"{DRAW}model.apply(draw)",
    "a loop": "for m in model.modules():\n    if isinstance(m, nn.Linear):\n        nn.init.constant_(m.weight, 7.0)",
    "a function": "def init(net):\n    for p in net.parameters():\n        nn.init.constant_(p, 7.0)\ninit(model)",
    "a function that returns it": "def init(net):\n    nn.init.constant_(net.fc1.weight, 7.0)\n    return net\nmodel = init(model)",
    "in place": "model.fc1.weight.data.fill_(7.0)",
    "without gradients": "with torch.no_grad():\n    for p in model.parameters():\n        p.zero_()\n        p.add_(7.0)",
    "a factory": f"{DRAW}def build():\n    net = MyNet()\n    net.apply(draw)\n    return net\nmodel = build().to(device)",
    "another layer": "model.fc1 = nn.Linear(784, 50)\nnn.init.constant_(model.fc1.weight, 7.0)",
}


@pytest.mark.parametrize("drawn", DRAWN_BY.values(), ids=DRAWN_BY)
def test_what_is_done_to_the_fresh_network_outside_of_its_class_is_done_here_too(drawn, tmp_path):
    config, result = imported(f"{drawn}\noptimizer = optim.Adam(model.parameters())")
    (tmp_path / "my_network.py").write_bytes(result.files["my_network.py"])
    command = "import my_network as m; n = m.PastedMyNet(); print(n.fc1.weight.unique().tolist())"
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "[7.0]\n", done.stderr
    assert config["model"]["network"] == {"class_path": "submission.my_network.PastedMyNet"}
    assert not any("not taken over" in line for line in result.said), result.said


@pytest.mark.parametrize(
    ("made", "after", "line"),
    [
        (f"{DRAW}model.apply(draw)\nmodel = MyNet().to(device)\n", "", "line 6: `model.apply(draw)`"),
        ("", "nn.init.kaiming_normal_(model.fc1.weight)", "line 1: `nn.init.kaiming_normal_(model.fc1.weight)`"),
        (f"{DRAW}if USED:\n    model.apply(draw)\n", "", "line 7: `model.apply(draw)`"),
        (f"{DRAW}def unused():\n    model.apply(draw)\n", "", ""),
        (f"{DRAW}other = MyNet()\nother.apply(draw)\n", "", ""),
        (
            "",
            "model = MyNet()\nmodel.load_state_dict(torch.load('best.pt'))",
            "`model.load_state_dict(torch.load('best",
        ),
    ],
    ids=[
        "made anew",
        "after the training",
        "on a condition",
        "in a function not called",
        "another",
        "loaded afterwards",
    ],
)
def test_what_is_not_in_effect_on_the_trained_network_is_not_taken(made, after, line):
    filled = cells_of(Case(SMALL, f"{made}optimizer = optim.Adam(model.parameters())"))
    result = submission_of(notebook([*filled, ("code", after)]), "a.ipynb")
    module = result.files["my_network.py"].decode()
    assert "model = self" not in module
    found = [said for said in result.said if "not taken over" in said]
    assert len(found) == bool(line) and all(line in said for said in found), found


SILENT = {
    "a norm": ("for p in model.parameters():\n    loss = loss + 1e-3 * torch.norm(p)", ["loss = loss + 0.001"]),
    "noise": (
        "images = images + 0.1 * torch.randn_like(images)\nloss = criterion(model(images), labels)",
        ["images = images"],
    ),
    "noise in place": ("images.add_(0.1)\nloss = criterion(model(images), labels)", ["images.add_(0.1)"]),
    "softmax": ("outputs = outputs.softmax(1)\nloss = criterion(outputs, labels)", ["outputs = outputs.softmax(1)"]),
    "mixed losses": (
        "loss = 0.5 * criterion(outputs, labels) + 0.5 * criterion(outputs, other)",
        ["loss = 0.5 * criterion"],
    ),
    "accumulated": ("loss = loss / 4", ["loss = loss / 4"]),
    "now and then": ("if total % 4:\n    optimizer.step()", ["if total % 4:"]),
    "clipped values": ("nn.utils.clip_grad_value_(model.parameters(), 0.5)", ["nn.utils.clip_grad_value_("]),
    "clipped by hand": ("for p in model.parameters():\n    p.grad.clamp_(-1, 1)", ["p.grad.clamp_(-1, 1)"]),
    "a rate": ("for g in optimizer.param_groups:\n    g['lr'] *= 0.9", ["g['lr'] *= 0.9"]),
    "a decay": ("optimizer.param_groups[0]['weight_decay'] = 0.1", ["optimizer.param_groups[0]['weight_decay'] = 0.1"]),
    "half precision": ("with torch.autocast('cuda'):\n    outputs = model(images)", ["with torch.autocast('cuda'):"]),
    "stopped": ("if total > patience:\n    break", ["if total > patience:"]),
    "frozen": ("model.fc1.requires_grad_(False)", ["model.fc1.requires_grad_(False)"]),
    "a function": (
        "images, labels = change(images, labels)\nloss = criterion(model(images), labels)",
        ["images, labels = change"],
    ),
    "bookkeeping": (
        "bar.set_postfix(loss=loss.item())\naccuracy = (outputs.argmax(1) == labels).float().mean()\nmeter.update(loss.item())\n"
        "if total % 100 == 0:\n    print(optimizer.param_groups[0]['lr'], accuracy)\n    torch.save(model.state_dict(), 'a.pt')\n"
        "rates.append(optimizer.param_groups[0]['lr'])\nif scheduler is not None:\n    optimizer.step()",
        [],
    ),
}


@pytest.mark.parametrize(("loss", "expected"), SILENT.values(), ids=SILENT)
def test_what_the_loop_does_and_the_submission_does_not_is_said(loss, expected):
    _, result = imported(loss=loss)
    found = [said for said in result.said if "not taken over" in said]
    assert len(found) == len(expected), found
    for said, text in zip(found, expected):
        assert re.fullmatch(rf"not taken over: cell 10, line \d+: `{re.escape(text)}.*`", said)


@pytest.mark.parametrize(
    ("made", "line"),
    [
        ("averaged = AveragedModel(model)", "line 1: `averaged = AveragedModel(model)`"),
        ("class Focal(nn.Module):\n    pass\ncriterion = Focal()", "line 3: `Focal()`"),
        ("model.half()", "line 1: `model.half()`"),
        ("print(model)\nmodel.train()\nsum(p.numel() for p in model.parameters())", ""),
    ],
)
def test_what_happens_to_the_network_outside_of_the_loop_is_said(made, line):
    case = Case(SMALL, "optimizer = optim.Adam(model.parameters())")
    filled = cells_of(case)
    filled[9] = (
        "code",
        filled[9][1].replace("criterion = nn.CrossEntropyLoss()", f"{made}\noptional = 1")
        if "Focal" in made
        else filled[9][1],
    )
    filled[8] = ("code", SMALL) if "Focal" in made else ("code", f"{SMALL}\n{made}")
    found = [said for said in submission_of(notebook(filled), "a.ipynb").said if "not taken over" in said]
    assert len(found) == bool(line), found


IN_FUNCTIONS = """def step(net, images, labels):
    outputs = net(images)
    loss = criterion(outputs, labels)
    loss.backward()
    optimizer.step()
    return loss.item()

def epoch(net, loader, criterion):
    net.train()
    for images, labels in loader:
        images = images + noise
        running = step(net, images, labels)
    for group in optimizer.param_groups:
        group["lr"] = 0.1

criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters())
for _ in range(15):
    epoch(model, train_loader, criterion)
"""
TRAINER = """class Trainer:
    def __init__(self, net, criterion):
        self.net, self.criterion = net, criterion
        self.optimizer = optim.Adam(net.parameters())

    def fit(self):
        for _ in range(15):
            for images, labels in train_loader:
                loss = self.criterion(self.net(images), labels)
                loss.backward()
                self.optimizer.step()
            self.net.fc1.weight.data.clamp_(-1, 1)

trainer = Trainer(model, nn.CrossEntropyLoss())
trainer.fit()
"""


@pytest.mark.parametrize(
    ("loop", "expected"),
    [
        (IN_FUNCTIONS, ["line 11: `images = images + noise`", "line 14: `group['lr'] = 0.1`"]),
        (TRAINER, ["line 12: `self.net.fc1.weight.data.clamp_(-1, 1)`"]),
    ],
    ids=["functions", "a class"],
)
def test_loops_in_functions_and_classes_are_read_as_well(loop, expected):
    _, said = with_loop(loop)
    assert [each.partition(", ")[2] for each in said if "not taken over" in each] == expected


def test_shell_commands_of_several_lines_and_their_outputs_are_passed_over():
    shell = "files = !ls\n!pip install torch \\\n    torchvision\nif True:\n    !ls\n"
    _, result = imported(network=f"{shell}{SMALL}\nmodel.half()")
    last = len(f"{shell}{SMALL}".split("\n")) + 1
    assert f"not taken over: cell 9, line {last}: `model.half()`" in result.said


@pytest.mark.parametrize(
    ("scaling", "expected", "line"),
    [
        ("X = X / 255.0", ([0.0], [1.0]), "divided by 255 and nothing else"),
        ("X /= 255", ([0.0], [1.0]), "divided by 255 and nothing else"),
        ("X = X / 255\nX = (X - 0.5) / 0.5", ([0.5], [0.5]), "mean 0.5, std 0.5"),
        ("X = (X / 255.0 - 0.2860) / 0.3530", ([0.286], [0.353]), "mean 0.286, std 0.353"),
        ("m, s = 0.25, 0.5\nX = (X / 255 - m) / s", ([0.25], [0.5]), "mean 0.25, std 0.5"),
        ("X = X / 127.5 - 1", ([0.5], [0.5]), "mean 0.5, std 0.5"),
        ("def scale(x):\n    return x / 255 * 2 - 1\nX = scale(X)", ([0.5], [0.5]), "mean 0.5, std 0.5"),
        ("X = X / 255.0\nX = (X - X.mean()) / X.std()", None, "by the training images' own"),
        ("mean, std = np.mean(X), np.std(X)\nX = (X - mean) / (std + 1e-7)", None, "by the training images' own"),
        ("X = StandardScaler().fit_transform(X)", None, "by the training images' own"),
        ("X = X / 255\nX = (X - X.min()) / (X.max() - X.min())", None, "cannot be told (cell 5, line 3)"),
        ("X = X / 255\nX = X - X.mean()", None, "cannot be told (by their mean or deviation alone)"),
        ("X = X ** 0.5 / 16", None, "cannot be told (cell 5, line 2)"),
        ("pass", None, "is not found"),
    ],
)
def test_how_images_are_scaled_is_followed_through_the_notebook(scaling, expected, line):
    filled = cells_of(CASES["A"])
    text = filled[4][1].replace("X_train, X_val = X_train / 255.0, X_val / 255.0", "")
    filled[4] = ("code", text.replace("\ny = ", f"\n{scaling}\ny = ", 1).replace("\n" * 2, "\n"))
    result = submission_of(notebook(filled), "a.ipynb")
    data = yaml.safe_load(result.files["config.yaml"])["data"]
    assert ((data["mean"], data["std"]) if "mean" in data else None) == expected
    (said,) = [each for each in result.said if each.startswith("images:")]
    assert line in said, said


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("(0.5,), (0.25,)", ([0.5], [0.25])),
        ("mean=[0.5, 0.4, 0.3], std=[1, 1, 1]", ([0.5, 0.4, 0.3], [1, 1, 1])),
        ("(m,), (s,)", None),
    ],
)
def test_normalize_s_numbers_are_taken(given, expected):
    config, _ = imported(f"t = transforms.Normalize({given})\noptimizer = optim.Adam(model.parameters())")
    data = config["data"]
    assert ((data["mean"], data["std"]) if "mean" in data else None) == expected


def test_a_network_without_a_class_of_its_own(tmp_path):
    made = "model = nn.Sequential(nn.Flatten(), nn.Linear(784, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 10))\nHIDDEN = 32"
    config, result = imported(network=made)
    (tmp_path / "my_network.py").write_bytes(result.files["my_network.py"])
    assert config["model"]["network"] == {"class_path": "submission.my_network.MyNetwork"}
    command = "import torch, my_network as m; print(tuple(m.MyNetwork()(torch.rand(2, 1, 28, 28)).shape))"
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "(2, 10)\n", done.stderr


def test_what_the_network_needs_and_nobody_wrote_down_is_said():
    network = SMALL.replace("nn.Linear(50, 10)", "nn.Linear(50, classes)")
    _, result = imported("classes = train_df['label'].nunique()\noptimizer = optim.Adam(model.parameters())", network)
    assert any("the network needs classes, which cell 10 computes with pd" in line for line in result.said), result.said
    assert b"# classes = ...  # to be written down here" in result.files["my_network.py"]
    _, result = imported(network=network)
    assert any("the network needs classes, which the notebook does not define" in line for line in result.said)


def test_images_that_are_no_table_are_quoted_with_what_to_write_for_them():
    source = "from torchvision.datasets import ImageFolder\ntrain = ImageFolder('data/train', transform=t)\n"
    result = submission_of(notebook([("code", source), ("code", SMALL)]), "a.ipynb")
    (line,) = [line for line in result.said if line.startswith("data.source")]
    assert line.startswith("data.source: ImageFolder('data/train', transform=t) (cell 1, line 2) is not taken: write")
    assert "ImageArchive" in line and "{path: data}" in line
    result = submission_of(notebook([("code", SMALL)]), "a.ipynb")
    assert any("where the images come from is not found: write `class_path: " in line for line in result.said)


def test_of_several_networks_the_trained_one_is_taken():
    other = "class Other(nn.Module):\n    def forward(self, x):\n        return x\n\n\nother = Other()\n"
    for network in (other + SMALL, SMALL + "\n" + other):
        config, _ = imported(network=network)
        assert config["model"]["network"]["class_path"] == "submission.my_network.PastedMyNet"


def test_cells_that_do_not_parse_are_named():
    filled = cells_of(CASES["A"])
    result = submission_of(notebook([("code", "for x in\n"), *filled]), "a.ipynb")
    assert any(line.startswith("cell 1, line 1 does not parse") for line in result.said)


def test_both_formats_have_the_same_cells():
    filled = cells_of(CASES["D"])
    found = [read_notebook(notebook(filled, nbformat)) for nbformat in (3, 4)]
    assert [[(cell.kind, cell.source) for cell in cells] for cells in found] == [filled, filled]


def test_every_fixture_is_python():
    """But for its magics."""
    for case in CASES.values():
        for kind, text in cells_of(case):
            if kind == "code":
                compile(text.replace("%matplotlib inline", ""), "cell", "exec")
