"""A term acted out with a made-up class: practice nights, two dates, extensions, late days, groups, a withdrawal, a
disqualification with its appeal, two readers at once, a target that moves after the fact, and the release.

Jobs are made up: what a training comes to depends on what was handed in and on its seed alone. All else is the grader's own.
Told is, at each step, whose grade changed and why, and how many trainings were made. What is not as it must be is a problem:
a training that nobody wanted, a grade that moved without a reason, and another grade where all of it is done from nothing.
"""

import csv
import io
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from benchmarks.hand_in_systems import zipped
from benchmarks.made_up import MadeUp, scored
from grader.cli import main as command_line
from grader.grading.changes import COLUMNS, changes, state, wanted_by_all
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.grading.grade import grade
from grader.grading.ranking import Entry
from grader.grading.settings import Settings
from grader.grading.text_table import as_table
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import LEDGER, open_results
from grader.ledger.rounds import new_secret, of_round
from grader.publish.publishing import publish
from grader.rerun.job import Job
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.training.command_line import complete_config

STUDENTS, GROUPS, NIGHTS = 60, 20, 5  # two in each group
DAY = timedelta(days=1)
DEADLINE = datetime.now(UTC).replace(microsecond=0) + DAY  # practice is over then
EXTENDED, LATE_TWO, LATE_TEN, FREE_DAY = ("s41", "s42", "s43"), "s44", "s45", "s46"
ACCUSED, LEAVER = "s47", "s48"
RUBRIC = {
    "report": [{"name": "evidence", "points": 3}, {"name": "method", "points": 2}],
    "conclusion": [{"name": "own analysis", "points": 5}],
}
GLYPHS = {"train": 300, "val": 100, "test": 100, "noise": 0.1, "warp": 0.2, "clutter": 0.0}


