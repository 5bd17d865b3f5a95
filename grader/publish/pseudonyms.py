"""Names to publish instead of students': drawn from the secret, the same for a student every time."""

from collections import Counter
from collections.abc import Iterable

from grader.grading.ranking import Entry
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


def pseudonyms(students: Iterable[str], secret: Secret) -> dict[str, str]:
    """A name for each id, such as `amber-otter`; where two would get the same, the later one gets a number.

    In order of arrival, whoever joins later changes nobody's name.
    """
    given: dict[str, str] = {}
    uses = Counter[str]()
    for student in students:
        drawn = int.from_bytes(secret.digest("pseudonym", student)[:8], "big")
        name = f"{COLORS[drawn % len(COLORS)]}-{ANIMALS[drawn // len(COLORS) % len(ANIMALS)]}"
        uses[name] += 1
        given[student] = name if uses[name] == 1 else f"{name}-{uses[name]}"
    return given


def shown_names(entries: list[Entry], how: str, secret: Secret, arrived: list[str]) -> dict[str, str]:
    """What each student is called on the published pages, by id; `how` is the rule: pseudonym, name or id.

    `arrived` are the ids in order of arrival.
    """
    if how == "pseudonym":
        never = sorted({entry.student for entry in entries} - {*arrived})
        return pseudonyms([*arrived, *never], secret)
    return {entry.student: entry.name if how == "name" else entry.student for entry in entries}


def called(entries: list[Entry], how: str, secret: Secret, arrived: list[str]) -> list[Entry]:
    """The entries with these names in the place of the students' own."""
    names = shown_names(entries, how, secret, arrived)
    return [entry.model_copy(update={"name": names[entry.student]}) for entry in entries]
