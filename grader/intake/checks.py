"""What is wrong with a submission, found without executing anything of it."""

import ast
import codecs
import tokenize
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal

from grader.intake.blanking import blanked
from grader.intake.grammar import CLASS_LISTS, VALUES, derive, shown
from grader.intake.reports import DOCUMENTS, NOTEBOOK, documents, is_all_text, length, suffix
from grader.intake.strict_yaml import StrictYamlError
from grader.intake.submission import LONE_NOTEBOOK, MAX_DOCUMENT_BYTES, Submission, identity, safe_id
from grader.intake.time_sources import BY_MARK
from grader.rules import Rules
from grader.safe_text import printable
from project.support.own_code import TAKEN_NAMES
from project.support.wording import duration

LEAST_CHARACTERS = {"report": 600, "conclusion": 300}  # as `length` counts them
MOST_CHARACTERS = 40_000  # of either
ASK = "ask your instructor"
NOT_THERE = "is missing, and no notebook or document takes its place"
EXPECTED = ("config.yaml", "student.yaml", "README.md")
# The time of Python's parser grows with the square of a line's length; within these bounds it is a second at most.
MOST_CODE = 200_000  # bytes of a submission's modules
LONGEST_LINE = 2_000  # bytes
LARGE_LITERAL = 20_000  # characters of one literal in a module; weights and label tables are larger
# What modules can tell a network beside what it learns, compressed. torchvision's Swin transformer has 4,900.
MOST_INFORMATION = 12_000  # bytes

# Settings of the trainer: what a student chooses, what the grader replaces, and what must stay at its default.
CHOSEN = [where.removeprefix("trainer.") for where in (*VALUES, *CLASS_LISTS) if where.startswith("trainer.")]
REPLACED = (
    *("accelerator", "devices", "num_nodes", "strategy", "logger", "default_root_dir", "enable_progress_bar"),
    *("enable_model_summary", "enable_checkpointing", "num_sanity_val_steps", "log_every_n_steps", "model_registry"),
)
DEFAULTS = {
    **dict.fromkeys(("min_epochs", "min_steps", "max_time", "val_check_interval", "profiler", "plugins")),
    **dict.fromkeys(f"limit_{stage}_batches" for stage in ("train", "val", "test", "predict")),
    **dict.fromkeys(("fast_dev_run", "detect_anomaly", "barebones", "sync_batchnorm"), False),
    **dict.fromkeys(("inference_mode", "use_distributed_sampler", "enable_autolog_hparams"), True),
    **{"max_steps": -1, "overfit_batches": 0.0, "reload_dataloaders_every_n_epochs": 0},
}
SETTINGS = {
    "": ("seed_everything", "trainer", "model", "data", "run", "ckpt_path", "weights_only"),
    "trainer": (*CHOSEN, *REPLACED, *DEFAULTS),
    "model": ("network", "optimizer", "scheduler", "regularization", "initialization", "normalization", "compile"),
    "data": ("source", "batch_size", "augmentation", "mean", "std", "in_memory", "num_workers"),
}


@dataclass(frozen=True)
class Finding:
    """Something wrong: where, what, how to mend it, and how bad it is.

    Attributes:
        severity: `reject`, `warn`, or `bonus` for what costs points, which `by_rules` makes one of the others.
        family: Which the configuration can never show: it rejects where the rules ask for that family.
    """

    where: str
    what: str
    mend: str
    severity: Literal["reject", "warn", "bonus"] = "reject"
    family: str = ""

    def by_rules(self, rules: Rules) -> "Finding":
        """The finding as bad as these rules take it."""
        if self.severity != "bonus":
            return self
        return replace(self, severity="reject" if rules.reports == "demand" else "warn")

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def check(submission: Submission, rules: Rules) -> list[Finding]:
    """All findings, those that reject first. An empty list, or warnings alone, let the submission be rerun.

    See `check_time` for when it was handed in.
    """
    found = [finding.by_rules(rules) for finding in look(submission, rules.max_epochs)]
    return sorted(found, key=lambda finding: finding.severity != "reject")


