"""How a notebook trains: optimizer, schedule, loss, epochs, batches and images, found without running anything.

Each finder gives settings in the form of a configuration, and says a line for what it found and for what it could not tell.
"""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from grader.intake.pasted.plain_code import DEEPEST, Function, NotPlain, PlainCode, Scope, argument, number, own_nodes
from grader.safe_text import printable
from project.training.class_aliases import MODULES

OPTIMIZERS = MODULES["torch.optim"].split()
SCHEDULES = MODULES["torch.optim.lr_scheduler"].split()
CANNOT_BE_KEPT = ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")
ONCE_A_BATCH = ("OneCycleLR", "CyclicLR")
OF_THE_RUN = ("total_steps", "steps_per_epoch", "epochs", "last_epoch", "verbose")  # known here without being told
POSITIONS = {  # of arguments that are often given without their names
    "SGD": ["params", "lr", "momentum", "dampening", "weight_decay", "nesterov"],
    "RMSprop": ["params", "lr", "alpha", "eps", "weight_decay", "momentum"],
    "StepLR": ["optimizer", "step_size", "gamma"],
    "MultiStepLR": ["optimizer", "milestones", "gamma"],
    "ExponentialLR": ["optimizer", "gamma"],
    "CosineAnnealingLR": ["optimizer", "T_max", "eta_min"],
    "CosineAnnealingWarmRestarts": ["optimizer", "T_0", "T_mult", "eta_min"],
    "OneCycleLR": ["optimizer", "max_lr"],
    "ReduceLROnPlateau": ["optimizer", "mode", "factor", "patience"],
}
OF_PLATEAU = ("factor", "patience")
NETWORK_S_PARAMETERS = ("parameters", "named_parameters")
LOSSES = (
    "NLLLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "KLDivLoss",
    "MultiMarginLoss",
)
CHANGES_IMAGES = ("ColorJitter", "AutoAugment", "RandAugment", "TrivialAugmentWide", "GaussianBlur", "ElasticTransform")
Settings = dict[str, Any]


