"""The groups on a roster, whose members hand in together, and what names one of them."""

from grader.intake.names import parts_of, squeezed
from grader.intake.roster import NOTHING, Roster, Student, key

NO_GROUP = (*NOTHING, "0", "무", "개인")  # letters and digits of what says so
WORDS = ("group", "team", "조", "팀", "모둠", "그룹")  # beside what would say too little by itself
SHORT = 2  # Latin letters and digits that do, as `A` and `DL`
MOST_PARTS = 8  # of a group's name within that of a file


def groups_of(roster: Roster | None) -> dict[tuple[str, str], list[Student]]:
    """The members of each group, by section and name: the groups of another section are others."""
    groups: dict[tuple[str, str], list[Student]] = {}
    for student in roster.students if roster else ():
        if squeezed(student.group) not in NO_GROUP:
            groups.setdefault((key(student.section), key(student.group)), []).append(student)
    return groups


def group_in(text: str, roster: Roster) -> list[Student]:
    """The members of the one group that a file's or folder's name means, by the group's name or by those of several members:
    `2조_과제4`, `team-2`, `김민지_이바다`. Nobody where it means several groups, or anybody else."""
    named = roster.named_in(text)
    parts = parts_of(text)
    runs = {
        squeezed(text[begin:end])
        for length in range(1, min(len(parts), MOST_PARTS) + 1)
        for (begin, _), (_, end) in zip(parts, parts[length - 1 :])
    }
    groups = groups_of(roster)
    found = [members for (_, name), members in groups.items() if called(name) & runs]
    if not found and len(named) > 1:
        found = [members for members in groups.values() if named <= {*members}]
    return found[0] if len(found) == 1 and named <= {*found[0]} else []


def called(group: str) -> set[str]:
    """How the name of a file has a group's. What is short needs a word beside it: `2`, `A`."""
    name = squeezed(group)
    beside = {text for word in WORDS for text in (word + name, name + word)}
    return beside if len(name) <= SHORT and name.isascii() or name.isdecimal() else {name, *beside}