def look(submission: Submission, max_epochs: int, texts: Mapping[str, str] | None = None) -> Iterator[Finding]:
    """All findings, whatever other rules make of them. `texts` are those of PDFs and DOCX, as far as they were read."""
    if submission.unusable:
        mend = "hand in a folder, zip or tar of plain files"
        if submission.unusable == LONE_NOTEBOOK:
            mend = (
                "hand in the archive that its last cells pack; "
                "of another, `python -m grader import NOTEBOOK` makes a folder to pack"
            )
        yield Finding(printable(submission.source.name), submission.unusable, mend)
        return
    of_config = list(check_config(submission, max_epochs))
    without = "config.yaml" not in submission.files
    yield from of_config if without else ()  # the worst first
    yield from check_student(submission)
    yield from check_files(submission)
    yield from of_config if not without else ()
    yield from check_reports(submission, texts or {})


def rejections(findings: list[Finding]) -> list[Finding]:
    """The findings for which a submission is not rerun."""
    return [finding for finding in findings if finding.severity == "reject"]


def for_instructor(reason: str) -> str:
    """A reason, made of findings, without the advice to ask whoever reads it."""
    return reason.replace(f"; {ASK}", "")


def check_time(submitted: datetime | None, marked_late: bool, rules: Rules, time_by: str = "") -> Iterator[Finding]:
    """What is wrong with when it was handed in; nothing where that costs nothing."""
    deadline, free_until, taken_until, mend = rules.deadline, rules.free_until, rules.taken_until, ASK
    if deadline and free_until and taken_until and submitted and submitted > min(free_until, taken_until):
        what = f"came {duration(submitted - deadline)} after the deadline, {deadline.isoformat()}"
        yield Finding("time", what, mend, "reject" if rules.late == "reject" and submitted > taken_until else "warn")
    elif marked_late:  # which stands for the deadline where nothing else says when
        grace = rules.taken_until != deadline  # nobody knows whether it came within that
        by_mark = deadline and time_by == BY_MARK and rules.late == "reject" and not grace
        severity: Literal["reject", "warn"] = "reject" if by_mark else "warn"
        yield Finding("time", "is marked as late by the system that it was handed in to", mend, severity)


def check_student(submission: Submission) -> Iterator[Finding]:
    mend = "write two lines, `id: your-student-id` and `name: Your Name`"
    try:
        given, name = identity(submission.files)
    except StrictYamlError as error:
        yield Finding("student.yaml", str(error), mend)
        return
    severity: Literal["reject", "warn"] = "warn" if submission.told else "reject"
    instead = f", and the id is {submission.student} by where it was found" if submission.told else ""
    if not given and not name:
        what = "has no `id` and `name`" if "student.yaml" in submission.files else "is missing"
        yield Finding("student.yaml", what + instead, mend, severity)
        return
    for key, text, said in (("id", given, instead), ("name", name, "")):
        if not text:
            yield Finding(f"student.yaml: {key}", f"is missing{said}", mend, severity)
    if given and safe_id(given) != given:
        mend = f"use a-z, 0-9, - and _: {safe_id(given) or 'kim-minji'}"
        yield Finding("student.yaml: id", f"{printable(given)!r} is not a plain id", mend)