class Training:
    """What a notebook's code says of its training.

    Attributes:
        optimizer: The call that makes the optimizer, and the function that it stands in; None where there is none.
        said: What was found, and what could not be told, a line each.
    """

    def __init__(self, code: PlainCode):
        self.code = code
        self.said: list[str] = []
        self.network: list[ast.stmt] = []
        optimizers = list(self.made(OPTIMIZERS, "optim"))
        self.optimizer = optimizers[-1] if optimizers else None
        if len({ast.unparse(call) for call, _ in optimizers}) > 1:
            self.say(f"{len(optimizers)} optimizers are made: the last one is taken")

    def say(self, line: str) -> None:
        if line not in self.said:
            self.said.append(line)

    def made(self, names: list[str] | tuple[str, ...], module: str) -> Iterator[tuple[ast.Call, Scope]]:
        """The calls of these classes of torch, in the order of the source."""
        for node, scope in self.code.walk(self.network):
            if isinstance(node, ast.Call):
                path = self.code.dotted(node.func).split(".")
                if path[-1] in names and (len(path) == 1 or path[0] == "torch" or module in path):
                    yield node, scope

    @property
    def trained(self) -> tuple[ast.expr, Scope] | None:
        """What the optimizer calls the network whose parameters it gets."""
        if self.optimizer is None:
            return None
        call, scope = self.optimizer
        for node in ast.walk(argument(call, "params", ["params"]) or call):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in NETWORK_S_PARAMETERS
            ):
                return node.func.value, scope
        return None

    def arguments(self, call: ast.Call, scope: Scope, what: str, leave: tuple[str, ...] = ()) -> Settings:
        """The arguments of a call but its first, as far as they are plain."""
        names = POSITIONS.get(self.code.dotted(call.func).rpartition(".")[2], ["params", "lr"])
        given = {**dict(zip(names, call.args)), **{word.arg: word.value for word in call.keywords if word.arg}}
        if len(call.args) > len(names) or any(word.arg is None for word in call.keywords):
            self.say(f"{what}: an argument has no name here: set it in config.yaml")
        found = {}
        for name, value in given.items():
            if name not in (names[0], *leave):
                try:
                    found[name] = self.code.constant(value, scope)
                except NotPlain as why:
                    self.say(f"{what}: {printable(name)} {why}: PyTorch's default stays")
        return found

    def find_optimizer(self) -> Settings | None:
        """`model.optimizer`; None where there is none to be found."""
        if self.optimizer is None:
            self.say("optimizer: none of torch.optim is made: plain SGD, of configs/base.yaml, stays")
            return None
        call, scope = self.optimizer
        name = self.code.dotted(call.func).rpartition(".")[2]
        if isinstance(argument(call, "params", ["params"]), ast.List):
            self.say("optimizer: its groups of parameters become one")
        found = self.arguments(call, scope, "optimizer", leave=("foreach", "fused", "capturable"))
        if name == "SGD" and "lr" not in found:
            found["lr"] = 1e-3
        self.say(f"optimizer: {name}{listed(found)}")
        return {"class_path": f"torch.optim.{name}", **({"init_args": found} if found else {})}

    def find_schedule(self, optimizer: Settings, epochs: int) -> Settings | None:
        """`model.scheduler`; None for a constant rate."""
        made = list(self.made((*SCHEDULES, *CANNOT_BE_KEPT), "lr_scheduler"))
        if not made:
            return None
        call, scope = made[-1]
        name = self.code.dotted(call.func).rpartition(".")[2]
        variable = self.name_of(call)
        steps = list(self.loops_around_steps(variable))
        if not steps:
            self.say(f"schedule: {name} is made, but stepped nowhere: left out")
            return None
        if name in CANNOT_BE_KEPT:
            self.say(f"schedule: {name} cannot be told: left out")
            return None
        once_a_batch = max(steps) > 1
        if once_a_batch != (name in ONCE_A_BATCH):
            there, here = ("a batch", "an epoch") if once_a_batch else ("an epoch", "a batch")
            self.say(f"schedule: {name} is stepped once {there}, here it would be once {here}: left out")
            return None
        found = self.arguments(call, scope, "schedule", leave=OF_THE_RUN)
        lr = (optimizer.get("init_args") or {}).get("lr", 1e-3)
        if name == "ReduceLROnPlateau":
            found = {key: value for key, value in found.items() if key in OF_PLATEAU}
            self.say(f"schedule: {name}{listed(found)} becomes Plateau, which watches val/loss")
            defaults = {"factor": 0.1, "patience": 10}
            return {"class_path": "project.optimization.Plateau", "init_args": {**defaults, **found}}
        self.say(f"schedule: {name}{listed(found)}")
        if found.get("eta_min", 0) == lr:
            self.say(f"schedule: {name} does nothing: its eta_min {lr:g} is the optimizer's lr")
        if isinstance(size := found.get("step_size"), int) and size >= epochs:
            self.say(f"schedule: {name} does nothing: its first step comes after epoch {size}, the last is {epochs}")
        return {"class_path": f"torch.optim.lr_scheduler.{name}", **({"init_args": found} if found else {})}

    def name_of(self, call: ast.Call) -> str:
        """The variable that a call's result is assigned to."""
        for node, _ in self.code.walk():
            if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Name):
                return node.targets[0].id
        return ""

    def loops_around_steps(self, variable: str) -> Iterator[int]:
        """For each `variable.step()`, how many loops it runs in."""
        names = {variable, *self.passed_as(variable)}
        for node, loops, scope in self.walk_loops():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "step":
                if isinstance(node.func.value, ast.Name) and node.func.value.id in names:
                    yield loops + self.loops_around_calls(scope)

    def passed_as(self, variable: str) -> Iterator[str]:
        """What functions that get a variable call it."""
        for name, calls in self.code.calls.items():
            if name in self.code.functions:
                parameters = [each.arg for each in self.code.functions[name].args.args]
                for call, _ in calls:
                    for parameter in parameters:
                        value = argument(call, parameter, parameters)
                        if isinstance(value, ast.Name) and value.id == variable:
                            yield parameter

    def walk_loops(self) -> Iterator[tuple[ast.AST, int, Scope]]:
        """Every node outside of the network, with the number of loops around it in its function."""
        for statement in self.code.statements:
            if statement.node in self.network:
                continue
            waiting: list[tuple[ast.AST, int, Scope]] = [(statement.node, 0, None)]
            while waiting:
                node, loops, scope = waiting.pop()
                yield node, loops, scope
                if isinstance(node, Function):
                    loops, scope = 0, node
                elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
                    loops += 1
                waiting += [(child, loops, scope) for child in reversed(list(ast.iter_child_nodes(node)))]

    def loops_around_calls(self, function: Scope, depth: int = 0) -> int:
        """In how many loops a function is called."""
        if function is None or depth > DEEPEST:
            return 0
        wanted = {id(call) for call, _ in self.code.calls.get(function.name, [])}
        around = [(loops, scope) for node, loops, scope in self.walk_loops() if id(node) in wanted]
        return max((loops + self.loops_around_calls(scope, depth + 1) for loops, scope in around[:5]), default=0)

    # Epochs and batches.

    def find_epochs(self, default: int) -> int:
        """`trainer.max_epochs`: of all loops that train, together where they train the same network."""
        loops = self.epoch_loops()
        counts = []
        for loop, scope in loops:
            try:
                counts.append(self.count(loop.iter, scope))
            except NotPlain as why:
                self.say(f"epochs: their number {why}: {default}, of configs/base.yaml, stay")
                return default
        if not counts:
            self.say(f"epochs: no loop that trains is found: {default}, of configs/base.yaml, stay")
            return default
        if len(counts) > 1:
            self.say(f"epochs: {len(counts)} loops train, {' + '.join(map(str, counts))} epochs: all are counted")
        self.say(f"epochs: {sum(counts)}")
        return sum(counts)

    def epoch_loops(self) -> list[tuple[ast.For, Scope]]:
        """The outermost loops in which gradients are computed, in the functions that hold them or call what does."""
        found: list[tuple[ast.For, Scope]] = []
        outer: set[int] = set()
        training = self.functions_that_train()
        for node, scope in self.code.walk(self.network):
            if isinstance(node, ast.For) and id(node) not in outer and self.trains(node, training):
                outer |= {id(each) for each in ast.walk(node)}
                if not self.is_called_in_a_loop(scope, training):
                    found.append((node, scope))
        return found

    def functions_that_train(self) -> set[str]:
        names: set[str] = set()
        for _ in range(DEEPEST):
            more = {name for name, function in self.code.functions.items() if self.trains(function, names)}
            if more == names:
                break
            names = more
        return names

    def trains(self, node: ast.AST, functions: set[str]) -> bool:
        calls = [each.func for each in ast.walk(node) if isinstance(each, ast.Call)]
        return any(getattr(f, "attr", "") == "backward" or getattr(f, "id", "") in functions for f in calls)

    def is_called_in_a_loop(self, function: Scope, training: set[str]) -> bool:
        return function is not None and function.name in training and self.loops_around_calls(function) > 0

    def count(self, iterated: ast.expr, scope: Scope) -> int:
        """How often a loop over range(...), trange(...) or tqdm(range(...)) runs. Raises NotPlain."""
        name = self.code.dotted(iterated.func).rpartition(".")[2] if isinstance(iterated, ast.Call) else ""
        if isinstance(iterated, ast.Call) and name in ("tqdm", "enumerate", "notebook") and iterated.args:
            return self.count(iterated.args[0], scope)
        if not isinstance(iterated, ast.Call) or name not in ("range", "trange") or not 1 <= len(iterated.args) <= 3:
            raise NotPlain("is not that of a range")
        ends = [self.code.constant(each, scope) for each in iterated.args]
        if not all(type(end) is int for end in ends) or len(ends) == 3 and not ends[2]:
            raise NotPlain("is not that of whole numbers")
        return len(range(*ends))

    def find_batch_size(self, default: int) -> int:
        """`data.batch_size`: of the DataLoader that the loops train on."""
        loaders = list(self.made(["DataLoader"], "data"))
        iterated = {
            each.id
            for loop, _ in self.epoch_loops()
            for inner in ast.walk(loop)
            if isinstance(inner, ast.For) and any(getattr(n, "attr", "") == "backward" for n in ast.walk(inner))
            for each in ast.walk(inner.iter)
            if isinstance(each, ast.Name)
        }
        named = [(call, scope) for call, scope in loaders if self.name_of(call) in iterated]
        training = named or [one for one in loaders if "train" in ast.unparse(one[0]).lower()] or loaders[:1]
        if not training:
            self.say(f"batch size: no DataLoader is found: {default}, of configs/base.yaml, stays")
            return default
        call, scope = training[-1]
        value = argument(call, "batch_size", ["dataset", "batch_size"])
        try:
            size = self.code.constant(value, scope) if value else 1
            if type(size) is not int or not 1 <= size <= 65536:
                raise NotPlain("is no number of images")
        except NotPlain as why:
            self.say(f"batch size: it {why}: {default}, of configs/base.yaml, stays")
            return default
        self.say(f"batch size: {size}")
        return size

    # The loss.

    def find_regularization(self) -> list[Settings]:
        """`model.regularization`: what the loop adds to the loss, or does to gradients."""
        found = []
        for call, scope in self.made(["CrossEntropyLoss", "cross_entropy"], "nn"):
            given = self.arguments(
                call, scope, "loss", leave=("input", "target", "params", "lr", "reduction", "weight")
            )
            if any(word.arg == "weight" for word in call.keywords):
                self.say("loss: its weights of the classes are left out")
            if smoothing := given.get("label_smoothing"):
                found.append(regularizer("LabelSmoothing", smoothing=smoothing))
                break
        if other := next(self.made(LOSSES, "nn"), None):
            name = self.code.dotted(other[0].func).rpartition(".")[2]
            same = ", which is the same where the network ends in log_softmax" if name == "NLLLoss" else ""
            self.say(f"loss: {name}; here it is cross-entropy{same}")
        for kind, name in (("l1", "L1"), ("l2", "L2")):
            if self.has_penalty(kind):
                try:
                    found.append(regularizer(name, factor=self.penalty_factor(kind)))
                except NotPlain as why:
                    self.say(f"loss: its {name} penalty's factor {why}: left out")
        for call, scope in self.made(["clip_grad_norm_"], "utils"):
            try:
                value = argument(call, "max_norm", ["parameters", "max_norm"])
                found.append(regularizer("GradientClipping", max_norm=self.code.constant(value or call, scope)))
            except NotPlain as why:
                self.say(f"gradient clipping: its norm {why}: left out")
        unique = list({each["class_path"]: each for each in found}.values())
        for each in unique:
            self.say(f"regularization: {each['class_path'].rpartition('.')[2]}{listed(each['init_args'])}")
        return unique

    def has_penalty(self, kind: str) -> bool:
        """Whether something is summed over the network's parameters, as in `sum(p.abs().sum() for p in model.parameters())`."""
        for node, _ in self.code.walk(self.network):
            loops = getattr(node, "generators", [node] if isinstance(node, ast.For) else [])
            if any(reads_parameters(loop.iter) for loop in loops) and any(
                measures(each, kind) for each in ast.walk(node)
            ):
                return True
        return False

    def penalty_factor(self, kind: str) -> float:
        """The factor with which a penalty is added to what `backward` is called on. Raises NotPlain."""
        penalties: dict[str, float | None] = {}  # names that hold one, with its factor; None where that is not plain
        nodes = list(self.code.walk(self.network))
        backward = [owner for node, _ in nodes if (owner := called_on(node, "backward"))]
        losses = {each.id for each in backward if isinstance(each, ast.Name)}
        for node, scope in nodes:  # in the order of the source
            target = assigned(node)
            if target and isinstance(node, ast.Assign | ast.AugAssign):
                value: ast.expr = node.value
            elif isinstance(node, ast.expr) and node in backward and not isinstance(node, ast.Name):
                value, target = node, "loss"
                losses.add("loss")
            else:
                continue
            try:
                factor = self.factor_in(value, kind, penalties, scope)
            except NotPlain:
                if target in losses:
                    raise
                penalties[target] = None
                continue
            if factor is not None and target in losses:
                return factor
            if factor is not None:
                penalties[target] = factor
        raise NotPlain("is not found in the loss")

    def factor_in(
        self, node: ast.expr, kind: str, penalties: dict[str, float | None], scope: Scope, depth: int = 0
    ) -> float | None:
        """The factor with which a penalty stands in an expression; None where it holds none. Raises NotPlain."""
        if depth > DEEPEST:
            raise NotPlain("is nested too deeply")
        if isinstance(node, ast.Name):
            if node.id in penalties and penalties[node.id] is None:
                raise NotPlain("is computed")
            return penalties.get(node.id)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult | ast.Div):
            left, right = (self.factor_in(side, kind, penalties, scope, depth + 1) for side in (node.left, node.right))
            if isinstance(node.op, ast.Add) or left is None and right is None:
                return right if left is None else left
            if left is None and isinstance(node.op, ast.Mult):
                return float(number(self.code.constant(node.left, scope))) * (right or 0.0)
            if right is None and left is not None and (times := float(number(self.code.constant(node.right, scope)))):
                return left * times if isinstance(node.op, ast.Mult) else left / times
            raise NotPlain("is computed")
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if isinstance(node.func, ast.Name) and name in self.code.functions:
                return self.factor_of_function(self.code.functions[name], kind, depth + 1)
            inside = node.args[0] if name == "sum" and node.args else None
            if isinstance(inside, ast.GeneratorExp | ast.ListComp):
                return self.factor_in(inside.elt, kind, penalties, scope, depth + 1)
        return 1.0 if any(measures(each, kind) for each in ast.walk(node)) else None

    def factor_of_function(self, function: Function, kind: str, depth: int) -> float | None:
        """The factor of the penalty that a function returns; None where it returns none. Raises NotPlain."""
        penalties: dict[str, float | None] = {}
        returned = None
        for each in own_nodes(function.body):
            if isinstance(each, ast.Return) and each.value:
                returned = self.factor_in(each.value, kind, penalties, function, depth)
            elif (target := assigned(each)) and isinstance(each, ast.Assign | ast.AugAssign):
                if (factor := self.factor_in(each.value, kind, penalties, function, depth)) is not None:
                    penalties[target] = factor
        return returned

    # The images.

    def find_images(self) -> tuple[str, Settings]:
        """The name of the table of training images (empty if there is none), and `data.mean` and `data.std`."""
        tables = []
        for node, scope in self.code.walk(self.network):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "attr", "") in ("read_csv", "loadtxt", "genfromtxt")
                and node.args
            ):
                try:
                    path = str(self.code.constant(node.args[0], scope))
                    tables.append(PureWindowsPath(PurePosixPath(path).name).name)
                except NotPlain:
                    continue
        table = next((name for name in tables if "train" in name.lower()), tables[0] if tables else "")
        for call, _ in self.made(CHANGES_IMAGES, "transforms"):
            self.say(
                f"augmentation: {self.code.dotted(call.func).rpartition('.')[2]} is not read: see data.augmentation"
            )
        for node, _ in self.code.walk(self.network):
            if (
                isinstance(node, ast.Call)
                and "Random" in (name := self.code.dotted(node.func))
                and "transforms" in name
            ):
                self.say(f"augmentation: {name.rpartition('.')[2]} is not read: see data.augmentation")
        if any(self.made(["Normalize", "StandardScaler"], "transforms")):
            self.say("images: each channel is given mean 0 and deviation 1, by the training images' own")
            return table, {}
        if any(divides_by_255(node) for node, _ in self.code.walk(self.network)):
            self.say("images: divided by 255 and nothing else (mean 0, std 1)")
            return table, {"mean": [0.0], "std": [1.0]}
        self.say("images: how they are scaled is not found: each channel gets mean 0 and deviation 1")
        return table, {}


