"""A generated class for a day at the course office: who is in it, what they hand in, and what is odd about some of them."""

import io
import itertools
import random
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from benchmarks.hand_in_systems import HandIn, zipped
from benchmarks.made_up import scored
from grader.ledger.measurement import Measurement

DEADLINE = datetime(2026, 12, 4, 23, 59, tzinfo=timezone(timedelta(hours=9)))
IN_TIME, LATE = DEADLINE - timedelta(hours=5, minutes=3), DEADLINE + timedelta(hours=2)
ARCHIVES = ("canvas", "moodle")  # ways in which a student uploads files, mostly a zip
FOLDERS = ("gradescope", "classroom50", "repositories", "class-repository")  # in which the files come as a folder
WAYS = (*ARCHIVES, *FOLDERS)

FAMILIES = "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황 안 송 홍 남궁".split()
GIVEN = ("민 서 지 도 하 예 주 윤 은 시".split(), "준 우 원 연 현 아 진 호 빈 율".split())
CHINESE = [family + given for family in "王李张刘陈" for given in ("伟", "娜", "秀英", "小明", "建国")]
WESTERN = [
    (given, family)
    for given in "Ana Lucía Jan Emil Elsa Ivan".split()
    for family in "Gil Novák Müller Jensen Ekström".split()
]
WORDS = (
    "the network learns slowly at first because its rate warms up and then weight decay narrows gap between training "
    "validation loss while batch normalization keeps activations within range of each layer so that deeper models begin "
    "to train without vanishing gradients we measured three runs with random crops flips cutout mixup label smoothing "
    "dropout momentum schedule cosine step epoch accuracy noise seed larger smaller better worse than before"
).split()


@dataclass
class Member:
    """Somebody in the class.

    Attributes:
        work: The files of the submission, by name.
        uploads: What is uploaded in place of the work; None for the work as the system takes it, in a zip or a folder.
        listed: Whether the roster has this student.
        odd: What is odd; None for most.
        outcome: What the training comes to, where it is not scored well.
        others: Whoever else it is about, such as the one it was copied from.
    """

    who: HandIn
    work: dict[str, bytes]
    uploads: dict[str, bytes] | None = None
    listed: bool = True
    odd: "Odd | None" = None
    outcome: Callable[["Member"], Measurement] | None = None
    others: list["Member"] = field(default_factory=list)

    def hand_in(self, way: str) -> HandIn:
        """What the system gets of this student."""
        whole: Mapping[str, bytes] = {"work.zip": zipped(self.work)} if way in ARCHIVES and self.work else self.work
        self.who.files = whole if self.uploads is None else self.uploads
        return self.who


@dataclass(frozen=True)
class Odd:
    """Something odd, and what is to become of it.

    Attributes:
        change: Makes a member odd; the second one is somebody who is not.
        verdict: On the leaderboard.
        says: What must be found in the student's row there, as a regular expression.
        ways: Those in which it can happen.
        similar: Whether it must be among the near-copies, beside the other.
    """

    what: str
    change: Callable[[Member, Member], None]
    verdict: str = "passed"
    says: str = ""
    ways: tuple[str, ...] = WAYS
    similar: bool = False


def uploads(**by_name: bytes) -> Callable[[Member, Member], None]:
    """Other files than the work; a name's `__` is its dot."""
    files = {name.replace("__", "."): content for name, content in by_name.items()}

    def change(one: Member, other: Member) -> None:
        one.uploads = files

    return change


def nothing(one: Member, other: Member) -> None:
    one.work, one.uploads = {}, {}


def by_partner(one: Member, other: Member) -> None:
    nothing(one, other)
    other.who.partner = one.who


def late(one: Member, other: Member) -> None:
    one.who.late, one.who.submitted = True, LATE


def epochs(one: Member, other: Member) -> None:
    one.work["config.yaml"] = one.work["config.yaml"].replace(b"max_epochs: 15", b"max_epochs: 16")


def no_yaml(one: Member, other: Member) -> None:
    one.work["config.yaml"] = b"trainer: [\n"


def unsigned(one: Member, other: Member) -> None:
    del one.work["student.yaml"]


def claims(one: Member, other: Member) -> None:
    one.work["student.yaml"] = other.work["student.yaml"]


def namesake(one: Member, other: Member) -> None:
    one.who.name, one.who.family = other.who.name, other.who.family


def decomposed(one: Member, other: Member) -> None:
    one.who.name = unicodedata.normalize("NFD", one.who.name)


def stranger(one: Member, other: Member) -> None:
    one.listed = False


def no_report(one: Member, other: Member) -> None:
    del one.work["REPORT.md"]


def copies(one: Member, other: Member) -> None:
    one.work["REPORT.md"] = other.work["REPORT.md"]
    one.others.append(other)


def names_everybody(one: Member, other: Member) -> None:
    for name in ("REPORT.md", "CONCLUSION.md"):
        one.work[name] += "".join(
            f"\n{who.name} ({who.sid}, {who.number}, {who.github}, {who.email}) <script>alert(1)</script>\n"
            for who in (one.who, other.who)
        ).encode()


def names_file(one: Member, other: Member) -> None:
    one.work[f"{one.who.name}_{one.who.sid}.txt"] = one.who.name.encode()


def heavy(one: Member, other: Member) -> None:
    one.work["weights.ckpt"] = random.Random(0).randbytes(2_100_000)


def crashes(one: Member, other: Member) -> None:
    said = f"training crashed: ValueError: {one.who.name} {one.who.sid}"
    one.outcome = lambda member: Measurement(outcome="crashed", said=said)


def misses(one: Member, other: Member) -> None:
    one.outcome = lambda member: scored(0.41, epochs=15, seconds=60.0)