def check_reports(submission: Submission, texts: Mapping[str, str]) -> Iterator[Finding]:
    """Report and conclusion: they cost points, unless the rules demand them. What only a person can read is there."""
    for name, said in submission.reports.damaged.items():
        what, _, mend = said.partition("; ")
        yield Finding(printable(name), what, mend, "warn")
    for part, least in LEAST_CHARACTERS.items():
        found = submission.reports.parts[part]
        mend = f"write at least {least} and at most {MOST_CHARACTERS} characters (a Korean one counts as two)"
        where = printable(" ".join(found.files)) if found.files else f"{part.upper()}.md"
        if not found.files:
            yield Finding(where, NOT_THERE, mend, "bonus")
        elif found.markdown is None:
            all_text = all(is_all_text(file, submission.files[file]) for file in found.files)
            yield document(where, mend, least, "".join(texts.get(file, "") for file in found.files), all_text)
        else:
            if found.encoding != "utf-8":
                what = f"is not UTF-8 text, and was read as {found.encoding}" if found.encoding else "is not UTF-8 text"
                yield Finding(where, what, "save it as UTF-8", "warn")
            if not least <= (characters := length(found.markdown)) <= MOST_CHARACTERS:
                yield Finding(where, f"has {characters} characters of {part}", mend, "bonus")


def document(where: str, mend: str, least: int, text: str, all_text: bool) -> Finding:
    """What is said of a report that only a person can read: what is scanned has no text, however long it is."""
    if 0 < (characters := length(text)) < least:
        what = f"has {characters} characters that can be read without a person"
        return Finding(where, what, mend, "bonus" if all_text else "warn")
    mend = "what is written in Markdown or a notebook is on your page, too"
    return Finding(where, "is a document, which a person opens and reads", mend, "warn")


def check_files(submission: Submission) -> Iterator[Finding]:
    for name in submission.too_large:
        what = f"is left out: all documents together may have {MAX_DOCUMENT_BYTES // 10**6} MB"
        yield Finding(printable(name), what, "clear the outputs of a notebook; make pictures smaller", "warn")
    used, could_be_used = submission.reports.used, documents(submission.files, DOCUMENTS)
    for path, content in submission.files.items():
        where, module = printable(path), path.removesuffix(".py")
        if path in EXPECTED or path in used:
            continue
        if path in could_be_used:
            what = "counts neither as report nor as conclusion" if content.strip() else "is empty"
            mend = f"leave it out, or hand it in as REPORT{suffix(path)} or CONCLUSION{suffix(path)}"
            yield Finding(where, what, mend, "warn")
        elif path.lower().endswith(NOTEBOOK):
            yield Finding(where, "is a notebook in a folder, and not read", "put it beside config.yaml", "warn")
        elif not path.endswith(".py"):
            yield Finding(where, "is not needed and not used", "leave it out", "warn")
        elif not module.isidentifier():
            yield Finding(
                where, "is not a module that can be imported", "put it beside config.yaml, as letters_digits.py"
            )
        elif module in TAKEN_NAMES:
            yield Finding(where, "has the name of a library", "give it a name of its own")
    yield from check_code(submission.modules)


def check_code(modules: dict[str, bytes]) -> Iterator[Finding]:
    """Modules must parse, and hold no weights or tables in disguise. Nothing is parsed that could take long."""
    size = sum(map(len, modules.values()))
    if size > MOST_CODE:
        mend = f"hand in what your configuration uses, at most {MOST_CODE // 1000} kB"
        yield Finding("*.py", f"{size // 1000} kB of code, all together", mend)
        return
    from_training, said = "a network's weights come from training alone", []
    for path, content in modules.items():
        where, lines = printable(path), content.splitlines(keepends=True)
        if long := next((number for number, line in enumerate(lines, 1) if len(line) > LONGEST_LINE), None):
            yield Finding(f"{where}: line {long}", f"is longer than {LONGEST_LINE} bytes", "break it up")
            continue
        try:
            check_encoding(lines)
            code = blanked(content)
            found = list(literals(where, code))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            yield unparsed(where, error)
            continue
        said += [path.encode(), code]
        if large := next((node for node, length in found if length > LARGE_LITERAL), None):
            where = f"{where}: line {large.lineno}"
            yield Finding(where, "a literal as large as weights or a table", from_training)
    if (information := len(zlib.compress(b"\n".join(said), 9))) > MOST_INFORMATION:
        what = f"{information:,} bytes of code, all together, when it is compressed and without comments"
        yield Finding(
            "*.py", what, f"hand in what your configuration uses, at most {MOST_INFORMATION:,}; {from_training}"
        )