def regularizer(name: str, **arguments: Any) -> Settings:
    return {"class_path": f"project.regularization.{name}", "init_args": arguments}


def listed(arguments: Settings) -> str:
    """Arguments as a line shows them."""
    return "".join(f", {printable(name)} {printable(str(value))}" for name, value in arguments.items())


def assigned(node: ast.AST) -> str:
    """The one name that a statement assigns to."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    return node.target.id if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) else ""


def called_on(node: ast.AST, method: str) -> ast.expr | None:
    """What a method is called on; None where the node is no such call."""
    is_method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method
    return node.func.value if is_method else None  # type: ignore[attr-defined]


def measures(node: ast.AST, kind: str) -> bool:
    """Whether a node measures weights: `abs` or a 1-norm for l1, a square for l2."""
    if isinstance(node, ast.BinOp):
        power = node.right.value if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) else None
        return kind == "l2" and power == 2
    if not isinstance(node, ast.Call):
        return False
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    given = {
        each.value for each in [*node.args, *(word.value for word in node.keywords)] if isinstance(each, ast.Constant)
    }
    if kind == "l1":
        return name == "abs" or name in ("norm", "vector_norm") and 1 in given
    return name == "square" or name == "pow" and 2 in given


def reads_parameters(node: ast.AST) -> bool:
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
    return any(getattr(call.func, "attr", "") in NETWORK_S_PARAMETERS for call in calls)


def divides_by_255(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        by = node.right if isinstance(node, ast.BinOp) else node.value
        return isinstance(by, ast.Constant) and by.value == 255
    return isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "ToTensor"
