"""What is wrong with a submission, found without executing anything of it."""

import ast
import codecs
import re
import sys
import tokenize
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Any, Literal

from grader.intake.strict_yaml import StrictYamlError, load
from grader.intake.submission import Submission, safe_id
from grader.rules import Rules
from grader.safe_text import printable

REPORTS = {"REPORT.md": 600, "CONCLUSION.md": 300}  # least number of characters
MOST_CHARACTERS = 40_000  # of a report
EXPECTED = ("config.yaml", "student.yaml", "README.md", *REPORTS)
LATE = "time"
TAKEN_NAMES = {
    *sys.stdlib_module_names,
    *("torch", "torchvision", "torchmetrics", "pytorch_lightning", "lightning", "lightning_utilities", "jsonargparse"),
    *(
        "numpy",
        "yaml",
        "wandb",
        "safetensors",
        "matplotlib",
        "PIL",
        "psutil",
        "project",
        "grader",
        "submission",
        "main",
    ),
    *("evidence", "trainee", "predictor", "sitecustomize", "usercustomize", "conftest", "pytest"),
}
# Python's parser takes a time that grows with the square of a long line's length; within these bounds it takes a second.
MOST_CODE = 200_000  # bytes of a submission's modules
LONGEST_LINE = 2_000  # bytes
LARGE_LITERALS = 60_000  # characters of all literals of a submission's modules
LARGE_LITERAL = 20_000  # characters of one literal in a module; weights and label tables are larger

# Settings of the trainer: what a student chooses, what the grader sets whatever is there, and the defaults that a
# complete configuration has and that nothing may depart from.
CHOSEN: dict[str, Callable[[Any], bool]] = {
    "max_epochs": lambda value: True,  # held to the rules below
    "precision": lambda value: value in (None, "auto", 32, 16, "32", "32-true", "16-mixed", "bf16-mixed", "bf16-true"),
    "gradient_clip_val": lambda value: value is None or is_number(value) and value >= 0,
    "gradient_clip_algorithm": lambda value: value in (None, "norm", "value"),
    "accumulate_grad_batches": lambda value: isinstance(value, int) and 1 <= value <= 1024,
    "deterministic": lambda value: value in (None, True, False, "warn"),
    "benchmark": lambda value: value in (None, True, False),
    "check_val_every_n_epoch": lambda value: value in (None, 1),
    "callbacks": lambda value: value is None or isinstance(value, list),
}
REPLACED = (
    *("accelerator", "devices", "num_nodes", "strategy", "logger", "default_root_dir", "enable_progress_bar"),
    *("enable_model_summary", "enable_checkpointing", "num_sanity_val_steps", "log_every_n_steps", "model_registry"),
)
DEFAULTS = {
    **dict.fromkeys(
        (
            *("min_epochs", "min_steps", "max_time", "limit_train_batches", "limit_val_batches", "limit_test_batches"),
            *("limit_predict_batches", "val_check_interval", "profiler", "plugins"),
        )
    ),
    **dict.fromkeys(("fast_dev_run", "detect_anomaly", "barebones", "sync_batchnorm"), False),
    **dict.fromkeys(("inference_mode", "use_distributed_sampler", "enable_autolog_hparams"), True),
    "max_steps": -1,
    "overfit_batches": 0.0,
    "reload_dataloaders_every_n_epochs": 0,
}
SECTIONS = ("seed_everything", "trainer", "model", "data", "run", "ckpt_path", "weights_only")
MODEL = ("network", "optimizer", "scheduler", "regularization", "initialization", "normalization", "compile")
DATA = ("source", "batch_size", "augmentation", "mean", "std", "in_memory", "num_workers")

PRETRAINED = ("weights", "weights_backbone", "pretrained", "pretrained_backbone")

