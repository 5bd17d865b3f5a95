"""Draws the house: `python -m tests.house` writes docs/house.svg and the rooms in docs/house.md from what the code imports.

Floors and the order of rooms on them come from the contracts in pyproject.toml, arrows from the imports, sentences from
the rooms' docstrings. An arrow that other arrows already imply is left out, so that those that remain can be followed.
"""

import ast
import itertools
import re
import tomllib
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE, PAGE = ROOT / "docs" / "house.svg", ROOT / "docs" / "house.md"
ROOMS_OF_THE_PAGE = re.compile(r"(?<=<!-- rooms, by python -m tests\.house -->\n).*?(?=<!-- end -->)", re.DOTALL)

WIDTH, MARGIN = 900, 28
ROOM_HEIGHT, STAIRS, APART, WIDEST = 42, 34, 12, 250  # stairs: between two floors; apart: between two rooms
PASSAGE = 10  # what an arrow takes that passes a floor

STYLE = """
text { font: 12px "Helvetica Neue", Helvetica, Arial, sans-serif; fill: #1c2733; text-anchor: middle }
.name { font-weight: bold }
.title { font-size: 15px; font-weight: bold; text-anchor: start }
.said, .lines { font-size: 10.5px; font-weight: normal; fill: #5b6875 }
.said { text-anchor: start }
.paper { fill: #fbfaf7 }
.roof { fill: #c8553d }
.roof-text { fill: #ffffff; font-size: 17px; font-weight: bold }
.grader { fill: #f3eadb } .project { fill: #e3edf3 }
.room { fill: #ffffff; stroke: #8795a1 }
.unit { stroke: #2f7ea8; stroke-width: 2 }
.programs { stroke-dasharray: 5 3 }
.arrow { fill: none; stroke: #7a8793; stroke-width: 1.2 } .head { fill: #7a8793 }
@media (prefers-color-scheme: dark) {
text { fill: #e4e9ee } .said, .lines { fill: #a3b0bc } .paper { fill: #14191f } .roof { fill: #a8432e }
.grader { fill: #2a251c } .project { fill: #1a2731 } .room { fill: #0e1318; stroke: #6b7884 } .unit { stroke: #58aede }
.arrow { stroke: #8a97a3 } .head { fill: #8a97a3 }
}
"""


@dataclass
class Room:
    """A folder or file right below `project` or `grader`."""

    name: str
    said: str  # the first line of its docstring
    lines: int = 0
    imports: set[str] = field(default_factory=set)  # "package.room", and of every room but itself


@dataclass
class House:
    """A package's rooms, and the floors that they are on, from the top."""

    package: str
    floors: list[list[str]]
    rooms: dict[str, Room]
    said: str

    def place_of(self, name: str) -> str:
        """A room's file or folder in the package."""
        return f"{name}/" if (ROOT / self.package / name).is_dir() else f"{name}.py"

    def floor_of(self, name: str) -> int:
        return next(number for number, floor in enumerate(self.floors) if name in floor)

    @property
    def arrows(self) -> list[tuple[str, str]]:
        """Imports of rooms on lower floors, without those that longer ways imply."""
        below = {
            name: {
                other
                for other in itertools.chain(*self.floors[number + 1 :])
                if f"{self.package}.{other}" in self.rooms[name].imports
            }
            for number, floor in enumerate(self.floors)
            for name in floor
        }

        def reached(name: str) -> set[str]:
            return below[name].union(*map(reached, below[name]))

        implied = {name: set().union(*map(reached, others)) for name, others in below.items()}
        return [(name, other) for name, others in below.items() for other in sorted(others - implied[name])]


def read_house(package: str) -> House:
    rooms: dict[str, Room] = {}
    for file in sorted((ROOT / package).rglob("*.py")):
        inside = file.relative_to(ROOT / package).with_suffix("").parts
        name = inside[0]
        text = file.read_text(encoding="utf-8")
        tree = ast.parse(text)
        said = (ast.get_docstring(tree) or "").partition("\n")[0]  # of a folder the __init__'s, which sorts first
        room = rooms.setdefault(name, Room(name, said))
        room.lines += text.count("\n")
        room.imports |= {found for found in imported(tree) if found != f"{package}.{name}"}
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    contracts = tools["importlinter"]["contracts"]
    (contract,) = [contract for contract in contracts if contract.get("containers") == [package]]
    layers = [*contract["layers"], *contract.get("exhaustive_ignores", [])]
    floors = [re.findall(r"\w+", layer) for layer in layers if layer != "__main__"]
    return House(package, floors, rooms, rooms["__init__"].said.removeprefix("Fifteen Epochs, "))


