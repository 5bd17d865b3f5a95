"""Configurations that reach for more than a training."""

import base64
import json
import os
from typing import Any

import yaml

from grader.grading.example_submissions import REPORT
from tests.hostile.cases import DEMANDING, Case, Config, honest_config, own_network, set_key


def rejected(name: str, key: str, value: Any, reason: str) -> Case:
    """A case whose setting `key` is `value`."""
    return Case(name, "rejected", reason, change=set_key(key, value))


def text(name: str, content: str | bytes, reason: str) -> Case:
    """A case whose config.yaml is this text."""
    return Case(name, "rejected", reason, files={"config.yaml": content})


def drop_families(config: Config) -> None:
    config["model"]["regularization"] = None
    config["data"]["augmentation"] = []


HONEST_TEXT = yaml.safe_dump(honest_config(), sort_keys=False)
ALIASES = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi")
)
OPTIMIZER, ACTIVATION = "model.optimizer", "model.network.init_args.activation"
NOTEBOOK = json.dumps({"cells": [{"cell_type": "code", "source": "print('LEAKED')"}]})
NOTHING_RUNS = f"print('LEAKED')\n{'# ' * 10}"

CASES = [
    rejected("16 epochs", "trainer.max_epochs", 16, "trainer.max_epochs: 16"),
    rejected("-1 epochs, for ever", "trainer.max_epochs", -1, "trainer.max_epochs: -1"),
    rejected("15.0 epochs", "trainer.max_epochs", 15.0, "trainer.max_epochs: 15.0"),
    rejected("true epochs", "trainer.max_epochs", True, "trainer.max_epochs: True"),
    rejected("null epochs", "trainer.max_epochs", None, "trainer.max_epochs: None"),
    rejected("max_steps", "trainer.max_steps", 10**6, "trainer.max_steps"),
    rejected("min_epochs", "trainer.min_epochs", 100, "trainer.min_epochs"),
    rejected("min_steps", "trainer.min_steps", 10**6, "trainer.min_steps"),
    rejected("limit_train_batches", "trainer.limit_train_batches", 10**6, "trainer.limit_train_batches"),
    rejected("limit_val_batches", "trainer.limit_val_batches", 1, "trainer.limit_val_batches"),
    rejected("overfit_batches", "trainer.overfit_batches", 1, "trainer.overfit_batches"),
    rejected("plugins", "trainer.plugins", [{"class_path": "os.system"}], "trainer.plugins"),
    rejected("an unknown key of the trainer", "trainer.magic", 1, "trainer.magic"),
    rejected("ckpt_path", "ckpt_path", "/tmp/best.ckpt", "ckpt_path"),
    rejected("subprocess.Popen for an optimizer", f"{OPTIMIZER}.class_path", "subprocess.Popen", "subprocess.Popen"),
    rejected("os.system for an activation", ACTIVATION, "os.system", "os.system is not allowed"),
    rejected("builtins.eval for an activation", ACTIVATION, "builtins.eval", "builtins.eval is not allowed"),
    rejected("a private function of torch", ACTIVATION, "torch.hub.load", "torch.hub.load is not allowed"),
    rejected(
        "a transform that is a function",
        "data.augmentation",
        [{"class_path": "torchvision.transforms.v2.Lambda", "init_args": {"lambd": "print"}}],
        "Lambda is not allowed",
    ),
    rejected("the grader's own modules", f"{OPTIMIZER}.class_path", "grader.rerun.job.Job", "is not allowed"),
    rejected(
        "pretrained weights",
        "model.network",
        {"class_path": "torchvision.models.resnet18", "init_args": {"weights": "IMAGENET1K_V1"}},
        "IMAGENET1K_V1 is not allowed; take null",
    ),
    *(
        rejected(f"{what} in a text", place, attack, "is not allowed")
        for what, place, attack in (
            ("a profiler that runs", ACTIVATION, "{class_path: cProfile.run, init_args: {statement: 'print(1)'}}"),
            ("a shell", OPTIMIZER, '{"class_path": "os.system", "init_args": {"command": "id"}}'),
            ("a callback by its short name", "trainer.callbacks", ["LearningRateFinder"]),
            ("a transform that is a function", "data.augmentation", ["{class_path: torchvision.transforms.v2.Lambda}"]),
            ("a schedule that is a function", "model.scheduler", "torch.optim.lr_scheduler.LambdaLR"),
            ("many steps for one batch", OPTIMIZER, "torch.optim.LBFGS"),
        )
    ),
    rejected(
        "a function where a layer belongs",
        "model.network.init_args.activation.class_path",
        "os.system",
        "is not allowed",
    ),
    rejected("a number of 99 digits", "model.network.init_args.width", 10**99, "is not allowed; take a whole number"),
    rejected("interpolation", "model.network.init_args.width", "${oc.env:HOME}", "is not allowed; take a whole number"),
    rejected("an absolute path", "model.network.init_args.width", "/etc/passwd", "is not allowed; take a whole number"),
    rejected("a path upwards", "data.batch_size", "../../labels", "data.batch_size"),
    rejected("wrong types", "data.batch_size", "many", "data.batch_size"),
    rejected("a batch as large as the world", "data.batch_size", 10**9, "data.batch_size"),
    rejected("a section that is a list", "data", [], "data: is missing"),
    rejected("an unknown key", "hooks", {"on_start": "rm"}, "hooks: is not a setting"),
    Case("a family left out", "rejected", "no strategy of regularization", change=drop_families),
    text("an alias bomb", ALIASES, "aliases"),
    text("a key twice", HONEST_TEXT + "trainer: {max_epochs: 100}\n", "there twice"),
    text("a Python object", "a: !!python/object/apply:os.system ['echo LEAKED']\n", "tags (!name) are not allowed"),
    text("two megabytes of YAML", "# " + "x" * (2 * 10**6 - 10) + "\n", "larger than 32 kB"),
    text("thousands of brackets", "a: " + "[" * 30_000, "nested too deeply"),
    text("an integer of thousands of digits", "trainer: {max_epochs: 0x" + "f" * 9000 + "}", "a number of 9002"),
    text("no UTF-8", b"trainer: \xff\xfe", "not valid YAML"),
    text("NUL bytes", b"trainer: \x00", "not valid YAML"),
    text("a text without settings", "hello", "holds no settings"),
    Case(
        "an id that is a path",
        "rejected",
        "is not a plain id",
        files={"student.yaml": 'id: "../../etc"\nname: x\n'},
    ),
    Case(
        "weights in base64",
        "rejected",
        "a literal as large as weights",
        change=own_network,
        files={"mine.py": f"W = '''{base64.encodebytes(os.urandom(30_000)).decode()}'''\n"},
    ),
    rejected(
        "weights in the lists of augmentations",
        "data.augmentation",
        [
            {"class_path": "torchvision.transforms.v2.RandomErasing", "init_args": {"scale": numbers}}
            for numbers in [[int.from_bytes(os.urandom(3)) for _ in range(99)] for _ in range(15)]
        ],
        "bytes of settings when they are compressed",
    ),
    Case(
        "weights in a single line",
        "rejected",
        "is longer than 2000 bytes",
        change=own_network,
        files={"mine.py": f"W = '{base64.b64encode(os.urandom(30_000)).decode()}'\n"},
    ),
    Case(
        "weights in many small literals",
        "rejected",
        "bytes of code, all together",
        change=own_network,
        files={"mine.py": "".join(f"W{i} = '{base64.b64encode(os.urandom(1200)).decode()}'\n" for i in range(60))},
    ),
    Case(
        "weights in names",
        "rejected",
        "bytes of code, all together",
        change=own_network,
        files={"mine.py": "".join(f"x{os.urandom(40).hex()} = 0\n" for _ in range(600))},
    ),
    Case(
        "two megabytes of code",
        "rejected",
        "1998 kB of code",
        change=own_network,
        files={"mine.py": "0\n" * 999_000},
    ),
    Case(
        "a table of labels",
        "rejected",
        "a literal as large as weights",
        change=own_network,
        files={"mine.py": "LABELS = [\n" + "".join(f"{i * 7919 % 10},\n" for i in range(20_000)) + "]\n"},
    ),
    Case("a module named torch", "rejected", "the name of a library", files={"torch.py": NOTHING_RUNS}),
    Case("sitecustomize.py", "rejected", "the name of a library", files={"sitecustomize.py": NOTHING_RUNS}),
    Case("conftest.py", "rejected", "the name of a library", files={"conftest.py": NOTHING_RUNS}),
    Case(
        "a report of two megabytes",
        "rejected",
        "at most 40000 characters",
        files={"REPORT.md": REPORT + "x " * 900_000},
        rules=DEMANDING,
    ),
    Case("a report of nothing", "rejected", "is missing", files={"REPORT.md": " \n" * 10_000}, rules=DEMANDING),
]
HONEST = [
    Case("control: an honest configuration", "passed"),
    Case(
        "control: a notebook and a damaged PDF in the place of texts",
        "passed",
        files={"REPORT.md": None, "CONCLUSION.md": None, "REPORT.pdf": b"%PDF-1.7", "a.ipynb": NOTEBOOK},
    ),
    Case("control: a .pth file is never used", "passed", files={"evil.pth": "import os; os.system('echo LEAKED')\n"}),
]
