"""Names to publish instead of students': drawn from the secret, the same for a student every time."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from grader.grading.ranking import Entry
from grader.grading.withdrawals import drawn_before, mark, marks_before
from grader.ledger.ledger import Ledger
from grader.secret import Secret

COLORS = (
    "amber azure black blue bronze brown copper coral crimson cyan emerald golden green grey indigo ivory jade "
    "lemon lilac lime magenta maroon navy ochre olive orange pearl pink plum purple red rose ruby russet sand "
    "scarlet silver teal violet white"
).split()
ANIMALS = (
    "badger bear beaver bison boar bream camel carp cat cod crab crane crow deer dolphin dove duck eagle eel elk falcon "
    "finch fox frog gecko goat goose gull hare hawk heron horse ibis jackal jay kite koala lark lion lizard lynx "
    "magpie marten mole moose moth mouse newt orca otter owl panda perch pike pony puffin quail rabbit raven robin "
    "salmon seal shark shrew snail sparrow squid stork swan swift tiger toad trout turtle viper vole walrus wasp whale "
    "wolf wren yak zebra"
).split()


def pseudonyms(
    students: Iterable[str], secret: Secret, before: Mapping[str, int] = MappingProxyType({})
) -> dict[str, str]:
    """A name for each id, such as `amber-otter`; where two would get the same, the later one gets a number.

    In order of arrival, whoever joins later changes nobody's name.

    Args:
        before: By the number of whoever has withdrawn, the name that was drawn for the id, which stays taken.
    """
    given: dict[str, str] = {}
    uses = Counter[str]()
    for student in students:
        which = before.get(student, drawn(student, secret))
        name = f"{COLORS[which % len(COLORS)]}-{ANIMALS[which // len(COLORS) % len(ANIMALS)]}"
        uses[name] += 1
        given[student] = name if uses[name] == 1 else f"{name}-{uses[name]}"
    return given


def drawn(student: str, secret: Secret) -> int:
    """Which of all names an id has, before any number: no word, so that a withdrawal cuts nothing out of it."""
    return int.from_bytes(secret.digest("pseudonym", student)[:8], "big") % (len(COLORS) * len(ANIMALS))


def shown_names(entries: list[Entry], how: str, secret: Secret, ledger: Ledger) -> dict[str, str]:
    """What each student is called on the published pages, by id; `how` is the rule: pseudonym, name or id."""
    if how == "pseudonym":
        arrived = ledger.in_order_of_arrival()
        never = sorted({entry.student for entry in entries} - {*arrived})
        marks = marks_before(ledger)
        # Whoever is back after a withdrawal that was taken back stands in the number's place, so has the same name as before.
        persons = {marks.get(each) or mark(each, secret): each for each in arrived}
        left = {each: each for each in marks if each in {*arrived} - {*persons.values()}}
        return pseudonyms([*persons.values(), *never], secret, drawn_before(ledger)) | left
    return {entry.student: entry.name if how == "name" else entry.student for entry in entries}


def called(entries: list[Entry], how: str, secret: Secret, ledger: Ledger) -> list[Entry]:
    """The entries with these names in the place of the students' own."""
    names = shown_names(entries, how, secret, ledger)
    return [entry.model_copy(update={"name": names[entry.student]}) for entry in entries]
