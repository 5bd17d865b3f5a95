"""What a student is told: verdict, numbers, reason, what to do about it, and the points for the texts."""

from pathlib import Path
from typing import Any

import yaml

from grader.grading.ranking import Entry, decision
from grader.grading.readings import by_criterion
from grader.publish.pages.languages import translated
from grader.publish.public_korean import told_flag, told_reason
from grader.publish.told_korean import told, told_line
from grader.rules import Rules
from grader.safe_text import escaped

TEXTS = yaml.safe_load(Path(__file__).with_name("feedback_texts.yaml").read_text(encoding="utf-8"))  # by language


def feedback(entry: Entry, rules: Rules, ranked: int, shown_name: str, language: str = "en") -> str:
    """Markdown for one student.

    Args:
        ranked: Number of submissions that have a rank.
        shown_name: The student's name on the published pages.
        language: en or ko. What an exception or a parser says is in English there, too.
    """
    texts = TEXTS[language]
    label = texts["labels"]
    verdict = f"**{label['verdict']}: {verdict_word(entry.verdict, language)}.** {texts['verdicts'][entry.verdict]}"
    lines = [f"# {label['title']}", "", verdict, ""]
    if entry.own_reason:
        lines.append(f"- {label['reason']}: {escaped(told_reason(entry.own_reason, entry.verdict, language))}")
        if then := advice(entry, language):
            lines.append(f"- {label['advice']}: {then}")
    if entry.frames:
        lines += ["", f"{label['frames']}:", "", *(f"    {frame}" for frame in entry.frames)]
    if entry.accuracy is not None:
        lines += numbers(entry, ranked, label)
    if entry.strategies:
        used = {family: ", ".join(entry.strategies.get(family, [])) or "-" for family in rules.families}
        families = (f"- {translated(family, language)}: {escaped(names)}" for family, names in used.items())
        lines += ["", f"{label['families']}:", "", *families]
    if entry.remarks:
        lines += [
            "",
            f"{label['remarks']}:",
            "",
            *(f"- {escaped(told(remark, 'census', language))}" for remark in entry.remarks),
        ]
    if entry.flags:
        flags = (f"- {escaped(told_flag(flag, language))}" for flag in entry.flags)
        lines += ["", f"{label['flags']} ({texts['flags']})", "", *flags]
    if entry.warnings:
        lines += [
            "",
            f"{label['warnings']}:",
            "",
            *(f"- {escaped(told_line(warning, language))}" for warning in entry.warnings),
        ]
    if entry.points:
        lines += ["", *bonus(entry.points, rules, label, language)]
    lines += ["", texts["tiers"][entry.tier]] if entry.tier else []
    lines += ["", label["name"].format(name=escaped(shown_name))]
    return "\n".join(lines) + "\n"


def advice(entry: Entry, language: str = "en") -> str:
    """What to do about a reason; empty where there is nothing to say."""
    texts = TEXTS[language]
    part = next((part for part in texts["advice"] if part in entry.own_reason), "")
    return str(texts["mend_the_line"] if part == "crashed" and entry.frames else texts["advice"].get(part, ""))


def verdict_word(verdict: str, language: str) -> str:
    """The verdict's name; in English as the leaderboard's files have it."""
    return verdict if language == "en" else translated(verdict.replace("_", " "), language)


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
        *late(entry, label),
    ]


def late(entry: Entry, label: dict[str, str]) -> list[str]:
    """A line about begun days after the deadline; none where there are none."""
    if not entry.grade or not entry.grade.days_late:
        return []
    days = label["late"].format(days=entry.grade.days_late, free=entry.grade.days_free)
    return [f"- {days}: {-entry.grade.penalty:.2f}" if entry.grade.penalty else f"- {days}"]


def bonus(given: dict[str, Any], rules: Rules, label: dict[str, str], language: str) -> list[str]:
    most = {"report": rules.bonus.report, "conclusion": rules.bonus.conclusion}
    said = {part: format(given[part], "g") if part in given["given"] else "-" for part in most}
    points = ", ".join(f"{label[part]} {said[part]} {label['of']} {most[part]:g}" for part in most)
    comment = ["", *(f"> {line}" for line in given["comment"].splitlines())] if given["comment"] else []
    criteria = [
        f"- {label[each.part]}, {escaped(each.criterion.heading(language))}: "
        f"{'-' if each.points is None else format(each.points, 'g')} {label['of']} {each.criterion.points:g}"
        for each in by_criterion(given, rules)
    ]
    named = " & ".join(label[part] for part in given["earlier"])
    earlier = [label["earlier"].format(parts=named)] if named else []
    return [f"{label['bonus']}: {points}", *([""] if criteria else []), *criteria, *comment, *earlier]
