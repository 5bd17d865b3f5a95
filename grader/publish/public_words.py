"""What anybody may read of an entry: sentences of a closed list, in our own words and numbers.

Reasons, flags, strategies' names, evidence and remarks quote what a student named, or what a student's code printed: files,
settings, classes, exceptions. On the public pages, in the leaderboard's files and in W&B a text stands only as it is
derived here; what is not on the list becomes a sentence that is. Students and instructors are told all of it elsewhere.
"""

import functools
import re
import signal

from grader.grading.ranking import Entry
from grader.intake.grammar import CLASS_LISTS, CLASSES, VALUES, allowed_anywhere
from grader.ledger.measurement import Strategy
from grader.publish.sentences import SLOT, one_of, pattern
from grader.rerun.crash_report import OF_PYTHON, OF_TORCH
from project.assignment import FAMILIES

ALLOWED = "in evaluation mode it may use no randomness, no statistics of a batch, and nothing of earlier images"
FILES = ("summary", "census", "weights", "logits")  # that a training or a prediction leaves
SETTINGS = {*CLASSES, *CLASS_LISTS, *VALUES}
SLOTS = {  # what may stand in a sentence's free places
    "number": r"-?\d[\d,.]{0,14}%?",
    "doing": "training|predicting",
    "families": rf"(?:{one_of(FAMILIES)}|, | and )+",
    "setting": one_of(SETTINGS),
    "exception": one_of({*OF_PYTHON, *OF_TORCH, "an exception of its own"}),
    "signal": one_of(signal.Signals.__members__),
    "file": one_of(f"{kind}.{end}" for end in ("json", "safetensors") for kind in FILES),
    "any": ".*",
}
# What may be said, and, where that is not the same, what is published of it.
REASONS: dict[str, str | None] = {
    "not graded yet": None,
    "handed in nothing": None,
    "disqualified by a person": None,
    "has withdrawn": None,
    "accuracy {number} is not above {number}": None,
    "accuracy {number} is not above {number}, by the median of {number} trainings": None,
    "trained {number} epochs, more than the {number} of the rules": None,
    "trained {number} epochs, more than the {number} of its configuration": None,
    "uses no strategy of {families}": None,
    "{doing} took longer than {number} minutes": None,
    "{doing} used more than {number} GB of memory": None,
    "{doing} wrote more than {number} MB or {number} files": None,
    "{doing} ran more than {number} processes and threads": None,
    "{doing} ran out of the GPU's memory": None,
    "{doing} crashed: its code raised {exception}": None,
    "{doing} crashed: it ended in {exception}": None,
    "{doing} crashed: the process died of signal {signal}": None,
    "{doing} crashed: it ended with status {number}": None,
    "{doing} crashed: {any}": "{doing} crashed",
    "the logits are not all finite: the training diverged": None,
    "the logits are not float32 {any}": "the logits have another shape or type",
    "its network did not answer for all images": None,
    "its network answered before it was asked": None,
    f"asked again in another order, its network answers differently ({{number}} of {{number}} images got another class): {ALLOWED}": None,
    f"asked again in another order, its network answers differently (the logits differ by {{number}}): {ALLOWED}": None,
    "its weights hold {number} MB for {number} parameters, and may hold {number} bytes for each, and {number} MB of buffers": None,
    "its weights hold {number} MB for {number} parameters, and may hold {number} bytes for each, and {number} MB of buffers; numbers that stay as they were drawn can be an nn.Parameter with requires_grad=False": None,
    "left no {file} {any}": "left no {file}",
    "{file} {any}": "{file} cannot be read",
    "the sandbox failed": None,
    "others held {number} of the GPU's memory": None,
    "the GPU failed": None,
    "failed {number} times through faults that others did not meet meanwhile{any}": "a person has to look at it",
    "{setting}: its code raised {exception}": None,
    "{setting}: it ended in {exception}": None,
    "{setting}: {any}": "{setting} cannot be used",
    "{setting} cannot be used": None,
    "its configuration: its code raised {exception}": None,
    "its configuration cannot be used": None,
    "cannot be taken out: {any}, in the code and not in the configuration": "cannot be taken out: it is in the code",
    "config.yaml: {setting}{any}": "config.yaml: {setting} is not accepted",
    "config.yaml: {any}": "config.yaml is not accepted",
    "student.yaml: {any}": "student.yaml does not say whose it is",
    "time: {any}": "came after the deadline",
    "*.py: {any}": "more code than is accepted",
    "REPORT.md: {any}": "the report is not what the rules demand",
    "CONCLUSION.md: {any}": "the conclusion is not what the rules demand",
}
OTHER_REASONS = {  # by verdict
    "passed": "",
    "below_target": "the accuracy is not above the target",
    "rejected": "what was handed in is not accepted",
    "failed": "what its training left cannot be scored",
    "disqualified": "disqualified by a person",
    "missing": "handed in nothing",
    "infrastructure": "a fault of the grader's own",
    "pending": "not graded yet",
    "withdrawn": "has withdrawn",
}
FLAGS: dict[str, str | None] = {
    "graded without a sandbox": None,
    "left no metrics that can be read": None,
    "left no evidence of its training": None,
    "could not predict before its training": None,
    "logged {number} while it trained, but scores {number}": None,
    "took {number} optimizer steps where {number} are expected": None,
    "took {number} passes backward where {number} are enough; honest code may, too, with SAM and a penalty that takes a gradient": None,
    # As it was said before.
    "took {number} passes backward where {number} are enough; so does SAM with a penalty that takes a gradient": "took {number} passes backward where {number} are enough; honest code may, too, with SAM and a penalty that takes a gradient",
    "learnt from images {number} times where {number} times are enough": None,
    "learnt from {number} images at once where a batch has {number}": None,
    "made its batches of other images than it was given to train on": None,
    "other processes took {number} s of the processor beside the {number} s of the training's own": None,
    "reaches {number} before any training, whatever its weights are": None,
    "reaches {number} before any training, and {number} at most with its weights shuffled": None,
    "an epoch took {number} times as long as verified submissions let expect of such a network": None,
    "{number} of {number} trainings so far; the next run makes the others": None,
    "is marked as late by the system that it was handed in to": None,
    "came {any} after the deadline, {any}": "came after the deadline",
    "its student.yaml says {any}, which is another's id or is said by others, too": "its student.yaml has another's id",
    "its student.yaml says {any}, which is another's id; whose it is was told without that": "its student.yaml has another's id",
    "nothing but its student.yaml says whose it is": None,
    "several downloads have this student's id or name in theirs, and anybody can call one so": None,
    "is not on the roster": None,
    "is not told from others of the same name": None,
    "another account has the same id": None,
    "its name is another's, and its student.yaml says {any}": "its name and its student.yaml are two students'",
    "another download has this name, too, and its student.yaml says {any}": "another download has this name, too",
    "other downloads are called like it, so that its name says nothing of whose it is": None,
    "by its name it may be that of {any}": "its name fits several students",
    "its name is not {any}'s, as most of these downloads' names are": "its name is not as most names are",
    "is no more among the downloads that it was in": None,
    "a download of the same name came later as {any}": "a download of the same name came later under another id",
    "showed {any} before its training, and no more after it": "showed strategies before its training, and no more after",
    "failed {number} times through faults that others did not meet meanwhile": None,
    "imports {any}, with which further images could be drawn": "imports what further images could be drawn with",
    "counts for the group, and not what this member handed in": None,
    "replaced {any}": "replaced functions of the library",
    "its census is unproven: it replaced {any}": "its census is unproven: it replaced functions of the library",
}
OTHER_FLAG = "a person is asked to look at it"