def imported(tree: ast.Module) -> set[str]:
    """The rooms that a module imports from, at its top or in a function: "package.room"."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    parts = [name.split(".") for name in names]
    return {".".join(name[:2]) for name in parts if name[0] in ("project", "grader") and len(name) > 1}


class Plan:
    """Where each room and arrow of a house is: a layered drawing, as by Sugiyama, Tagawa and Toda (1981).

    An arrow that passes floors gets a place on each of them, so that it runs between rooms and not through them. Places
    move to the mean of what they are joined to, a floor at a time, first their order and then where they stand.
    """

    def __init__(self, house: House):
        self.house = house
        self.floors: list[list] = [list(floor) for floor in house.floors]
        self.ways = []  # for each arrow its places, from top to bottom
        for start, end in house.arrows:
            passed = range(house.floor_of(start) + 1, house.floor_of(end))
            self.ways.append([start, *((start, end, number) for number in passed), end])
            for place, number in zip(self.ways[-1][1:-1], passed, strict=True):
                self.floors[number].append(place)
        self.joined = {place: ([], []) for floor in self.floors for place in floor}  # above, below
        for above, below in itertools.chain(*map(itertools.pairwise, self.ways)):
            self.joined[above][1].append(below)
            self.joined[below][0].append(above)
        self.x: dict = {}
        for floor in self.floors:
            self.stand(floor, [WIDTH * (number + 1) / (len(floor) + 1) for number in range(len(floor))])
        best = None
        for sweep in range(24):
            downwards = sweep % 2 == 0
            for floor in self.floors if downwards else reversed(self.floors):
                wanted = {place: self.wanted(place, downwards) for place in floor}
                floor.sort(key=wanted.get)
                self.stand(floor, [wanted[place] for place in floor])
            found = (self.crossings(), [list(floor) for floor in self.floors])
            best = found if best is None or found[0] < best[0] else best
        self.floors = best[1]
        for sweep in range(200):
            for floor in self.floors if sweep % 2 else reversed(self.floors):
                self.stand(floor, [self.wanted(place, None) for place in floor])

    def wanted(self, place, downwards: bool | None) -> float:
        above, below = self.joined[place]
        others = above + below if downwards is None else above if downwards else below
        if not others:
            return self.x[place]
        # A way that passes floors is to be straight there, whatever its ends would like.
        weights = [1 if isinstance(place, str) else 3 if isinstance(other, str) else 12 for other in others]
        pulled = sum(weight * self.x[other] for weight, other in zip(weights, others, strict=True))
        return round(pulled / sum(weights), 3)

    def crossings(self) -> int:
        count = 0
        for floor in self.floors:
            ends = [(self.x[place], self.x[below]) for place in floor for below in self.joined[place][1]]
            count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for a, b in itertools.combinations(ends, 2))
        return count

    def stand(self, floor: list, wanted: list[float]) -> None:
        """Place a floor in its order as near to what is wanted as its places' widths allow."""
        width = self.width_of_a_room(floor)
        wide = [width if isinstance(place, str) else PASSAGE for place in floor]
        steps = [0.0, *((a + b) / 2 + APART for a, b in itertools.pairwise(wide))]
        offsets = list(itertools.accumulate(steps))
        # What remains is to be in order: neighbours that are not share their mean.
        blocks: list[list[float]] = []  # sum, number
        for want, offset in zip(wanted, offsets, strict=True):
            blocks.append([want - offset, 1])
            while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] > blocks[-1][0] / blocks[-1][1]:
                last = blocks.pop()
                blocks[-1] = [blocks[-1][0] + last[0], blocks[-1][1] + last[1]]
        fitted = [total / number for total, number in blocks for _ in range(number)]
        lowest = MARGIN + APART + wide[0] / 2
        highest = WIDTH - MARGIN - APART - wide[-1] / 2 - offsets[-1]
        for place, fit, offset in zip(floor, fitted, offsets, strict=True):
            self.x[place] = round(min(max(fit, lowest), highest) + offset, 3)

    def width_of_a_room(self, floor: list) -> float:
        rooms = sum(isinstance(place, str) for place in floor)
        free = WIDTH - 2 * MARGIN - APART - (len(floor) - rooms) * (PASSAGE + APART)
        return min(WIDEST, free / rooms - APART)


