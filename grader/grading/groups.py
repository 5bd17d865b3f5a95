"""One hand-in for a group: it counts for all of its members."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from grader.intake.downloads import Download, digest, is_readable
from grader.intake.identity import of_roster
from grader.intake.last_in_time import last_in_time
from grader.intake.roster import Roster, Student
from grader.ledger.submissions import HANDED_IN_BY

BY_GROUP = "roster, by its group"
NOT_THEIR_OWN = "counts for the group, and not what this member handed in"


def for_groups(
    downloads: Sequence[Download], roster: Roster | None, is_late: Callable[[Download], bool]
) -> list[Download]:
    """The downloads, and that of each group under each of its members; in the order of the ids.

    Of several members' hand-ins the last before the deadline counts, and whoever handed in something else is flagged.

    Args:
        downloads: The one that counts of each student.
    """
    counting = {each.student: each for each in downloads}
    groups: dict[str, list[Student]] = {}
    for student in roster.students if roster else ():
        if student.group:
            groups.setdefault(student.group, []).append(student)
    for members in groups.values():
        if handed_in := [counting[each.student] for each in members if each.student in counting]:
            chosen = last_in_time(handed_in, is_late)
            others = [each for each in handed_in if each is not chosen and is_readable(each.source)]
            late = [each for each in others if is_late(each)]
            late += [other for each in handed_in for other in each.passed_over]
            for each in members:
                passed_over = tuple(shared(other, each, None) for other in late)
                counts = shared(chosen, each, counting.get(each.student))
                counting[each.student] = replace(counts, passed_over=passed_over)
    return sorted(counting.values(), key=lambda each: each.student)


def shared(chosen: Download, member: Student, own: Download | None) -> Download:
    """The group's hand-in as that of a member, who may have an own one."""
    if member.student == chosen.student:
        return chosen
    flags = own.flags if own else ()
    if own and (digest(own.source) or own) != (digest(chosen.source) or chosen):
        flags += (NOT_THEIR_OWN,)
    return replace(
        chosen,
        student=member.student,
        name=member.name,
        known_as={**of_roster(member), HANDED_IN_BY: [chosen.student]},
        whose_by=BY_GROUP,
        told=True,
        attempts=own.attempts + 1 if own else 0,
        about={},
        flags=flags,
    )
