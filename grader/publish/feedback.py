"""What a student is told: verdict, numbers, reason, what to do about it, and the points for the texts."""

import sqlite3

from grader.grading.ranking import Entry, Standing, decision
from grader.publish import explanations as words
from grader.rules import Rules
from grader.safe_text import escaped

LABELS = {
    "en": {
        **{"title": "Fifteen Epochs: your result", "verdict": "Verdict", "reason": "Reason", "advice": "What to do"},
        **{
            "accuracy": "Accuracy",
            "interval": "95 % interval",
            "decided": "Trainings whose median decided about the target",
            "rank": "Rank",
            "of": "of",
            "band": "within the noise of",
        },
        **{"epochs": "Epochs", "reached": "first above the target in epoch", "seconds": "Seconds of training"},
        **{"families": "Strategies found in the rerun", "flags": "Flags", "bonus": "Bonus", "report": "report"},
        **{"conclusion": "conclusion", "total": "Total", "name": "On the published pages you are"},
    },
    "ko": {
        **{"title": "Fifteen Epochs: 채점 결과", "verdict": "판정", "reason": "이유", "advice": "이렇게 해 보세요"},
        **{
            "accuracy": "정확도",
            "interval": "95 % 신뢰구간",
            "decided": "목표 달성을 판정한 학습 횟수(중앙값)",
            "rank": "순위",
            "of": "/",
            "band": "오차 범위 안의 순위",
        },
        **{"epochs": "에포크", "reached": "목표를 처음 넘은 에포크", "seconds": "학습 시간(초)"},
        **{"families": "재실행에서 확인된 전략", "flags": "확인이 필요한 점", "bonus": "보너스", "report": "보고서"},
        **{"conclusion": "결론", "total": "총점", "name": "공개 페이지에서의 이름"},
    },
}


def feedback(standing: Standing, rules: Rules, ranked: int, shown_name: str, language: str = "en") -> str:
    """Markdown for one student.

    Args:
        ranked: Number of submissions that have a rank.
        shown_name: The student's name on the published pages.
        language: en or ko. Reasons and flags are quoted from the grader, in English.
    """
    entry, label = standing.entry, LABELS[language]
    lines = [
        f"# {label['title']}",
        "",
        f"**{label['verdict']}: {entry.verdict}.** {words.explained(entry, language)}",
        "",
    ]
    if entry.reason:
        lines += [f"- {label['reason']}: {escaped(entry.reason)}"]
        if then := words.advice(entry, language):
            lines += [f"- {label['advice']}: {then}"]
    lines += numbers(entry, ranked, label) if entry.accuracy is not None else []
    if entry.strategies:
        lines += ["", f"{label['families']}:", ""]
        for family in rules.families:
            lines += [f"- {family}: {escaped(', '.join(entry.strategies.get(family, [])))}"]
    if entry.flags:
        lines += [
            "",
            f"{label['flags']} ({words.FLAGS[language]})",
            "",
            *(f"- {escaped(flag)}" for flag in entry.flags),
        ]
    if standing.points:
        lines += ["", *bonus(standing.points, rules, label)]
    lines += ["", words.TIERS[language][entry.tier], "", f"{label['name']} {escaped(shown_name)}."]
    return "\n".join(lines) + "\n"


def numbers(entry: Entry, ranked: int, label: dict[str, str]) -> list[str]:
    band = f" ({label['band']} {entry.rank_low}-{entry.rank_high})" if entry.rank_low != entry.rank_high else ""
    reached = f" ({label['reached']} {entry.epochs_to_target})" if entry.epochs_to_target else ""
    return [
        f"- {label['accuracy']}: {entry.accuracy:.2%} ({label['interval']} "
        f"{entry.accuracy_low:.1%} - {entry.accuracy_high:.1%})",
        *([f"- {label['decided']}: {entry.decided_by} ({entry.decided_accuracy:.2%})"] if decision(entry) else []),
        f"- {label['rank']}: {entry.rank} {label['of']} {ranked}{band}",
        f"- {label['epochs']}: {entry.epochs}{reached}",
        f"- {label['seconds']}: {entry.seconds:.0f}",
        f"- {label['total']}: {entry.total:.2f}",
    ]


def bonus(given: sqlite3.Row, rules: Rules, label: dict[str, str]) -> list[str]:
    points = ", ".join(
        f"{label[part]} {given[part]:g} {label['of']} {getattr(rules.bonus, part):g}"
        for part in ("report", "conclusion")
    )
    comment = ["", *(f"> {line}" for line in given["comment"].splitlines())] if given["comment"] else []
    return [f"{label['bonus']}: {points}", *comment]