def unparsed(where: str, error: Exception) -> Finding:
    """Of a module that does not parse: its line, where that is known, and what Python says of it."""
    said = printable(str(error.msg if isinstance(error, SyntaxError) else error))
    if isinstance(error, UnicodeError) or "encoding" in said:
        return Finding(where, f"does not parse: {said}", "save it as UTF-8")
    line = f": line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
    return Finding(where + line, f"does not parse: {said}", f"mend it, and try it: python -m py_compile {where}")


def check_encoding(lines: list[bytes]) -> None:
    """Raises SyntaxError for encodings that may take long, and hide code from the reader."""
    encoding = codecs.lookup(tokenize.detect_encoding(iter(lines).__next__)[0]).name
    if encoding not in ("utf-8", "utf-8-sig", "ascii"):
        raise SyntaxError(f"its encoding is {encoding}")


def literals(where: str, code: bytes) -> Iterator[tuple[ast.expr, int]]:
    """A module's texts, numbers and containers, with their lengths in characters, of code that parses."""
    with warnings.catch_warnings(action="ignore"):  # of a stray backslash, say, which is for the student to see
        tree = ast.parse(code, where)
    starts = [0, *accumulate(map(len, code.splitlines(keepends=True)))]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
            yield node, len(node.value)
        elif isinstance(node, (ast.Constant, ast.List, ast.Tuple, ast.Dict, ast.Set)):
            assert node.end_lineno is not None and node.end_col_offset is not None
            start, end = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            yield node, end - start


def check_config(submission: Submission, max_epochs: int) -> Iterator[Finding]:
    mend = "copy it from your run: runs/<name>/config.yaml"
    try:
        config = submission.config
    except StrictYamlError as error:
        yield Finding("config.yaml", str(error), mend)
        return
    if not isinstance(config, dict):
        what = "holds no settings" if "config.yaml" in submission.files else "is missing"
        if notebook := next((path for path in submission.files if path.endswith(".ipynb")), None):
            mend = f"make a submission of your notebook: python -m grader import {printable(notebook)}"
        yield Finding("config.yaml", what, mend)
        return
    for finding in check_settings(config, submission.modules, max_epochs):
        yield replace(finding, where=f"config.yaml: {finding.where}")


def check_settings(config: dict[Any, Any], modules: dict[str, bytes], max_epochs: int) -> Iterator[Finding]:
    sections: dict[str, Any] = {name: config.get(name) for name in ("trainer", "model", "data")}
    for name, section in sections.items():
        if not isinstance(section, dict):
            yield Finding(name, "is missing", "copy config.yaml from your run")
            sections[name] = {}
    for name, section in {"": config, **sections}.items():
        for key in section:
            if key not in SETTINGS[name]:
                where = f"{name}.{printable(str(key))}".lstrip(".")
                yield Finding(where, "is not a setting that the grader allows", "remove it")
    for key in ("ckpt_path", "weights_only"):
        if config.get(key) is not None:
            yield Finding(key, "training must start from nothing", f"set {key}: null")
    yield from check_trainer(sections["trainer"], max_epochs)
    for mistake in derive(sections, modules)[1]:
        yield Finding(*mistake)


def check_trainer(trainer: dict[Any, Any], max_epochs: int) -> Iterator[Finding]:
    epochs = trainer.get("max_epochs")
    if type(epochs) is not int or not 1 <= epochs <= max_epochs:
        mend = f"train again with --trainer.max_epochs {max_epochs} or fewer, and hand in that run"
        yield Finding("trainer.max_epochs", f"{shown(epochs)} is not 1 to {max_epochs}", mend)
    for key, value in trainer.items():
        if key in DEFAULTS and value != DEFAULTS[key]:
            yield Finding(f"trainer.{key}", f"{shown(value)} is not allowed", "remove it")
