"""A day at the course office, once for each way in: a generated class hands in, and everything leaves that leaves.

Told are the seconds of each step, and of everybody who did something odd what became of it and which outputs name it. What is
not as it must be is a problem: somebody missing in a list, another verdict than the oddity's, or anything that says who
somebody is in what is published under pseudonyms.
"""

import csv
import html
import io
import json
import random
import re
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from benchmarks import hand_in_systems as systems
from benchmarks.course import made_up_curves, made_up_drawing
from benchmarks.made_up import MadeUp, scored
from benchmarks.odd_students import DEADLINE, WAYS, Member, a_class
from grader.grading.dry_run import dry_run
from grader.grading.grade import grade as graded
from grader.grading.ranking import Entry, standings
from grader.grading.settings import Settings
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import OpenResults, open_results
from grader.publish.export_files import write_export
from grader.publish.gradebooks import grade
from grader.publish.publishing import publish
from grader.rerun.job import Job
from grader.review.similarity import list_similar
from grader.rules import Rules
from grader.secret import BYTES, Secret
from project.support.errors import UserError
from project.training.command_line import complete_config

ASSIGNMENT = "Fifteen Epochs (4711)"  # its column in Canvas's gradebook
GRADES = {"canvas": ("ID", ASSIGNMENT), "moodle": ("식별자", "성적")}  # columns of numbers and of points, as exported
GLYPHS = {"train": 300, "val": 100, "test": 100, "noise": 0.1, "warp": 0.2, "clutter": 0.0}
COLUMNS = {"id": "sid", "name": "name", "LMS number": "number", "login": "email", "github": "github"}
WIDE = re.compile("[\u3400-\u9fff\uac00-\ud7a3]")
SYSTEMS: dict[str, Callable[[Path, Sequence[systems.HandIn]], Path]] = {
    "canvas": systems.canvas,
    "moodle": lambda folder, hand_ins: systems.moodle(folder, hand_ins, "Grades.csv", korean=True),
    "gradescope": systems.gradescope,
    "classroom50": systems.classroom50,
    "repositories": systems.git_repositories,
    "class-repository": systems.class_repository,
}


