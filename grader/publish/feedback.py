"""What a student is told: verdict, numbers, reason, what to do about it, and the points for the texts."""

from typing import Any

from grader.grading.ranking import Entry, decision
from grader.publish import verdict_explanations as words
from grader.rules import Rules
from grader.safe_text import escaped

LABELS = {
    "title": {"en": "Fifteen Epochs: your result", "ko": "Fifteen Epochs: 채점 결과"},
    "verdict": {"en": "Verdict", "ko": "판정"},
    "reason": {"en": "Reason", "ko": "이유"},
    "advice": {"en": "What to do", "ko": "이렇게 해 보세요"},
    "accuracy": {"en": "Accuracy", "ko": "정확도"},
    "interval": {"en": "95 % interval", "ko": "95 % 신뢰구간"},
    "decided": {"en": "Trainings behind the verdict (median)", "ko": "목표 달성을 판정한 학습 횟수(중앙값)"},
    "rank": {"en": "Rank", "ko": "순위"},
    "of": {"en": "of", "ko": "/"},
    "band": {"en": "within the noise of", "ko": "오차 범위 안의 순위"},
    "epochs": {"en": "Epochs", "ko": "에포크"},
    "reached": {"en": "first above the target in epoch", "ko": "목표를 처음 넘은 에포크"},
    "seconds": {"en": "Seconds of training", "ko": "학습 시간(초)"},
    "total": {"en": "Total", "ko": "총점"},
    "families": {"en": "Strategies found in the rerun", "ko": "재실행에서 확인된 전략"},
    "flags": {"en": "Flags", "ko": "확인이 필요한 점"},
    "bonus": {"en": "Bonus", "ko": "보너스"},
    "report": {"en": "report", "ko": "보고서"},
    "conclusion": {"en": "conclusion", "ko": "결론"},
    "name": {"en": "On the published pages you are", "ko": "공개 페이지에서의 이름"},
}


def feedback(entry: Entry, rules: Rules, ranked: int, shown_name: str, language: str = "en") -> str:
    """Markdown for one student.

    Args:
        ranked: Number of submissions that have a rank.
        shown_name: The student's name on the published pages.
        language: en or ko. Reasons and flags are quoted from the grader, in English.
    """
    label = {name: texts[language] for name, texts in LABELS.items()}
    verdict = f"**{label['verdict']}: {entry.verdict}.** {words.VERDICTS[language][entry.verdict]}"
    lines = [f"# {label['title']}", "", verdict, ""]
    if entry.reason:
        lines.append(f"- {label['reason']}: {escaped(entry.reason)}")
        if then := words.advice(entry, language):
            lines.append(f"- {label['advice']}: {then}")
    if entry.accuracy is not None:
        lines += numbers(entry, ranked, label)
    if entry.strategies:
        used = {family: ", ".join(entry.strategies.get(family, [])) for family in rules.families}
        lines += ["", f"{label['families']}:", "", *(f"- {family}: {escaped(names)}" for family, names in used.items())]
    if entry.flags:
        flags = (f"- {escaped(flag)}" for flag in entry.flags)
        lines += ["", f"{label['flags']} ({words.FLAGS[language]})", "", *flags]
    if entry.points:
        lines += ["", *bonus(entry.points, rules, label)]
    lines += ["", words.TIERS[language][entry.tier], "", f"{label['name']} {escaped(shown_name)}."]
    return "\n".join(lines) + "\n"


def numbers(entry: Entry, ranked: int, label: dict[str, str]) -> list[str]:
    """What was measured, a line each, for an entry with an accuracy."""
    interval = f"{label['interval']} {entry.accuracy_low:.1%} - {entry.accuracy_high:.1%}"
    band = f" ({label['band']} {entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else ""
    reached = f" ({label['reached']} {entry.epochs_to_target})" if entry.epochs_to_target else ""
    return [
        f"- {label['accuracy']}: {entry.accuracy:.2%} ({interval})",
        *([f"- {label['decided']}: {entry.decided_by} ({entry.decided_accuracy:.2%})"] if decision(entry) else []),
        f"- {label['rank']}: {entry.rank} {label['of']} {ranked}{band}",
        f"- {label['epochs']}: {entry.epochs}{reached}",
        f"- {label['seconds']}: {entry.seconds:.0f}",
        f"- {label['total']}: {entry.total:.2f}",
    ]


def bonus(given: dict[str, Any], rules: Rules, label: dict[str, str]) -> list[str]:
    most = {"report": rules.bonus.report, "conclusion": rules.bonus.conclusion}
    points = ", ".join(f"{label[part]} {given[part]:g} {label['of']} {most[part]:g}" for part in most)
    comment = ["", *(f"> {line}" for line in given["comment"].splitlines())] if given["comment"] else []
    return [f"{label['bonus']}: {points}", *comment]
