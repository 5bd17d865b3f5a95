"""How a notebook trains: optimizer, schedule, epochs and batches, found without running anything.

Each finder gives settings in the form of a configuration, and says a line for what it found and for what it could not tell.
"""

import ast
from collections.abc import Iterator

from grader.intake.pasted.finder import NETWORK_S_PARAMETERS, REQUIRED, Finder, Settings, listed
from grader.intake.pasted.plain_code import DEEPEST, DEFINITIONS, Function, NotPlain, PlainCode, Scope, argument
from project.training.class_aliases import MODULES

OPTIMIZERS = MODULES["torch.optim"].split()
SCHEDULES = MODULES["torch.optim.lr_scheduler"].split()
CANNOT_BE_KEPT = ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")
ONCE_A_BATCH = ("OneCycleLR", "CyclicLR")
OF_THE_RUN = ("total_steps", "steps_per_epoch", "epochs", "last_epoch", "verbose")  # known here without being told
OF_PLATEAU = ("factor", "patience")


class Training(Finder):
    """What a notebook's code says of its training.

    Attributes:
        optimizer: The call that makes the optimizer, and the function that it stands in; None where there is none.
    """

    def __init__(self, code: PlainCode):
        super().__init__(code)
        optimizers = list(self.made(OPTIMIZERS, "optim"))
        self.optimizer = optimizers[-1] if optimizers else None
        if len({ast.unparse(call) for call, _ in optimizers}) > 1:
            self.say(f"{len(optimizers)} optimizers are made: the last one is taken")

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
        if unknown := [each for each in REQUIRED.get(name, ()) if each not in found]:
            self.say(f"schedule: {name} has no default for {', '.join(unknown)}: left out; set model.scheduler")
            return None
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
        self.code.spend(100)  # for it looks at all of the notebook
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

    def statements_that_train(self) -> list[int]:
        """The numbers of the statements at the top in which gradients are computed."""
        training = self.functions_that_train()
        nodes = enumerate(each.node for each in self.code.statements)
        return [n for n, node in nodes if not isinstance(node, DEFINITIONS) and self.trains(node, training)]

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
