"""One hand-in for a group: it counts for all of its members."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from grader.apart import Apart, Failed
from grader.intake.downloads import Download, is_readable
from grader.intake.identity import BY_ROSTER, OF_GROUP, of_roster
from grader.intake.last_in_time import last_in_time
from grader.intake.roster import Roster, Student
from grader.intake.roster_groups import groups_of
from grader.ledger.submissions import HANDED_IN_BY
from project.support.wording import counted

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
    with Apart("grader.intake.submission") as apart:
        digests = Digests(apart)
        for members in groups_of(roster).values():
            if handed_in := [counting[each.student] for each in members if each.student in counting]:
                chosen = last_in_time(handed_in, is_late)
                others = [each for each in handed_in if each is not chosen and is_readable(each.source)]
                late = [each for each in others if is_late(each)]
                late += [other for each in handed_in for other in each.passed_over]
                for each in members:
                    passed_over = tuple(shared(other, each, None, digests) for other in late)
                    counts = shared(chosen, each, counting.get(each.student), digests)
                    counting[each.student] = replace(counts, passed_over=passed_over)
    return sorted(counting.values(), key=lambda each: each.student)


def said_of_groups(roster: Roster | None) -> str:
    """A line about the groups and how many are in each; empty without any."""
    groups = groups_of(roster)
    several = len({section for section, _ in groups}) > 1
    said = []
    for (section, group), members in groups.items():
        within = f" of section {section or '-'}" if several else ""
        said.append(f"{group}{within} ({len(members)})")
    return f"{counted(len(groups), 'group')} on the roster: {', '.join(said)}" if groups else ""


class Digests:
    """Digests of downloads, each of which is read once, in another process."""

    def __init__(self, apart: Apart):
        self.apart = apart
        self.known = dict[Path, str]()

    def differ(self, one: Download, other: Download) -> bool:
        """Whether two downloads are other files, as far as they can be read."""
        return one.source != other.source and (self.of(one.source) or one) != (self.of(other.source) or other)

    def of(self, source: Path) -> str:
        """Empty where it cannot be read, as those who examine it will say."""
        if source not in self.known:
            try:
                self.known[source] = str(self.apart.call("digest_of", str(source.absolute())))
            except Failed:
                self.known[source] = ""
        return self.known[source]


def shared(chosen: Download, member: Student, own: Download | None, digests: Digests) -> Download:
    """The group's hand-in as that of a member, who may have an own one."""
    if member.student == chosen.student:
        return chosen
    flags = own.flags if own else ()
    if own and digests.differ(own, chosen):
        flags += (NOT_THEIR_OWN,)
    return replace(
        chosen,
        student=member.student,
        name=member.name,
        known_as={**(own.known_as if own else {}), **of_roster(member), HANDED_IN_BY: [chosen.student]},
        whose_by=BY_ROSTER.format(OF_GROUP),
        told=True,
        attempts=own.attempts + 1 if own else 0,
        about={},
        flags=flags,
    )