ALLOWED_CLASSES = re.compile(
    r"project\.(networks|optimization|regularization|initialization|normalization|augmentation)\.\w+"
    r"|torch\.optim\.(lr_scheduler\.)?\w+"
    r"|torch\.nn\.(modules\.\w+\.)?[A-Z]\w*"
    r"|torchvision\.models\.\w+"
    r"|torchvision\.transforms\.v2\.(?!Lambda$)[A-Z]\w*"
    r"|pytorch_lightning\.(cli\.ReduceLROnPlateau|callbacks\.(EarlyStopping|StochasticWeightAveraging|EMAWeightAveraging))"
)
OWN_CLASS = re.compile(r"submission\.([A-Za-z_]\w*)\.[A-Za-z_]\w*")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


@dataclass(frozen=True)
class Finding:
    """Something wrong: how bad, where, what, and how to mend it."""

    severity: Literal["reject", "warn"]
    where: str
    what: str
    mend: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def check(submission: Submission, rules: Rules) -> list[Finding]:
    """All findings, those that reject first. An empty list, or warnings alone, let the submission be rerun."""
    late = check_time(submission.submitted, submission.marked_late, rules)
    return by_severity([*late, *check_content(submission, rules)])


def check_content(submission: Submission, rules: Rules) -> list[Finding]:
    """What is wrong with what was handed in, whenever that was. Of the rules, `max_epochs` alone has a bearing on it."""
    if submission.unusable:
        return [
            Finding(
                "reject", submission.source.name, submission.unusable, "hand in a folder, zip or tar of plain files"
            )
        ]
    found = [*check_student(submission), *check_reports(submission), *check_files(submission)]
    return by_severity([*found, *check_config(submission, rules)])


def by_severity(findings: list[Finding]) -> list[Finding]:
    """Those that reject first."""
    return sorted(findings, key=lambda finding: finding.severity != "reject")


def rejections(findings: list[Finding]) -> list[Finding]:
    """The findings for which a submission is not rerun."""
    return [finding for finding in findings if finding.severity == "reject"]


def check_time(submitted: datetime | None, marked_late: bool, rules: Rules) -> Iterator[Finding]:
    deadline = rules.deadline
    severity: Literal["reject", "warn"] = "reject" if rules.late == "reject" else "warn"
    if deadline and submitted and submitted > deadline:
        after = timedelta(seconds=int((submitted - deadline).total_seconds()))
        yield Finding(severity, LATE, f"came {after} after the deadline, {deadline.isoformat()}", "ask your instructor")
    elif marked_late:
        yield Finding("warn", LATE, "is marked as late by the system that it was handed in to", "ask your instructor")


def check_student(submission: Submission) -> Iterator[Finding]:
    mend = "write two lines, `id: your-student-id` and `name: Your Name`"
    if "student.yaml" not in submission.files:
        yield Finding("reject", "student.yaml", "is missing", mend)
        return
    try:
        identity = load(submission.files["student.yaml"])
    except StrictYamlError as error:
        yield Finding("reject", "student.yaml", str(error), mend)
        return
    if not isinstance(identity, dict):
        yield Finding("reject", "student.yaml", "has no `id` and `name`", mend)
        return
    for key in ("id", "name"):
        if not isinstance(identity.get(key), (str, int)) or not str(identity[key]).strip():
            yield Finding("reject", f"student.yaml: {key}", "is missing", mend)
    given = str(identity.get("id", ""))
    if given.strip() and safe_id(given) != given:
        better = safe_id(given) or "kim-minji"
        yield Finding(
            "reject", "student.yaml: id", f"{printable(given)!r} is no plain id", f"use a-z, 0-9, - and _: {better}"
        )


def check_reports(submission: Submission) -> Iterator[Finding]:
    for name, least in REPORTS.items():
        if name not in submission.files:
            yield Finding("reject", name, "is missing", f"write it, at least {least} characters")
            continue
        try:
            length = len(" ".join(submission.files[name].decode("utf-8").split()))
        except UnicodeDecodeError:
            yield Finding("reject", name, "is not UTF-8 text", "save it as UTF-8")
            continue
        if length < least:
            yield Finding("reject", name, f"has {length} characters", f"write at least {least}")
        if length > MOST_CHARACTERS:
            yield Finding("reject", name, f"has {length} characters", f"write at most {MOST_CHARACTERS}")