def lost(one: Member, other: Member) -> None:
    one.outcome = lambda member: Measurement(outcome="infrastructure", said="the sandbox failed")


def cut_off(one: Member, other: Member) -> None:
    one.uploads = {"work.zip": (packed := zipped(one.work))[: len(packed) // 2]}


def climbs(one: Member, other: Member) -> None:
    one.uploads = {"work.zip": zipped({"../../config.yaml": b"x"})}


def swells(one: Member, other: Member) -> None:
    one.uploads = {"work.zip": zipped({**one.work, "zeros.txt": bytes(30_000_000)})}


def of_a_mac(one: Member, other: Member) -> None:
    with_forks = one.work | {f"__MACOSX/._{name}": b"\0\5\x16\7" for name in one.work} | {".DS_Store": b"\0"}
    one.uploads = {"Archive (1).zip": zipped(with_forks, folder="제출물/")}


def loose(one: Member, other: Member) -> None:
    one.uploads = dict(one.work)


def twice(one: Member, other: Member) -> None:
    damaged = io.BytesIO()
    with zipfile.ZipFile(damaged, "w") as archive:
        archive.writestr("config.yaml", b"[")
    one.uploads = {"first.zip": damaged.getvalue(), "final.zip": zipped(one.work)}


ODD = (
    Odd("hands in nothing", nothing, "missing", "handed in nothing"),
    Odd("a .7z", uploads(과제__7z=b"7z\xbc\xaf'\x1c"), "rejected", r"a \.7z archive cannot be read here"),
    Odd("an .alz", uploads(과제__alz=b"ALZ\1"), "rejected", r"a \.alz archive cannot be read here"),
    Odd("a lone PDF", uploads(report__pdf=b"%PDF-1.7"), "rejected"),
    Odd("code without a configuration", uploads(a__py=b"", b__yaml=b""), "rejected", "config.yaml"),
    Odd("two hours late", late, "rejected", "late|after the deadline"),
    Odd("sixteen epochs", epochs, "rejected", "max_epochs"),
    Odd("a configuration that is no YAML", no_yaml, "rejected", "config.yaml"),
    Odd("weights among the files", heavy, "rejected", "is larger than"),
    Odd("a zip that is cut off", cut_off, "rejected", "cannot be read", ARCHIVES),
    Odd("a zip that points out of its folder", climbs, "rejected", "points out of the submission", ARCHIVES),
    Odd("a zip that unpacks to 30 MB", swells, "rejected", "is larger than", ARCHIVES),
    Odd("a Mac's zip in a folder of its own", of_a_mac, ways=ARCHIVES),
    Odd("files that are not zipped", loose, ways=ARCHIVES),
    Odd("two zips at once, the first one wrong", twice, ways=("canvas",)),
    Odd("no student.yaml", unsigned),
    Odd("another's id in student.yaml", claims, says="which is another's id"),
    Odd("a namesake", namesake, ways=tuple(way for way in WAYS if way != "class-repository")),
    Odd("a name as macOS writes it (NFD)", decomposed),
    Odd("not on the roster", stranger, says="is not on the roster"),
    Odd("no report", no_report),
    Odd("another's report", copies, similar=True),
    Odd("names everybody, with markup", names_everybody),
    Odd("a file with name and id", names_file),
    Odd("a training that crashes", crashes, "failed", "crashed"),
    Odd("an accuracy below the target", misses, "below_target", "not above"),
    Odd("a fault of the grader's own", lost, "infrastructure"),
    Odd("handed in by a partner", by_partner, ways=("gradescope",)),
)


def a_class(count: int, way: str, config: str) -> list[Member]:
    """So many students, in the order of the roster: a fifth of them odd, and where that is fewer, each oddity once.

    Args:
        config: The configuration that all hand in.
    """
    draw = random.Random(count)
    members = [member(number, name, config, draw) for number, name in zip(range(count), names(draw))]
    kinds = [odd for odd in ODD if way in odd.ways]
    many = min(count // 2, max(count // 5, len(kinds)))
    places = draw.sample(range(count), 2 * many)  # each odd one has somebody beside who is not
    begin = WAYS.index(way) * 5  # so that small classes differ
    for turn, place, beside in zip(range(many), places[:many], places[many:]):
        members[place].odd = odd = kinds[(begin + turn) % len(kinds)]
        odd.change(members[place], members[beside])
    return members


def names(draw: random.Random) -> list[tuple[str, str]]:
    """Names and family names, all different; the latter where a western list sorts by them."""
    korean = [family + first + second for family in FAMILIES for first, second in itertools.product(*GIVEN)]
    some = [(name, "") for name in CHINESE] + [(f"{given} {family}", family) for given, family in WESTERN]
    many = [(name, "") for name in draw.sample(korean, len(korean))]
    return draw.sample(many[:145] + some, 145 + len(some)) + many[145:]


def member(number: int, name: tuple[str, str], config: str, draw: random.Random) -> Member:
    sid, github = f"{20_260_000 + 7 * number}", f"coder{number:04}x"
    if number % 40 == 0:
        sid = f"00{sid[1:]}"  # an id that keeps its zeros
    who = HandIn(name[0], 7_301_000 + 13 * number, {}, IN_TIME, family=name[1], sid=sid, github=github)
    who.submitted -= timedelta(minutes=number % 5000)
    who.email = f"mail{number:04}y@example.ac.kr"
    texts = (" ".join(draw.choices(WORDS, k=150)) for _ in range(2))
    report, conclusion = (f"# {who.name} {who.sid}\n\n{text}.\n".encode() for text in texts)
    said = f"id: '{who.sid}'\nname: {who.name}\n".encode()
    work = {"config.yaml": config.encode(), "student.yaml": said, "REPORT.md": report, "CONCLUSION.md": conclusion}
    return Member(who, work)
