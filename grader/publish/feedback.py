"""What a student is told: verdict, numbers, reason, what to do about it, and the points for the texts."""

from pathlib import Path
from typing import Any

import yaml

from grader.grading.ranking import Entry, decision
from grader.rules import Rules
from grader.safe_text import escaped

TEXTS = yaml.safe_load(Path(__file__).with_name("feedback_texts.yaml").read_text(encoding="utf-8"))  # by language


def feedback(entry: Entry, rules: Rules, ranked: int, shown_name: str, language: str = "en") -> str:
    """Markdown for one student.

    Args:
        ranked: Number of submissions that have a rank.
        shown_name: The student's name on the published pages.
        language: en or ko. Reasons and flags are quoted from the grader, in English.
    """
    texts = TEXTS[language]
    label = texts["labels"]
    verdict = f"**{label['verdict']}: {entry.verdict}.** {texts['verdicts'][entry.verdict]}"
    lines = [f"# {label['title']}", "", verdict, ""]
    if entry.own_reason:
        lines.append(f"- {label['reason']}: {escaped(entry.own_reason)}")
        if then := advice(entry, language):
            lines.append(f"- {label['advice']}: {then}")
    if entry.frames:
        lines += ["", f"{label['frames']}:", "", *(f"    {frame}" for frame in entry.frames)]
    if entry.accuracy is not None:
        lines += numbers(entry, ranked, label)
    if entry.strategies:
        used = {family: ", ".join(entry.strategies.get(family, [])) or "-" for family in rules.families}
        lines += ["", f"{label['families']}:", "", *(f"- {family}: {escaped(names)}" for family, names in used.items())]
    if entry.remarks:
        lines += ["", f"{label['remarks']}:", "", *(f"- {escaped(remark)}" for remark in entry.remarks)]
    if entry.flags:
        flags = (f"- {escaped(flag)}" for flag in entry.flags)
        lines += ["", f"{label['flags']} ({texts['flags']})", "", *flags]
    if entry.warnings:
        lines += ["", f"{label['warnings']}:", "", *(f"- {escaped(warning)}" for warning in entry.warnings)]
    if entry.points:
        lines += ["", *bonus(entry.points, rules, label)]
    lines += ["", texts["tiers"][entry.tier]] if entry.tier else []  # of nothing there is none
    lines += ["", label["name"].format(name=escaped(shown_name))]
    return "\n".join(lines) + "\n"


def advice(entry: Entry, language: str = "en") -> str:
    """What to do about a reason; empty where there is nothing to say."""
    texts = TEXTS[language]
    part = next((part for part in texts["advice"] if part in entry.own_reason), "")
    return str(texts["mend_the_line"] if part == "crashed" and entry.frames else texts["advice"].get(part, ""))


def numbers(entry: Entry, ranked: int, label: dict[str, str]) -> list[str]:
    """What was measured, a line each, for an entry with an accuracy."""
    interval = f"{label['interval']} {entry.accuracy_low:.1%} - {entry.accuracy_high:.1%}"
    band = f" ({label['band']} {entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else ""
    reached = f" ({label['reached']} {entry.epochs_to_target})" if entry.epochs_to_target else ""
    return [
        f"- {label['accuracy']}: {entry.accuracy:.2%} ({interval})",
        *([f"- {label['decided']}: {entry.decided_by} ({entry.decided_accuracy:.2%})"] if decision(entry) else []),
        *([f"- {label['rank']}: {entry.rank} {label['of']} {ranked}{band}"] if entry.rank else []),
        f"- {label['epochs']}: {entry.epochs}{reached}",
        f"- {label['seconds']}: {entry.seconds:.0f}",
        f"- {label['total']}: {entry.total:.2f}",
    ]


def bonus(given: dict[str, Any], rules: Rules, label: dict[str, str]) -> list[str]:
    most = {"report": rules.bonus.report, "conclusion": rules.bonus.conclusion}
    points = ", ".join(f"{label[part]} {given[part]:g} {label['of']} {most[part]:g}" for part in most)
    comment = ["", *(f"> {line}" for line in given["comment"].splitlines())] if given["comment"] else []
    return [f"{label['bonus']}: {points}", *comment]