@dataclass
class Day:
    """What came of a class by one way.

    Attributes:
        seconds: By step.
        odd: Of each odd one: what is odd, who, what became of it, and the outputs that name it.
        problems: What is not as it must be, a line each.
    """

    way: str
    seconds: dict[str, float] = field(default_factory=dict)
    odd: list[tuple[str, str, str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def main(ways: list[str] | None, sizes: list[int]) -> dict:
    ways = ways or [*WAYS]
    if unknown := {*ways} - {*WAYS}:
        raise UserError(f"--way {unknown.pop()}: no such way; take {', '.join(WAYS)}")
    config = complete_config(["--config", "configs/quickstart.yaml"])
    days = []
    for size in sizes:
        for way in ways:
            with tempfile.TemporaryDirectory() as name:
                days.append((size, acted_out(way, size, config, Path(name))))
            print(as_text(size, days[-1][1]), flush=True)
    return {
        "benchmark": "day",
        "seconds": {f"{day.way} {size}": day.seconds for size, day in days},
        "odd": {f"{day.way} {size}": day.odd for size, day in days},
        "problems": [f"{day.way} {size}: {problem}" for size, day in days for problem in day.problems],
    }


def as_text(size: int, day: Day) -> str:
    lines = [f"\n{size} students by {day.way}"]
    lines += [f"{day.way:18} {step:22} {seconds:9.2f} s" for step, seconds in day.seconds.items()]
    lines += [f"  {what:42} {who:16} {became}  [{where}]" for what, who, became, where in day.odd]
    return "\n".join([*lines, *(f"PROBLEM: {problem}" for problem in day.problems or ["none"])])


def acted_out(way: str, size: int, config: str, scratch: Path) -> Day:
    """One day, in an empty folder."""
    day, members = Day(way), a_class(size, way, config)
    given = [member.hand_in(way) for member in members]
    folder = SYSTEMS[way](scratch / "downloads", given)
    write_roster(folder / "roster.csv", [member.who for member in members if member.listed])
    rules = Rules.load().but(
        seeds_near_target=1,
        deadline=DEADLINE,
        dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": GLYPHS},
    )
    by_id = {member.who.sid: member for member in members}
    settings = Settings("cpu", True, engine=MadeUp(lambda job: made_up(job, by_id)), back_off=0.0)
    results, said = scratch / "results", dict[str, str]()

    def step(name: str, does: Callable[[], str]) -> None:
        """Time a step, and keep what it says."""
        heard, started = io.StringIO(), time.perf_counter()
        with redirect_stdout(heard), redirect_stderr(heard):
            told = does()
        day.seconds[name] = time.perf_counter() - started
        said[name] = unicodedata.normalize("NFC", f"{heard.getvalue()}\n{told}")

    def run() -> str:
        with open_results(results, new=True, secret=Secret(bytes(BYTES))) as opened:
            graded(folder, opened, rules, settings)
        return ""

    def again(does: Callable[[OpenResults], str]) -> Callable[[], str]:
        def opened_again() -> str:
            with open_results(results) as opened:
                return does(opened)

        return opened_again

    step("dry run", lambda: dry_run(folder, None, rules, settings))
    step("run", run)
    step("the same run again", run)
    step("publish", again(publish))
    step("similar", again(list_similar))
    gradebooks = {"moodle": folder / "Grades.csv", "canvas": scratch / "gradebook.csv"}
    systems.canvas_gradebook(gradebooks["canvas"], [member.who for member in members], ASSIGNMENT)
    for form in ("canvas", "moodle", "feedback"):
        filled = gradebooks[form] if form == way else None
        step(f"export {form}", again(lambda opened: exported(opened, form, filled)))  # noqa: B023
    with open_results(results) as opened:
        entries = standings(opened.ledger, opened.rules)
    look_at(day, members, entries, said, results)
    day.problems += exposed(members, entries, results)
    if way in GRADES:
        day.problems += wrong_grades(members, entries, results / f"{way}.csv", *GRADES[way])
    return day


def exported(opened: OpenResults, form: str, gradebook: Path | None) -> str:
    written = write_export(opened, form, None, gradebook, None, "ko")
    return "\n".join([*written.told, *written.left_out])


def write_roster(path: Path, students: Iterable[systems.HandIn]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = ([getattr(student, name) for name in COLUMNS.values()] for student in students)
        csv.writer(file).writerows([[*COLUMNS], *rows])


def made_up(job: Job, members: dict[str, Member]) -> Measurement:
    """What becomes of a training; what pages are drawn from is left as a training leaves it."""
    member = members.get(job.submission.student)
    if member and member.outcome:
        return member.outcome(member)
    draw = random.Random(job.submission.digest)
    accuracy, epochs = draw.uniform(0.82, 0.94), job.rules.max_epochs
    curves = made_up_curves(accuracy, epochs)
    job.folder.mkdir(parents=True, exist_ok=True)
    (job.folder / "to_draw.json").write_text(json.dumps(made_up_drawing(accuracy, curves, job.data, draw)))
    return scored(accuracy, epochs=epochs, seconds=60.0, val_accuracy=[row["val/accuracy"] for row in curves])


def look_at(day: Day, members: list[Member], entries: list[Entry], said: dict[str, str], results: Path) -> None:
    """Whether everybody is in every list, once, with what must become of them."""
    files = {f"{form}.csv": results / f"{form}.csv" for form in ("leaderboard", "canvas", "moodle")}
    lists = {name: unicodedata.normalize("NFC", path.read_text("utf-8-sig")) for name, path in files.items()}
    lists |= {"dry run": said["dry run"], "run": said["run"] + said["publish"]}
    table = said["publish"].splitlines()
    for member in members:
        found = [entry for entry in entries if is_of(entry, member)]
        who = f"{member.who.name} ({member.who.sid})"
        if len(found) != 1:
            day.problems.append(f"{who}: is {len(found)} times on the leaderboard")
            continue
        (entry,) = found
        rows = [line for line in table if entry.student in line.split()]
        if entry.known_as:
            places = lists
        else:  # nothing but the student says who that is: a gradebook leaves it out, and tells
            places = lists | {f"{form}.csv": said[f"export {form}"] for form in ("canvas", "moodle")}
        named = [name for name, text in places.items() if names_entry(text, entry, member)]
        day.problems += [f"{who}: is not in {name}" for name in lists if name not in named]
        if not (results / "feedback" / f"{entry.student}.md").is_file():
            day.problems.append(f"{who}: has no feedback")
        verdict, says = (member.odd.verdict, member.odd.says) if member.odd else ("passed", "")
        if entry.verdict != verdict or len(rows) != 1 or not re.search(says, rows[0]):
            day.problems.append(
                f"{who}: {member.odd.what if member.odd else 'nothing odd'}: {entry.verdict}, {entry.own_reason}"
            )
        if member.odd:
            alike = [line for line in said["similar"].splitlines() if entry.student in re.split(r"[ ;]+", line)]
            if member.odd.similar and not any(other.who.sid in line for line in alike for other in member.others):
                day.problems.append(f"{who}: is not among the near-copies")
            became = "; ".join(filter(None, (entry.verdict, entry.own_reason, *entry.flags)))[:100]
            where = ", ".join([*named, *["similar"] * bool(alike)])
            day.odd.append((member.odd.what, entry.student, became, where))
    if len(entries) != len(members):
        day.problems.append(f"{len(entries)} entries of {len(members)} students")


def wrong_grades(members: list[Member], entries: list[Entry], filled: Path, number: str, points: str) -> list[str]:
    """What is wrong in a gradebook that was filled in: everybody's row must have the points, or nothing where there are none.

    Args:
        number, points: The headings of its columns.
    """
    with open(filled, newline="", encoding="utf-8-sig") as file:
        cells = {re.sub(r"\D", "", row[number]): row[points] for row in csv.DictReader(file)}
    found = {str(member.who.number): next((e for e in entries if is_of(e, member)), None) for member in members}
    expected = {key: grade(entry) if entry else "" for key, entry in found.items()}
    return [
        f"{filled.name}: {key} has {cells.get(key, 'no row')!r}, not {points!r}"
        for key, points in expected.items()
        if cells.get(key) != points
    ]


def is_of(entry: Entry, member: Member) -> bool:
    """Whether an entry is a member's: by the id, or, of whom the roster lacks, by what was handed in."""
    if member.listed:
        return entry.student == member.who.sid
    source = unicodedata.normalize("NFC", entry.source)
    keys = (str(member.who.number), member.who.github, unicodedata.normalize("NFC", member.who.name))
    return any(key in source for key in keys)


def names_entry(text: str, entry: Entry, member: Member) -> bool:
    """Whether a list names somebody: by the id, or by the number or the name that a gradebook goes by."""
    return any(key in text for key in (entry.student, str(member.who.number), unicodedata.normalize("NFC", entry.name)))


def exposed(members: list[Member], entries: list[Entry], results: Path) -> list[str]:
    """What says who somebody is in any byte that is published: names, ids, numbers, accounts, addresses, files' names."""
    words, pairs, parts = set[str](), set[str](), set[str]()
    for who in (member.who for member in members):
        words |= {who.sid, str(who.number), who.github, who.email.partition("@")[0]}
        name = unicodedata.normalize("NFC", who.name)
        (parts if WIDE.search(name) else pairs).add(name.casefold())
    words |= {entry.student for entry in entries}
    found = Counter[str]()
    for place, text in published(results):
        tokens = re.findall(r"[^\W_]+", unicodedata.normalize("NFC", unquote(html.unescape(text))).casefold())
        known = {*tokens}
        wide = "\n".join(token for token in known if WIDE.search(token))
        met = (known & words) | ({f"{a} {b}" for a, b in zip(tokens, tokens[1:])} & pairs)
        for secret in met | {part for part in parts if part in wide}:
            around = re.search(rf".{{0,30}}{re.escape(secret)}.{{0,30}}", text, re.IGNORECASE)
            found[f"{secret} is published, as in {place}{f': {around[0]!r}' if around else ''}"] += 1
            words.discard(secret), pairs.discard(secret), parts.discard(secret)
    return [*found]


def published(results: Path) -> Iterator[tuple[str, str]]:
    """Every file that is published, and its place, as text."""
    site = results / "site"
    for path in [*sorted(site.rglob("*")), results / "leaderboard.md"]:
        if path.is_file():
            place = path.relative_to(results).as_posix()
            yield place, place + "\n" + path.read_bytes().decode(errors="replace")
