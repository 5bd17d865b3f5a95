"""Verdicts and flags in words for the student whom they concern."""

from grader.results.ranking import Entry

VERDICTS = {
    "passed": "The rerun is above the target and keeps every rule.",
    "below_target": "The rerun worked and keeps the rules; its accuracy is not above the target.",
    "rejected": "A rule or the format is broken, so it does not count. The reason says which; mend it and hand in again.",
    "failed": "The rerun crashed, ran over a limit, or left no result that can be scored.",
    "infrastructure": "The grader itself failed. This is no fault of the submission; it will be run again.",
    "pending": "It has not been graded yet.",
}
ADVICE = (
    # the beginning or a part of a reason, what to do about it
    (
        "uses no strategy of",
        "Use at least one strategy of every family: configs/<family>/default.yaml is a way to begin.",
    ),
    ("took longer than", "Train a smaller network or fewer epochs: the limit is the same for everybody."),
    ("of memory", "Use a smaller batch or network."),
    ("not all finite", "The loss diverged: lower the learning rate, add normalization, or clip the gradients."),
    (
        "crashed",
        "Run `python -m grader check` and a training from the handed-in folder alone; the log's last line is above.",
    ),
    (
        "is not above",
        "Look at the curves: a wide gap asks for regularization, a low training curve for the other three families.",
    ),
    ("after the deadline", "Late submissions are the instructor's to decide."),
)
FLAGS = "These are no accusations: something about the rerun is unusual, and a person has been asked to look at it."
TIERS = {
    "verified": "All code that ran is the course's own; the submission only names it.",
    "audited": "It brings its own code, which ran in a sandbox; what the rerun showed was recorded for a person to look at.",
}


def explained(entry: Entry) -> str:
    """What a verdict means."""
    return VERDICTS[entry.verdict]


def advice(entry: Entry) -> str:
    """What to do about a reason; empty where there is nothing to say."""
    return next((then for part, then in ADVICE if part in entry.reason), "")


def band(entry: Entry) -> str:
    """The rank, with its band where there is one."""
    if entry.rank is None:
        return ""
    return str(entry.rank) + (f" ({entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else "")