OWN = "own"  # in the place of the name of a student's own strategy
NAMES = {  # of strategies that are no classes of the list
    *("SGD with momentum", "SGD with Nesterov momentum", "weight decay"),
    *("dropout", "spatial dropout", "stochastic depth", "own dropout or noise"),
    *(f"{kind} normalization" for kind in ("batch", "layer", "group", "instance", "RMS", "local response")),
    *("weight normalization", "spectral normalization", "weight standardization", "own normalization"),
    *(
        "He",
        "He with fan_out",
        "Xavier",
        "Xavier with gain sqrt(2)",
        "Xavier with gain 5/3",
        "LeCun",
        "orthogonal",
        "zeros",
        "ones",
        "constant",
        "identity",
        "normal",
        OWN,
    ),
}
SCHEDULES = {"CosineAnnealingLR", "LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler"}


def public(entry: Entry) -> Entry:
    """An entry with nothing in it that a student wrote but id and name, which pages show by the rules alone."""
    return entry.model_copy(
        update={
            "reason": public_reason(entry.reason, entry.verdict),
            "flags": [*dict.fromkeys(map(public_flag, entry.flags))],
            "strategies": {f: [public_name(n) for n in names] for f, names in entry.strategies.items()},
            "remarks": entry.remarks if entry.tier == "verified" else [],
            "bonus": 0.0 if entry.total is None else entry.bonus,  # points that wait are nobody else's
            "said": "",
            "frames": [],
            "warnings": [],
            "source": "",
        }
    )


def public_reason(reason: str, verdict: str = "failed") -> str:
    """Why something was not scored or did not pass, as anybody may read it; empty where nothing is to be said."""
    return derived(reason, REASONS, OTHER_REASONS[verdict]) if reason else ""


def public_flag(flag: str) -> str:
    """What a person should look at, as anybody may read it."""
    return derived(flag, FLAGS, OTHER_FLAG)


def public_census(census: dict[str, list[Strategy]], tier: str) -> dict[str, list[Strategy]]:
    """Strategies with their evidence, which only a verified submission keeps: no code but ours ran when it was taken."""
    return {
        family: [Strategy(name=public_name(one.name), evidence=one.evidence * (tier == "verified")) for one in found]
        for family, found in census.items()
    }


def public_name(name: str) -> str:
    """A strategy's name, where it is on the list; a class of that name may be anybody's, but says nothing."""
    return name if name in known_names() else OWN


@functools.cache
def known_names() -> set[str]:
    classes = {path.rpartition(".")[2] for path in allowed_anywhere()} | SCHEDULES
    return NAMES | classes | {f"{name} schedule" for name in classes}


def derived(text: str, sentences: dict[str, str | None], otherwise: str) -> str:
    """What is published of a text: by the first of these sentences that it is, else `otherwise`."""
    for sentence, published in sentences.items():
        if (values := parsed(text, sentence)) is not None:
            return text if published is None else filled(published, values)
    return otherwise


def parsed(text: str, sentence: str) -> list[tuple[str, str]] | None:
    """What stands in the free places of a sentence, each with its kind, in their order; None where a text is another one."""
    found = compiled(sentence).fullmatch(text)
    return None if found is None else [*zip(SLOT.findall(sentence), found.groups())]


def filled(sentence: str, values: list[tuple[str, str]]) -> str:
    """A sentence with these values in its free places: of each kind, in their order."""
    left = {kind: iter([value for other, value in values if other == kind]) for kind, _ in values}
    return SLOT.sub(lambda slot: next(left[slot[1]]), sentence)


@functools.cache
def compiled(sentence: str) -> re.Pattern[str]:
    return pattern(sentence, lambda kind: f"({SLOTS[kind]})", re.ASCII)