def check_files(submission: Submission) -> Iterator[Finding]:
    for path in submission.files:
        if path in EXPECTED:
            continue
        where = printable(path)
        if not path.endswith(".py"):
            yield Finding("warn", where, "is not needed and not used", "leave it out")
        elif "/" in path or not PurePosixPath(path).stem.isidentifier():
            yield Finding(
                "reject", where, "is no module that can be imported", "put it beside config.yaml, as letters_digits.py"
            )
        elif PurePosixPath(path).stem in TAKEN_NAMES:
            yield Finding("reject", where, "has the name of a library", "give it a name of its own")
    yield from check_code(submission.modules)


def check_code(modules: dict[str, bytes]) -> Iterator[Finding]:
    """Modules must parse, and hold no weights or tables in disguise. Nothing is parsed that could take long."""
    size = sum(map(len, modules.values()))
    if size > MOST_CODE:
        mend = f"hand in what your configuration uses, at most {MOST_CODE // 1000} kB"
        yield Finding("reject", "*.py", f"{size // 1000} kB of code, all together", mend)
        return
    training_alone, characters = "a network's weights come from training alone", 0
    for path, content in modules.items():
        where, lines = printable(path), content.splitlines(keepends=True)
        if long := next((number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE), None):
            yield Finding("reject", f"{where}: line {long}", f"is longer than {LONGEST_LINE} bytes", "break it up")
            continue
        try:
            found = list(literals(where, content, lines))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            mend = "save it as UTF-8, and try it: python -m py_compile"
            yield Finding("reject", where, f"does not parse: {printable(str(error))}", mend)
            continue
        characters += sum(length for node, length in found if isinstance(node, ast.Constant))
        if large := next((node for node, length in found if length > LARGE_LITERAL), None):
            what = "a literal as large as weights or a table"
            yield Finding("reject", f"{where}: line {large.lineno}", what, training_alone)
    if characters > LARGE_LITERALS:
        yield Finding("reject", "*.py", "literals as large as weights or a table, all together", training_alone)


def literals(where: str, content: bytes, lines: list[bytes]) -> Iterator[tuple[ast.expr, int]]:
    """A module's texts, numbers and containers, with their lengths in characters.

    Raises SyntaxError, ValueError, RecursionError or MemoryError where it does not parse, or is not UTF-8.
    """
    encoding = codecs.lookup(tokenize.detect_encoding(iter(lines).__next__)[0]).name
    if encoding not in ("utf-8", "utf-8-sig", "ascii"):  # others may take long, and hide what comes out of them
        raise SyntaxError(f"its encoding is {encoding}")
    with warnings.catch_warnings(action="ignore"):  # such as those of a backslash: they are the student's to see
        tree = ast.parse(content, where)
    starts = [0, *accumulate(map(len, lines))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node, len(node.value)
        elif isinstance(node, (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set)):
            assert node.end_lineno is not None and node.end_col_offset is not None
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            yield node, end - start


def check_config(submission: Submission, rules: Rules) -> Iterator[Finding]:
    if "config.yaml" not in submission.files:
        yield Finding("reject", "config.yaml", "is missing", "copy it from your run: runs/<name>/config.yaml")
        return
    try:
        config = submission.config
    except StrictYamlError as error:
        yield Finding("reject", "config.yaml", str(error), "copy it from your run: runs/<name>/config.yaml")
        return
    if not isinstance(config, dict):
        yield Finding("reject", "config.yaml", "is no mapping", "copy it from your run: runs/<name>/config.yaml")
        return
    sections = {"": (config, SECTIONS), "model.": (config.get("model"), MODEL), "data.": (config.get("data"), DATA)}
    for prefix, (section, known) in sections.items():
        if not isinstance(section, dict):
            yield Finding(
                "reject", f"config.yaml: {prefix.rstrip('.')}", "is missing", "copy config.yaml from your run"
            )
            continue
        for key in section:
            if key not in known:
                yield Finding(
                    "reject", f"config.yaml: {prefix}{printable(str(key))}", "is no such setting", "remove it"
                )
    for key in ("ckpt_path", "weights_only"):
        if config.get(key) is not None:
            yield Finding("reject", f"config.yaml: {key}", "training must start from nothing", f"set {key}: null")
    yield from check_trainer(config.get("trainer"), rules)
    yield from check_data(config.get("data"))
    data = config.get("data")
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != "source"}  # the grader's own takes its place
    settings = {"trainer": config.get("trainer"), "model": config.get("model"), "data": data}
    yield from check_values(settings)
    for where, name in class_paths(settings):
        own = OWN_CLASS.fullmatch(name)
        if own and f"{own.group(1)}.py" not in submission.files:
            yield Finding(
                "reject", f"config.yaml: {where}", f"there is no {own.group(1)}.py", "put it beside config.yaml"
            )
        elif not own and not ALLOWED_CLASSES.fullmatch(name):
            mend = "use classes of project, torch.nn, torch.optim, torchvision, or your own submission.<module>.<Class>"
            yield Finding("reject", f"config.yaml: {where}", f"{printable(name)} is not allowed", mend)


