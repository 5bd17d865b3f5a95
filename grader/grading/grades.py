"""The grade: points for the accuracy, less what being late costs, and what a person gave. A pure function."""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from grader.grading.personal_rules import held_to
from grader.ledger.decision_kinds import LATE
from grader.ledger.submissions import Noted
from grader.ledger.terms import Terms
from grader.rules import Grades, Rules

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Grade:
    """What a total is made of, in points.

    Attributes:
        accuracy, report, conclusion: For each of them.
        days_late: Begun days after the student's own deadline.
        days_free: Those of them that cost nothing.
        penalty: What the others cost: never more than there is.
    """

    accuracy: float
    report: float = 0.0
    conclusion: float = 0.0
    days_late: int = 0
    days_free: int = 0
    penalty: float = 0.0

    @property
    def bonus(self) -> float:
        return self.report + self.conclusion

    @property
    def total(self) -> float:
        return round(self.accuracy + self.bonus - self.penalty, 4)


def grade(accuracy: float, noted: Noted, terms: Terms, rules: Rules, given: Mapping[str, Any] | None = None) -> Grade:
    """The grade of an accuracy in [0, 1], as it was handed in and on these terms.

    Args:
        given: What a person gave for `report` and `conclusion`, in points.
    """
    points = points_for(accuracy, rules.grades)
    report, conclusion = (given["report"], given["conclusion"]) if given else (0.0, 0.0)
    late = days_late(noted, terms, rules)
    free = min(late, rules.late_work.free_days)
    earned = points + report + conclusion
    cost = (late - free) * (rules.late_work.points_a_day + rules.late_work.share_a_day * earned)
    return Grade(points, report, conclusion, late, free, round(min(cost, earned), 4))


def points_for(accuracy: float, grades: Grades) -> float:
    """Points for an accuracy in [0, 1]."""
    if not grades.cutoffs:
        return round(100 * accuracy, 4)
    reached = bisect_right([at for at, _ in grades.cutoffs], accuracy)
    if not reached:
        return 0.0
    low, points = grades.cutoffs[reached - 1]
    if grades.between == "steps" or reached == len(grades.cutoffs):
        return points
    high, more = grades.cutoffs[reached]
    return round(points + (more - points) * (accuracy - low) / (high - low), 4)


def days_late(noted: Noted, terms: Terms, rules: Rules) -> int:
    """Begun days after the student's own deadline; one, where only the system's mark says that it was late."""
    deadline = held_to(rules, terms).deadline
    if deadline is None or LATE in terms.exempt:
        return 0
    if noted.submitted is None:
        return int(noted.marked_late)
    return max(0, math.ceil((noted.submitted - deadline) / DAY))


def highest_total(rules: Rules) -> float:
    """The most points that anybody can have."""
    return rules.grades.most + rules.bonus.report + rules.bonus.conclusion
