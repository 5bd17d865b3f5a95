"""Where a notebook's images come from and how it scales their pixels, found by following its arithmetic without running it."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from grader.intake.pasted.finder import Finder, Settings
from grader.intake.pasted.handles import label, last, root
from grader.intake.pasted.plain_code import DEEPEST, Function, NotPlain, argument, arguments, number, own_nodes
from grader.safe_text import printable

OF_ALL = "each channel gets mean 0 and deviation 1, by the training images' own"
STATISTICS = {
    "mean": "mean",
    "std": "std",
    "max": "other",
    "min": "other",
    "amax": "other",
    "amin": "other",
    "var": "other",
}

MOST_QUOTED = 80  # characters of a call
OF_FOLDER = "`class_path: ImageArchive` with `init_args: {path: data}`, the folder that holds train/"
DATASETS = {  # of torchvision, and what reads the same images here
    "ImageFolder": OF_FOLDER,
    "CIFAR10": "`class_path: CIFAR10`",
    "MNIST": "`class_path: IDXImages` with `init_args: {path: MNIST/raw}`",
    "FashionMNIST": "`class_path: FashionMNIST`",
}


def write(source: str) -> str:
    return f"write {source} there, or another of docs/data.md"


class Scaled(NamedTuple):
    """Pixels as `factor * pixel + shift`, of which statistics of the images were taken; `lost` says why that cannot be told."""

    factor: float = 1.0
    shift: float = 0.0
    taken: frozenset[str] = frozenset()
    lost: str = ""


class Statistic(NamedTuple):
    """A number that is computed from the images: their `mean`, their `std`, or another."""

    kind: str


Value = Scaled | Statistic | float | list[Any]


class Images(Finder):
    """What a notebook's code says of its images."""

    def find_images(self) -> tuple[str, Settings]:
        """The name of the table of training images (empty if there is none), and `data.mean` and `data.std`."""
        scaled = self.scaled()
        if isinstance(scaled, dict):
            self.say(f"images: mean {scaled['mean']}, std {scaled['std']}, as Normalize has them")
            return self.table(), scaled
        if scaled.lost:
            self.say(f"images: how they are scaled cannot be told ({scaled.lost}): {OF_ALL}")
        elif scaled.taken == {"mean", "std"}:
            self.say(f"images: {OF_ALL}")
        elif scaled == Scaled():
            self.say(f"images: how they are scaled is not found: {OF_ALL}")
        else:
            std = 1 / (255 * scaled.factor)
            mean, std = (round(value, 6) + 0.0 for value in (-scaled.shift * std, std))  # never -0.0
            nothing_else = "divided by 255 and nothing else (mean 0, std 1)"
            plain = (mean, std) == (0, 1)
            self.say(f"images: {nothing_else if plain else f'mean {mean:g}, std {std:g}, for pixels in [0, 1]'}")
            return self.table(), {"mean": [mean], "std": [std]}
        return self.table(), {}

    def table(self) -> str:
        tables = []
        for node, scope in self.code.walk(self.network):
            if isinstance(node, ast.Call) and last(node.func) in ("read_csv", "loadtxt", "genfromtxt") and node.args:
                try:
                    path = str(self.code.constant(node.args[0], scope))
                    tables.append(PureWindowsPath(PurePosixPath(path).name).name)
                except NotPlain:
                    continue
        return next((name for name in tables if "train" in name.lower()), tables[0] if tables else "")

    def not_taken(self) -> str:
        """A line about images that are no table: the call of a data set that gives them, and what to write for it."""
        for node, _ in self.code.walk(self.network):
            if isinstance(node, ast.Call) and last(node.func) in DATASETS:
                called = printable(ast.unparse(node))[:MOST_QUOTED]
                return (
                    f"data.source: {called} ({self.code.where(node)}) is not taken: {write(DATASETS[last(node.func)])}"
                )
        return f"data.source: where the images come from is not found: {write(OF_FOLDER)}"

    def scaled(self) -> Scaled | Settings:
        """How the images that the network is trained on are scaled; settings where a transform says so."""
        for call, scope in self.made(["Normalize"], "transforms"):
            try:
                given = {key: argument(call, key, ["mean", "std"]) for key in ("mean", "std")}
                values = {key: self.code.constant(each or call, scope) for key, each in given.items()}
                return {key: [float(number(one)) for one in flat(each)] for key, each in values.items()}
            except NotPlain:  # computed, as from the images
                return Scaled(taken=frozenset({"mean", "std"}))
        loaded, known = list[tuple[str, Scaled]](), dict[str, Value]()
        for statement in self.code.statements:
            if statement.node not in self.network:
                loaded += self.follow([statement.node], known, 0)
        found = next((scaled for text, scaled in loaded if "train" in text), loaded[0][1] if loaded else None)
        if found is None or found == Scaled():  # as by a data set of its own, or in the loop
            elsewhere = list(self.in_passing())
            found = elsewhere[0] if elsewhere else Scaled()
            if any(each != found for each in elsewhere):
                return Scaled(lost="in several ways")
        if found.lost or not found.taken and found.factor > 0 or found.taken == {"mean", "std"}:
            return found
        return Scaled(lost="by their mean or deviation alone" if found.taken else "by nothing above 0")

    def in_passing(self) -> Iterator[Scaled]:
        """What is done to pixels wherever they are divided by 255: the outermost arithmetic around that."""
        inner: set[int] = set()
        for node, _ in self.code.walk(self.network):
            if isinstance(node, ast.BinOp) and id(node) not in inner and any(map(by_255, ast.walk(node))):
                inner |= {id(each) for each in ast.walk(node)}
                value = self.value(node, {}, 0)
                if isinstance(value, Scaled):
                    self.code.take(node)
                    yield value
            elif isinstance(node, ast.AugAssign) and by_255(node) or isinstance(node, ast.Call) and by_255(node):
                yield Scaled(1 / 255)

    def follow(self, body: list[ast.stmt], known: dict[str, Value], depth: int) -> Iterator[tuple[str, Scaled]]:
        """Keep account of what names stand for through statements; gives what is loaded in batches, with its source."""
        for node in own_nodes(body):
            if isinstance(node, ast.Assign):
                value = self.value(node.value, known, depth)
                for target in node.targets:
                    parts = target.elts if isinstance(target, ast.Tuple | ast.List) else []
                    several = value if isinstance(value, list) and len(value) == len(parts) else [value] * len(parts)
                    known.update(zip(map(root, parts or [target]), several or [value]))
            elif isinstance(node, ast.AugAssign):
                before, by = self.value(node.target, known, depth), self.value(node.value, known, depth)
                known[root(node.target)] = self.combined(before, node.op, by, node)
            elif isinstance(node, ast.Call) and last(node.func) == "DataLoader" and (node.args or node.keywords):
                images = argument(node, "dataset", ["dataset"])
                value = self.value(images, known, depth) if images else Scaled()
                value = value[0] if isinstance(value, list) and value else value
                if isinstance(value, Scaled):
                    yield ast.unparse(node).lower(), value

    def value(self, node: ast.expr, known: dict[str, Value], depth: int) -> Value:
        """What an expression stands for; unscaled pixels where nothing is known of it."""
        if depth > DEEPEST:
            return Scaled()
        if (name := label(node)) in known and name:
            return known[name]
        if isinstance(node, ast.Tuple | ast.List):
            return [self.value(each, known, depth + 1) for each in node.elts]
        if isinstance(node, ast.BinOp):
            left, right = (self.value(side, known, depth + 1) for side in (node.left, node.right))
            return self.combined(left, node.op, right, node)
        if isinstance(node, ast.Attribute | ast.Subscript):
            return self.value(node.value, known, depth + 1)
        if isinstance(node, ast.Call):
            return self.called(node, known, depth + 1)
        try:
            return float(number(self.code.constant(node)))
        except NotPlain:
            return Scaled()

    def called(self, call: ast.Call, known: dict[str, Value], depth: int) -> Value:
        """What a call gives: a statistic, what a function of the notebook returns, or else what it is given."""
        name, owner = last(call.func), getattr(call.func, "value", None)
        if isinstance(owner, ast.Name) and owner.id in self.code.imports:
            owner = None
        given = [self.value(each, known, depth) for each in ([owner] if owner is not None else []) + call.args]
        first = given[0] if given else Scaled()
        if name in STATISTICS and isinstance(first, Scaled):
            return Statistic(STATISTICS[name])
        if name == "StandardScaler":
            return Scaled(taken=frozenset({"mean", "std"}))  # until it is used
        if name.endswith("Scaler"):
            return Scaled(lost=self.code.where(call))
        if name == "train_test_split":
            return [each for each in given for _ in range(2)]
        if isinstance(function := self.code.functions.get(label(call.func)), Function):
            self.code.spend(20)
            inside: dict[str, Value] = dict(zip(arguments(function), given))
            list(self.follow(function.body, inside, depth))
            returned = next((each.value for each in own_nodes(function.body) if isinstance(each, ast.Return)), None)
            return self.value(returned, inside, depth) if returned else Scaled()
        return first

    def combined(self, left: Value, by: ast.operator, right: Value, node: ast.stmt | ast.expr) -> Value:
        """The result of an operation that stands at `node`."""
        if isinstance(right, Scaled) and isinstance(left, float) and isinstance(by, ast.Mult | ast.Add):
            left, right = right, left
        if not isinstance(left, Scaled):  # of numbers and statistics
            given = [each for each in (left, right) if isinstance(each, Statistic)]
            return given[0] if len(given) == 1 else Statistic("other")
        lost = Scaled(lost=left.lost or self.code.where(node))
        if isinstance(right, Statistic):
            kind = {ast.Sub: "mean", ast.Div: "std"}.get(type(by))
            return left._replace(taken=left.taken | {right.kind}) if kind == right.kind and not left.lost else lost
        if left.lost or left.taken or not isinstance(right, float):
            return lost
        if isinstance(by, ast.Add | ast.Sub):
            return left._replace(shift=left.shift + (right if isinstance(by, ast.Add) else -right))
        if isinstance(by, ast.Mult) or isinstance(by, ast.Div) and right:
            times = right if isinstance(by, ast.Mult) else 1 / right
            return left._replace(factor=left.factor * times, shift=left.shift * times)
        return lost


def by_255(node: ast.AST) -> bool:
    """Whether something is divided by 255 here."""
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        by = node.right if isinstance(node, ast.BinOp) else node.value
        return isinstance(by, ast.Constant) and by.value == 255
    return isinstance(node, ast.Call) and last(node.func) == "ToTensor"


def flat(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