def draw_house(house: House, others: list[str], top: float) -> tuple[list[str], float]:
    """A house from `top` down, and where it ends. Rooms name what they import of the packages `others`."""
    plan = Plan(house)
    first = top + 46
    height_of = [first + number * (ROOM_HEIGHT + STAIRS) for number in range(len(plan.floors))]
    end = height_of[-1] + ROOM_HEIGHT + 16
    drawn = [
        f'<rect class="{house.package}" x="{MARGIN}" y="{top:.0f}" width="{WIDTH - 2 * MARGIN}" height="{end - top:.0f}"/>',
        f'<text class="title" x="{MARGIN + 14}" y="{top + 26:.0f}">{house.package}/</text>',
        f'<text class="said" x="{MARGIN + 86}" y="{top + 26:.0f}">{escape(house.said)}</text>',
    ]
    floor_of = {place: number for number, floor in enumerate(plan.floors) for place in floor}
    doors = {  # where on a room's width an arrow starts or ends: side by side, in the order of where they lead
        (place, side): sorted(set(plan.joined[place][side]), key=plan.x.get) for place in plan.joined for side in (0, 1)
    }

    def door(place, side: int, other) -> float:
        row = doors[place, side]
        return plan.x[place] + (row.index(other) - (len(row) - 1) / 2) * min(16, 80 / len(row))

    for way in plan.ways:
        path = []
        for above, below in itertools.pairwise(way):
            x0, y0 = door(above, 1, below), height_of[floor_of[above]] + ROOM_HEIGHT
            x1, y1 = door(below, 0, above), height_of[floor_of[below]] - (6 if below == way[-1] else 0)
            path.append(f"{'L' if path else 'M'}{x0:.0f} {y0:.0f}")
            path.append(f"C{x0:.0f} {(y0 + y1) / 2:.0f} {x1:.0f} {(y0 + y1) / 2:.0f} {x1:.0f} {y1:.0f}")
        drawn.append(f'<path class="arrow" d="{" ".join(path)}" marker-end="url(#head)"/>')
    for number, floor in enumerate(plan.floors):
        width = plan.width_of_a_room(floor)
        for place in floor:
            if isinstance(place, str):
                drawn += draw_room(house, place, others, plan.x[place], height_of[number], width)
    return drawn, end


def draw_room(house: House, name: str, others: list[str], x: float, y: float, width: float) -> list[str]:
    room = house.rooms[name]
    of_others = sorted(found.partition(".")[2] for found in room.imports if found.partition(".")[0] in others)
    unit = re.match(r"Unit (\d)", room.said)
    kind = " unit" if unit else " programs" if name == "programs" else ""
    label = escape(house.place_of(name).removesuffix(".py"))
    lines = f"{rounded(room.lines)} lines"
    rows = [label, f"unit {unit[1]}, {lines}" if unit else lines]
    if others:
        brought = ", ".join(of_others) or "nothing"
        rows = [f'{label}<tspan class="lines" dx="7">{lines}</tspan>', f"of project: {brought}"]
    return [
        f'<g><title>{escape(room.said)}</title><rect class="room{kind}" x="{x - width / 2:.0f}" y="{y:.0f}" '
        f'width="{width:.0f}" height="{ROOM_HEIGHT}" rx="5"/>',
        f'<text class="name" x="{x:.0f}" y="{y + 18:.0f}">{rows[0]}</text>',
        f'<text class="lines" x="{x:.0f}" y="{y + 33:.0f}">{rows[1]}</text></g>',
    ]


def rounded(lines: int) -> str:
    """To hundreds, and to tens below one: a line more is no reason to draw anew."""
    return f"{round(lines, -2):,}" if lines >= 100 else f"{max(10, round(lines, -1))}"


def draw(grader: House, project: House) -> str:
    upper, middle = draw_house(grader, ["project"], top=92)
    lower, end = draw_house(project, [], top=middle + 44)
    roof = f"M8 92 L{WIDTH / 2:.0f} 14 L{WIDTH - 8} 92 Z"
    height = end + 20
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            'aria-label="The rooms of grader and project, floor by floor, with arrows down to what they import">',
            f"<style>{STYLE}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="2" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path class="head" d="M0 0 L8 4 L0 8 Z"/></marker></defs>',
            f'<rect class="paper" width="{WIDTH}" height="{height:.0f}" rx="12"/>',
            f'<path class="roof" d="{roof}"/>',
            f'<text class="roof-text" x="{WIDTH / 2:.0f}" y="76">Fifteen Epochs</text>',
            *upper,
            f'<path class="arrow" d="M{WIDTH / 2:.0f} {middle:.0f} V{middle + 38:.0f}" marker-end="url(#head)"/>',
            f'<text class="said" x="{WIDTH / 2 + 12:.0f}" y="{middle + 26:.0f}">'
            "each room of grader says which rooms of project it imports</text>",
            *lower,
            "</svg>\n",
        ]
    )


def list_rooms(*houses: House) -> str:
    """The rooms as Markdown, from the top floor down: what each is for, in its own words."""
    listed = []
    for house in houses:
        listed += [f"\n**{house.package}/** {house.said}\n", "| room | what it is for |", "|---|---|"]
        for name in itertools.chain(*house.floors):
            place = house.place_of(name)
            said = house.rooms[name].said.replace("|", "\\|")
            listed.append(f"| [{place}](../{house.package}/{place}) | {said} |")
    return "\n".join(listed) + "\n"


def main() -> None:
    grader, project = read_house("grader"), read_house("project")
    PICTURE.write_text(draw(grader, project), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(ROOMS_OF_THE_PAGE.sub(lambda _: list_rooms(grader, project), page), encoding="utf-8")


if __name__ == "__main__":
    main()