@dataclass
class Term:
    """What came of it.

    Attributes:
        steps: Of each step its name, its seconds, trainings made, and whose grade changed and why.
        problems: What is not as it must be, a line each.
    """

    steps: list[tuple[str, float, int, list[list[str]]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.problems.append(what)


class Class:
    """A class with its folder of downloads and its results folder.

    Args:
        scratch: An empty folder.
        key: That of the results, which else are drawn.
    """

    def __init__(self, scratch: Path, rules: dict, config: str, term: Term, key: bytes = bytes(BYTES)):
        self.folder, self.results, self.rules_file = scratch / "downloads", scratch / "results", scratch / "rules.yaml"
        self.config, self.term, self.trained, self.times = config, term, 0, dict[str, datetime]()
        self.key = key
        self.folder.mkdir(parents=True)
        self.write_rules(rules)
        rows = [["id", "name", "group"]]
        for number in range(1, STUDENTS + 1):
            rows.append([f"s{number:02}", f"Student {number}", f"g{(number + 1) // 2}" if number <= 2 * GROUPS else ""])
        with open(self.folder / "roster.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    def write_rules(self, rules: dict) -> None:
        self.rules = rules
        self.rules_file.write_text(yaml.safe_dump(rules))

    def hand_in(self, student: str, version: int, submitted: datetime) -> None:
        """Put an attempt into the downloads; another version is other work."""
        texts = {
            "config.yaml": self.config.replace("max_epochs: 15", f"max_epochs: {5 + version}"),
            "student.yaml": f"id: {student}\nname: Student {int(student[1:])}\n",
            "REPORT.md": f"{REPORT}\n\nWritten by {student}.\n",
            "CONCLUSION.md": CONCLUSION,
        }
        (self.folder / f"{student}.zip").write_bytes(zipped({name: text.encode() for name, text in texts.items()}))
        self.times[f"{student}.zip"] = submitted
        self.write_times()

    def write_times(self) -> None:
        with open(self.folder / "times.csv", "w", newline="", encoding="utf-8") as file:
            rows = [[name, when.isoformat()] for name, when in sorted(self.times.items())]
            csv.writer(file).writerows([["file", "submitted"], *rows])

    def run(self, which: str = "final") -> None:
        """As `python -m grader run` does, with made-up trainings."""
        place, rules = of_round(self.results, which), Rules.load(self.rules_file)  # type: ignore[arg-type]
        secret = new_secret(self.results, which, None)  # type: ignore[arg-type]
        if not (place / "secret.json").exists():
            secret = Secret(self.key[::-1] if which == "final" else self.key, None, secret.part, secret.practice_key)
        settings = Settings("cpu", True, accept_times=True, engine=MadeUp(self.measure), back_off=0.0)
        with open_results(place, new=True, secret=secret) as opened:
            grade(self.folder, opened, rules, settings)
            publish(opened)

    def measure(self, job: Job) -> Measurement:
        self.trained += 1
        draw = random.Random(f"{job.submission.digest} {job.seed}")
        return scored(draw.uniform(0.76, 0.94), samples=2000, epochs=job.rules.max_epochs)

    def order(self, *arguments: str) -> None:
        """A command about the results, as a person types it."""
        said = io.StringIO()
        command, *others = arguments
        with redirect_stdout(said), redirect_stderr(said):
            status = command_line([command, str(self.results), *others])
        self.term.expect(status == 0, f"{' '.join(arguments)} ends with {status}: {said.getvalue()[-300:]}")

    def entries(self) -> dict[str, Entry]:
        with open_results(self.results) as opened:
            return state(opened.ledger, opened.rules).entries

    def step(self, name: str, does: Callable[[], object], trainings: int | None = 0) -> list[list[str]]:
        """Do something, and tell whose grade it changed; `trainings` is how many were wanted, None for what the ledger says."""
        there = (self.results / LEDGER).is_file()
        before = None
        if there:
            with open_results(self.results) as opened:
                before = state(opened.ledger, opened.rules)
        made, started = self.trained, time.perf_counter()
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            does()
        seconds, made = time.perf_counter() - started, self.trained - made
        changed: list[list[str]] = []
        if before and (self.results / LEDGER).is_file():
            with open_results(self.results) as opened:
                changed = changes(before, state(opened.ledger, opened.rules))
        wanted = sum(before.wanted.values()) if trainings is None and before else trainings
        self.term.steps.append((name, seconds, made, changed))
        self.term.expect(made == wanted, f"{name}: {made} trainings, where {wanted} are wanted")
        return changed

    def night(self) -> None:
        """Let a day pass: all that practice noted is a day older."""
        with closing(sqlite3.connect(of_round(self.results, "practice") / LEDGER)) as database, database:
            for row, at in database.execute("SELECT id, taken_in FROM submissions").fetchall():
                earlier = (datetime.fromisoformat(at) - DAY).isoformat(timespec="milliseconds")
                database.execute("UPDATE submissions SET taken_in = ? WHERE id = ?", [earlier, row])


def the_rules() -> dict:
    """Those that the term begins with."""
    return {
        "deadline": DEADLINE.isoformat(),
        "target_accuracy": 0.8,
        "seeds_near_target": 1,
        "late": "reject",
        "late_work": {"free_days": 1, "points_a_day": 5.0, "last_date": (DEADLINE + 5 * DAY).isoformat()},
        "practice": {"per_day": 1, "in_all": 3, "public": "ranks"},
        "bonus": {"rubric": RUBRIC},
        "site": {"release": "manual"},
        "dataset": {"class_path": "project.datasets.glyphs.Glyphs", "init_args": GLYPHS},
    }


def practise(course: Class) -> None:
    """Five nights: everybody tries twice, one student every night, of whom three are graded."""
    keen, authors = "s60", [f"s{number:02}" for number in range(1, STUDENTS) if number > 2 * GROUPS or number % 2]
    for night in range(NIGHTS):
        of_tonight = [student for at, student in enumerate(authors) if at % NIGHTS in (night, (night + 1) % NIGHTS)]
        for student in of_tonight:
            course.hand_in(student, night, DEADLINE - DAY)
        course.hand_in(keen, night, DEADLINE - DAY)
        course.step(f"night {night + 1}", lambda: course.run("practice"), len(of_tonight) + (night < 3))
        course.step(f"night {night + 1}, once more the same", lambda: course.run("practice"))
        course.night()


def hand_in_finally(course: Class) -> int:
    """What counts in the end. Returns how many of them are in time for a training."""
    for number in range(1, STUDENTS + 1):
        if number > 2 * GROUPS or number % 2:
            course.hand_in(f"s{number:02}", 7, DEADLINE - timedelta(hours=number))
    after = {"s41": 8, "s42": 9, "s43": 3, LATE_TWO: 2, LATE_TEN: 10, FREE_DAY: 0.5}
    for student, days in after.items():
        course.hand_in(student, 7, DEADLINE + days * DAY)
    return STUDENTS - GROUPS - sum(days > 5 for days in after.values())


def decide(course: Class) -> dict[str, Callable[[], None]]:
    """What persons decide after the first grading, in the order of the term; by name."""
    first, second, third = EXTENDED
    return {
        "extend a rejected one": lambda: course.order("extend", first, "--days", "9", "--reason", "ill"),
        "extend another": lambda: course.order(
            "extend", second, "--until", (DEADLINE + 10 * DAY).isoformat(), "--reason", "abroad"
        ),
        "extend one who is graded": lambda: course.order("extend", third, "--days", "4", "--reason", "ill"),
    }


def read_at_once(course: Class) -> None:
    """Two readers give points by the rubric at the same time, each to half of the class."""
    shown = [student for student, entry in course.entries().items() if entry.accuracy is not None]
    processes = []
    for at, reader in enumerate(("kang", "lee")):
        table = course.results.parent / f"{reader}.csv"
        with open(table, "w", newline="", encoding="utf-8") as file:
            rows = [[student, 2 + at % 2, 1, 4, "읽었습니다"] for student in sorted(shown)[at::2]]
            heads = ["student", "report: evidence", "report: method", "conclusion: own analysis", "comment"]
            csv.writer(file).writerows([heads, *rows])
        command = [sys.executable, "-m", "grader", "bonus", str(course.results), "--csv", str(table), "--by", reader]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        processes.append(
            subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, **quiet)
        )
    for process in processes:
        _, error = process.communicate(timeout=300)
        course.term.expect(process.returncode == 0, f"a reader is refused: {error.decode()[-300:]}")
    given = {student for student, entry in course.entries().items() if entry.points}
    course.term.expect(given == {*shown}, f"points of {len(shown)} given, and {len(given)} are there")


def acted_out(scratch: Path, term: Term) -> Class:
    """The term."""
    course = Class(scratch, the_rules(), complete_config(["--config", "configs/quickstart.yaml"]), term)
    practise(course)
    in_time = hand_in_finally(course)
    course.step("the final round", course.run, in_time)
    at_first = course.entries()
    term.expect(at_first[LATE_TEN].verdict == "rejected", f"{LATE_TEN} came after the last date, and is not rejected")
    for name, does in decide(course).items():
        changed = course.step(name, does)
        term.expect(name != "extend one who is graded" or len(changed) > 0, f"{name}: nothing changes")
    course.step("the next run", course.run, None)
    judge(course)
    course.step("two readers at once", lambda: read_at_once(course))
    course.step("the target moves", lambda: move_target(course))
    term.expect(not (course.results / "site").exists(), "pages are published before their release")
    course.step("release", lambda: course.order("release", "--by", "kang", "--reason", "all are read"))
    term.expect((course.results / "site" / "index.html").is_file(), "no page is published after the release")
    course.step("the last run", course.run)
    return course


def judge(course: Class) -> None:
    """A disqualification, its appeal, and what comes of it; and one who leaves."""
    why = ("--by", "kang", "--reason", "the code is another's")
    number = len(course.entries())
    changed = course.step("a disqualification", lambda: course.order("disqualify", ACCUSED, *why))
    course.term.expect([row[0] for row in changed if "disqualified" in row[1]] == [ACCUSED], "others are disqualified")
    course.order("appeal", ACCUSED)
    record = (course.results / "appeals" / ACCUSED / "appeal.md").read_text(encoding="utf-8")
    course.term.expect("the code is another's" in record, "the record of the appeal lacks the reason")
    with open_results(course.results) as opened:
        (taken,) = [each.id for each in opened.ledger.decisions.history(ACCUSED) if each.kind == "disqualify"]
    course.step("the appeal is granted", lambda: course.order("undo", str(taken), "--reason", "both worked on it"))
    course.step("one withdraws", lambda: course.order("withdraw", LEAVER, "--yes", "--reason", "by mail"))
    course.term.expect(LEAVER not in course.entries(), f"{LEAVER} withdrew, and is still there")
    course.term.expect(len(course.entries()) == number, "somebody else is gone")


def move_target(course: Class) -> None:
    course.write_rules({**course.rules, "target_accuracy": 0.84})
    course.order("leaderboard", "--rules", str(course.rules_file))


def again_from_nothing(course: Class, scratch: Path) -> None:
    """The same downloads, keys, decisions and rules, with the decisions in another order: the grades are the same."""
    other = Class(scratch, course.rules, course.config, course.term, course.key)
    shutil.copytree(course.folder, other.folder, dirs_exist_ok=True)
    (other.folder / f"{LEAVER}.zip").unlink()
    other.times = {name: when for name, when in course.times.items() if name != f"{LEAVER}.zip"}
    other.write_times()
    if (practice := of_round(course.results, "practice")).exists():
        (other.results / "practice").mkdir(parents=True)
        shutil.copy(practice / "secret.json", other.results / "practice" / "secret.json")
    other.step("all of it from nothing: a run", other.run, STUDENTS - GROUPS - 3 - 1)
    for name, does in reversed(decide(other).items()):
        other.step(f"from nothing: {name}", does)
    other.step("from nothing: the next run", other.run, 2)
    other.step("from nothing: two readers at once", lambda: read_at_once(other))
    was = {student: told(entry) for student, entry in course.entries().items() if not student.startswith("withdrawn")}
    now = {student: told(entry) for student, entry in other.entries().items() if student != LEAVER}
    course.term.expect(was.keys() == now.keys(), f"others are listed: {sorted(was.keys() ^ now.keys())}")
    for student in sorted(was.keys() & now.keys()):
        course.term.expect(was[student] == now[student], f"{student}: {was[student]}, from nothing {now[student]}")


def told(entry: Entry) -> tuple[str, float | None, int | None]:
    return entry.verdict, entry.total, entry.rank


def as_text(term: Term) -> str:
    lines = []
    for name, seconds, made, changed in term.steps:
        lines.append(f"\n{name}: {seconds:.1f} s, {made} trainings, {len(changed)} changes")
        lines += [f"  {line}" for line in as_table(COLUMNS, changed).splitlines()] if changed else []
    return "\n".join([*lines, "", *(f"PROBLEM: {problem}" for problem in term.problems or ["none"])])


def main() -> dict:
    term = Term()
    with tempfile.TemporaryDirectory() as name:
        course = acted_out(Path(name, "term"), term)
        with open_results(course.results) as opened:
            left = wanted_by_all(opened.ledger, opened.rules)
        term.expect(not left, f"trainings are wanted still: {left}")
        again_from_nothing(course, Path(name, "again"))
    print(as_text(term), flush=True)
    steps = [{"step": step, "seconds": s, "trainings": made, "changes": rows} for step, s, made, rows in term.steps]
    return {"benchmark": "term", "steps": steps, "problems": term.problems}
