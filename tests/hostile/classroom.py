"""A class of honest students to grade while something goes wrong, and the count of what became of them."""

import sqlite3
from pathlib import Path

import yaml

from tests.hostile.cases import Case, honest_config, write


def write_class(folder: Path, students: int) -> None:
    """Write so many submissions of the same configuration."""
    config = yaml.safe_dump(honest_config(), sort_keys=False)
    files = {"config.yaml": config}
    for number in range(students):
        files["student.yaml"] = f"id: student-{number}\nname: Student {number}\n"
        write(Case("honest", "passed", files=files), folder / "written").rename(folder / f"student-{number}")
    (folder / "written").rmdir()


def final_rows(results: Path) -> list[tuple[str, int, str]]:
    """Student, seed and outcome of each measurement that counts."""
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return database.execute(
            "SELECT student, seed, json_extract(measurement, '$.outcome') FROM measurements WHERE counts"
        ).fetchall()


def faults(results: Path) -> int:
    """Attempts that failed through a fault of ours."""
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return database.execute("SELECT count(*) FROM measurements WHERE NOT counts").fetchone()[0]


def attempts(results: Path) -> int:
    """All trainings that came to something, also through a fault of ours."""
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return database.execute("SELECT count(*) FROM measurements").fetchone()[0]


def given_up(results: Path) -> dict[str, int]:
    """By student, how many trainings failed and never counted, where faults of ours came more than once: all told."""
    query = """
    SELECT student, count(*) FROM (
        SELECT student FROM measurements GROUP BY student, training HAVING NOT sum(counts)
    ) WHERE student IN (SELECT student FROM measurements WHERE NOT counts GROUP BY student HAVING count(*) > 1)
    GROUP BY student
    """
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return dict(database.execute(query).fetchall())


def miscounted(results: Path, students: int, seeds: int) -> dict[str, int]:
    """What is wrong with a finished grading: results `lost` and `doubled`, and students `charged` with what is ours."""
    found, without = final_rows(results), given_up(results)
    expected = [f"student-{number}" for number in range(students)]
    by_student = {student: [row for row in found if row[0] == student] for student in expected}
    return {
        "lost": sum(max(0, seeds - len(made) - without.get(student, 0)) for student, made in by_student.items()),
        "doubled": sum(len(made) - len({seed for _, seed, _ in made}) for made in by_student.values()),
        "charged": sum(outcome != "scored" for _, _, outcome in found),
    }
