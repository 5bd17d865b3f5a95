"""What a notebook's loop adds to the loss or does to gradients, found without running anything."""

import ast
from typing import Any

from grader.intake.pasted.finder import NETWORK_S_PARAMETERS, Finder, Settings, listed
from grader.intake.pasted.plain_code import DEEPEST, Function, NotPlain, Scope, argument, number, own_nodes

LOSSES = (
    "NLLLoss",
    "BCELoss",
    "BCEWithLogitsLoss",
    "MSELoss",
    "L1Loss",
    "SmoothL1Loss",
    "KLDivLoss",
    "MultiMarginLoss",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "kl_div",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)


class Loss(Finder):
    """What a notebook's code says of its loss."""

    def find_regularization(self) -> list[Settings]:
        """`model.regularization`: what the loop adds to the loss, or does to gradients."""
        found = []
        for call, scope in list(self.made(["CrossEntropyLoss", "cross_entropy"], "nn")):
            given = self.arguments(
                call, scope, "loss", leave=("input", "target", "params", "lr", "reduction", "weight")
            )
            if any(word.arg == "weight" for word in call.keywords):
                self.say("loss: its weights of the classes are left out")
            if smoothing := given.get("label_smoothing"):
                found.append(regularizer("LabelSmoothing", smoothing=smoothing))
                break
        if others := list(self.made(LOSSES, "nn")):
            name = self.code.dotted(others[0][0].func).rpartition(".")[2]
            same = (
                ", which is the same where the network ends in log_softmax" if name in ("NLLLoss", "nll_loss") else ""
            )
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
        """The factor with which a penalty stands in an expression, whose terms are taken; None where it holds none.

        Raises NotPlain.
        """
        factor = self.factor_of(node, kind, penalties, scope, depth)
        if factor is not None and not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
            self.code.take(node)
        return factor

    def factor_of(
        self, node: ast.expr, kind: str, penalties: dict[str, float | None], scope: Scope, depth: int
    ) -> float | None:
        """The factor with which a penalty stands in an expression; None where it holds none. Raises NotPlain."""
        self.code.spend()
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


def regularizer(name: str, **arguments: Any) -> Settings:
    return {"class_path": f"project.regularization.{name}", "init_args": arguments}


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