def check_trainer(trainer: Any, rules: Rules) -> Iterator[Finding]:
    trainer = trainer if isinstance(trainer, dict) else {}
    epochs = trainer.get("max_epochs")
    if isinstance(epochs, bool) or not isinstance(epochs, int) or not 1 <= epochs <= rules.max_epochs:
        mend = f"train again with --trainer.max_epochs {rules.max_epochs} or fewer, and hand in that run"
        yield Finding(
            "reject",
            "config.yaml: trainer.max_epochs",
            f"{printable(str(epochs))} is not 1 to {rules.max_epochs}",
            mend,
        )
    for key, value in trainer.items():
        where, shown = f"config.yaml: trainer.{printable(str(key))}", printable(str(value), 60)
        if key in CHOSEN:
            if not CHOSEN[key](value):
                yield Finding("reject", where, f"{shown} is not allowed", "remove it")
        elif key in DEFAULTS:
            if value != DEFAULTS[key] or isinstance(value, bool) != isinstance(DEFAULTS[key], bool):
                yield Finding("reject", where, f"{shown} is not allowed", f"set it to {DEFAULTS[key]}, or remove it")
        elif key not in REPLACED:
            yield Finding("reject", where, "is no setting that the grader allows", "remove it")


def check_data(data: Any) -> Iterator[Finding]:
    data = data if isinstance(data, dict) else {}
    batch_size = data.get("batch_size", 128)
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or not 1 <= batch_size <= 65536:
        yield Finding(
            "reject", "config.yaml: data.batch_size", f"{printable(str(batch_size))} is no number of images", "take 128"
        )
    for key in ("mean", "std"):
        value = data.get(key)
        if value is not None and not (isinstance(value, list) and all(map(is_number, value))):
            yield Finding("reject", f"config.yaml: data.{key}", "is no list of numbers", f"set {key}: null")


def check_values(settings: Any, where: str = "") -> Iterator[Finding]:
    """No value may reach for a file, stand for another one, or bring weights along."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            path = f"{where}.{printable(str(key))}".lstrip(".")
            if key in PRETRAINED and value not in (None, False):
                yield Finding("reject", f"config.yaml: {path}", "training must start from nothing", "set it to null")
            else:
                yield from check_values(value, path)
    elif isinstance(settings, list):
        for index, value in enumerate(settings):
            yield from check_values(value, f"{where}[{index}]")
    elif isinstance(settings, str):
        if settings.startswith(("/", "~", "file:")) or ".." in settings:
            yield Finding("reject", f"config.yaml: {where}", f"{printable(settings, 60)!r} names a file", "remove it")
        elif "${" in settings:
            mend = "write the value itself"
            yield Finding("reject", f"config.yaml: {where}", f"{printable(settings, 60)!r} stands for a value", mend)


def class_paths(settings: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Every class that settings name, with where: the value of a class_path, and any text that looks like one."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            path = f"{where}.{printable(str(key))}".lstrip(".")
            if key == "class_path":
                yield path, str(value)
            else:
                yield from class_paths(value, path)
    elif isinstance(settings, list):
        for index, value in enumerate(settings):
            yield from class_paths(value, f"{where}[{index}]")
    elif isinstance(settings, str) and DOTTED.fullmatch(settings):
        yield where, settings


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
