"""Mistakes in a student's own code: the module `mine`, and what is said of it."""

SMALL = [
    *("--config", "configs/base.yaml", "--data.source.train=40", "--data.source.val=20", "--data.source.test=10"),
    *("--data.batch_size=10", "--trainer.max_epochs=1", "--trainer.accelerator=cpu"),
    *("--run.wandb=disabled", "--run.diagnostics=false", "--run.figures=false"),
]
IMPORTS = """import torch
from torch import nn
from torch.nn import functional as F
from torchvision.transforms import v2
from project.augmentation import Augmentation
from project.initialization import Initialization
from project.normalization import Normalization
from project.regularization import Regularizer
"""
NET = """
class Net(nn.Module):
    def __init__(self, num_classes, in_channels, image_size):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 4, 3, padding=1, stride=4)
        self.head = nn.Linear(4 * (image_size // 4) ** 2, num_classes)

    def forward(self, x):
        return self.head(F.relu(self.conv(x)).flatten(1))
"""
BODY, LAST = "self.head(F.relu(self.conv(x)).flatten(1))", "        return self.head"
WHOLE = f"        return {BODY}"
OPTION = {
    "Reg": "--model.regularization+",
    "Ini": "--model.initialization",
    "Norm": "--model.normalization",
    "Aug": "--data.augmentation+",
    "Opt": "--model.optimizer",
    "Sched": "--model.scheduler",
}


def net(old: str, new: str) -> str:
    """The network with something else in it."""
    assert old in NET
    return NET.replace(old, new)


def returning(expression: str) -> str:
    return net(BODY, expression)


def own(header: str, *methods: str) -> str:
    """A network without a fault, and a class."""
    return f"{NET}\n\nclass {header}:\n" + "\n".join(
        f"    {line}" for method in methods for line in method.splitlines()
    )


def method(signature: str, body: str) -> str:
    return f"def {signature}:\n    {body}\n"


COUNTS = "        self.n = getattr(self, 'n', 0) + self.training\n"  # steps; the first batch is put back
REG, INI, NORM, AUG = "Reg(Regularizer)", "Ini(Initialization)", "Norm(Normalization)", "Aug(Augmentation)"
OPT, SCHED, V2 = "Opt(torch.optim.SGD)", "Sched(torch.optim.lr_scheduler.LRScheduler)", "Aug(v2.Transform)"

RAISED = {  # what a student's code raises, or torch of it: their line or class, the exception, and the cure
    "no super().__init__()": (
        net("        super().__init__()\n", ""),
        "in __init__: AttributeError: cannot assign module | begin __init__ with super().__init__()",
    ),
    "no forward": (
        NET[: NET.index("    def forward")],
        "mine.py, Net: NotImplementedError | write `def forward(self, x)`",
    ),
    "wrong width": (
        net("nn.Linear(4 *", "nn.Linear(1 + 4 *"),
        "in forward: RuntimeError: mat1 and mat2 | 32x32 colour: (N, 3, 32, 32) | write nn.Linear(256, 10)",
    ),
    "wrong channels": (net("in_channels, 4", "1, 4"), "expected input[10, 3, 32, 32] | write nn.Conv2d(3, ...)"),
    "wrong input shape": (
        net("self.conv(x)", "self.conv(x.flatten(1))"),
        "in forward: RuntimeError | behind the last one",
    ),
    "images to a fully connected layer": (
        net("(F.relu(self.conv(x)).flatten(1))", "(x)").replace("4 * (image_size // 4) ** 2", "image_size ** 2"),
        "mat1 and mat2 | write x.flatten(1) first, which makes 3 x 32 x 32 numbers of each",
    ),
    "a syntax error": (
        net("forward(self, x):", "forward(self, x)"),
        "line 16: SyntaxError | Python cannot read that line",
    ),
    "an indentation error": (
        net(LAST, "         x\n        return self.head"),
        "IndentationError | Python cannot read",
    ),
    "a misspelt name": (net("F.relu", "G.relu"), "in forward: NameError: name 'G' | an import of it is missing"),
    "a misspelt import": (f"import torhc\n{NET}", "line 9: ModuleNotFoundError | is torhc misspelt?"),
    "an error on import": (f"{NET}\nx = 1 / 0\n", "ZeroDivisionError: division by zero | look at that line"),
    "the end on import": (f"{NET}\nraise SystemExit(3)\n", "SystemExit: 3 | take sys.exit out"),
    "the end in forward": (net(WHOLE, "        raise SystemExit(0)"), "in forward: SystemExit: 0 | take sys.exit out"),
    "a misspelt layer": (net("self.conv(x)", "self.konv(x)"), "no attribute 'konv' | is konv misspelt"),
    "forward without x": (
        net("forward(self, x)", "forward(self)"),
        "line 16: TypeError | write `def forward(self, x)`",
    ),
    "forward of two": (
        net("forward(self, x)", "forward(self, x, y)"),
        "line 16: TypeError | write `def forward(self, x)`",
    ),
    "a GPU where there is none": (net("self.conv(x)", "self.conv(x.cuda())"), "in forward: | leave out .cuda()"),
    "NumPy": (net("self.conv(x)", "self.conv(x.numpy())"), "in forward: TypeError | NumPy knows no gradients"),
    "weights changed in place": (
        net(LAST, f"        self.conv.weight += 1\n{LAST}"),
        "in forward: RuntimeError: a leaf Variable | under torch.no_grad()",
    ),
    "a view of a fixed size": (returning("self.head(self.conv(x).view(7, -1))"), "RuntimeError: shape | x.flatten(1)"),
    "a view of one batch's size": (
        returning("self.head(self.conv(x).view(10, -1))"),
        "in forward: RuntimeError: shape '[10, -1]' | which keeps the batch's size",
    ),
    "recursion": (returning("self.forward(x)"), "RecursionError | it calls itself without end"),
    "an assertion": (net(LAST, f"        assert x.shape[1] == 1, 'grey'\n{LAST}"), "AssertionError: grey | asserts"),
    "a message of many lines": (
        net(WHOLE, "        raise ValueError('one\\n\\ntwo')"),
        "ValueError: one two | look at",
    ),
    "an endless message": (net(WHOLE, "        raise ValueError('x' * 10_000)"), "ValueError: xxx | xxx..."),
    "a message that fails": (
        f"class Bad(Exception):\n    def __str__(self):\n        return 1 / 0\n{net(WHOLE, '        raise Bad')}",
        "in forward: Bad: it cannot say what is wrong | look at",
    ),
    "a failure in evaluation": (
        net(LAST, f"        assert self.training\n{LAST}"),
        "in forward: AssertionError | asserts",
    ),
    "a failure in the fourth step": (
        net(LAST, f"{COUNTS}        x = x[:, :, 9:] if self.n > 3 else x\n{LAST}"),
        "in forward: RuntimeError: mat1 and mat2 | write nn.Linear(192, 10)",
    ),
    "draw of one": (
        own(INI, method("draw(self, weight)", "weight.normal_()")),
        "line 21: TypeError: Ini.draw() | write `def draw(self, weight, activation)`, as Initialization has it",
    ),
    "a failing draw": (
        own(INI, method("draw(self, weight, activation)", "weight.normale_()")),
        "in draw: AttributeError | is normale_ misspelt",
    ),
    "after of none": (
        own(NORM, method("after(self)", "return None")),
        "TypeError: Norm.after() | `def after(self, layer)`",
    ),
    "a normalization of the wrong size": (
        own(NORM, method("after(self, layer)", "return nn.BatchNorm2d(7) if isinstance(layer, nn.Conv2d) else None")),
        "in forward: RuntimeError: running_mean should contain 4 elements not 7 | such as nn.BatchNorm2d(4)",
    ),
    "penalty of none": (
        own(REG, method("penalty(self)", "return 0.0")),
        "line 21: TypeError: Reg.penalty() | write `def penalty(self, network)`, as Regularizer has it",
    ),
    "a failing penalty": (
        own(REG, method("penalty(self, network)", "return network.fc.weight.sum()")),
        "in penalty: AttributeError | is fc misspelt",
    ),
    "a failing constructor": (
        own(REG, method("__init__(self, factor: float = 1)", "self.factor = factro")),
        "in __init__: NameError: name 'factro' | factro is misspelt",
    ),
    "callbacks that are none": (
        own(REG, method("callbacks(self)", "return None")),
        "mine.py, Reg: TypeError | look at",
    ),
    "a failing change of gradients": (
        own(REG, method("change_gradients(self, parameters)", "[p.grad.clipp_(1) for p in parameters]")),
        "AttributeError | is clipp_ misspelt",
    ),
    "an augmentation without a generator": (
        own(AUG, method("__call__(self, images_NHWC)", "return images_NHWC")),
        "TypeError: Aug.__call__() | write `def __call__(self, images_NHWC, generator)`, as Augmentation has it",
    ),
    "a failing augmentation": (
        own(AUG, method("__call__(self, images_NHWC, generator)", "return images_NHWC[:, 99]")),
        "in __call__: IndexError | print the length, the shape",
    ),
    "a transform without transform": (
        own(V2, "pass"),
        "mine.py, Aug: NotImplementedError | write the method transform",
    ),
    "a transform without super().__init__()": (
        own(V2, method("__init__(self)", "self.p = 1")),
        "mine.py, Aug: AttributeError | begin __init__ with super().__init__()",
    ),
    "an optimizer without defaults": (
        own(
            "Opt(torch.optim.Optimizer)",
            method("__init__(self, params, lr: float = 0.1)", "super().__init__(params)"),
            method("step(self, closure=None)", "return closure()"),
        ),
        "in __init__: TypeError: Optimizer.__init__() missing | super().__init__(params, {'lr': lr})",
    ),
    "an optimizer that fails in its step": (
        own(OPT, method("step(self, closure=None)", "return closure() + self.rate")),
        "in step: AttributeError | is rate misspelt",
    ),
    "a schedule without rates": (own(SCHED, "pass"), "mine.py, Sched: NotImplementedError | write the method get_lr"),
    "a schedule of one number": (
        own(SCHED, method("get_lr(self)", "return 0.1")),
        "mine.py, Sched: TypeError | look at",
    ),
}

REFUSED = {  # what no line of theirs raises: one line, which has its cure
    "no return": (returning("x").replace("return x", "x"), "Net returns nothing; let its forward return one tensor"),
    "a tuple": (returning(f"{BODY}, x"), "Net returns a tuple of a tensor of shape (10, 10)"),
    "a dictionary": (returning(f"dict(logits={BODY})"), "Net returns a dict; let its forward return one tensor"),
    "one output dimension": (returning(f"{BODY}[:, 0]"), "makes (10,) of 10 images, not (10, 10); let its last layer"),
    "more outputs than classes": (net("** 2, num_classes", "** 2, 18"), "makes (10, 18) of 10 images, not (10, 10)"),
    "fewer outputs than classes": (net("** 2, num_classes", "** 2, 7"), "makes (10, 7) of 10 images, not (10, 10)"),
    "a mean over the batch": (returning(f"{BODY}.mean(0, keepdim=True)"), "makes (1, 10) of 10 images"),
    "classes in place of logits": (
        returning(f"{BODY}.long()"),
        "(10, 10), int64; return the last layer's output",
    ),
    "no gradient": (net(LAST, f"        with torch.no_grad():\n    {LAST}"), "no gradient comes through Net"),
    "numbers in place of a tensor": (returning(f"torch.tensor({BODY}.tolist())"), "no gradient comes through Net"),
    "NaN": (returning(f"{BODY} * float('nan')"), "not finite on the first batch, no layer makes them"),
    "the log of zero": (returning(f"F.relu({BODY}).log()"), "not finite on the first batch, no layer makes them"),
    "a layer that overflows": (
        net("self.head =", "self.conv.weight.data.fill_(1e38)\n        self.head ="),
        "not finite on the first batch, its layer conv is the first to make them",
    ),
    "the slope of a root at zero": (returning(f"(0 * {BODY}).square().sqrt() + {BODY}"), "the slope is not"),
    "NaN in the fourth step": (
        net(LAST, f"{COUNTS}        x = x * float('nan') if self.n > 3 else x\n{LAST}"),
        "the loss became NaN (no number) in step 4, in epoch 1; it was ",
    ),
    "frozen weights": (
        net("\n    def forward", "        self.requires_grad_(False)\n\n    def forward"),
        "Net has no weights to train",
    ),
    "layers in a plain list": (
        "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.layers = [nn.Flatten(), nn.LazyLinear(10)]\n\n"
        "    def forward(self, x):\n        return self.layers[1](self.layers[0](x))",
        "Net has no weights to train; the layers in layers, a plain list, are not trained; write self.layers = nn.ModuleList([...]), or nn.Sequential",
    ),
    "no weights": ("class Net(nn.Module):\n    def forward(self, x):\n        return x", "Net has no weights to train"),
    "a required argument": (
        net("self, num", "self, hidden: int, num"),
        "missing hidden; give --model.network.hidden VALUE",
    ),
    "no such class": (NET.replace("Net", "Nett"), "mine has no Net; did you mean mine.Nett?"),
    "no module of torch": (NET.replace("(nn.Module)", ""), "write class Net(torch.nn.Module)"),
    "a penalty of ten": (
        own(REG, method("penalty(self, network)", "return network.head.weight.sum(1)")),
        "Reg.penalty returns a tensor of shape (10,), float32; return one number",
    ),
    "a penalty of none": (own(REG, method("penalty(self, network)", "pass")), "Reg.penalty returns nothing"),
    "a penalty that is NaN": (
        own(REG, method("penalty(self, network)", "return network.head.weight.sum() * float('nan')")),
        "Reg.penalty is nan on the first batch",
    ),
    "a misspelt hook": (
        own(REG, method("penality(self, network)", "return network.head.weight.sum()")),
        "mine.py, line 21: nobody calls Reg.penality; did you mean penalty?",
    ),
    "images without targets": (
        own(REG, method("change_batch(self, images_NCHW, targets_NK)", "return images_NCHW")),
        "Reg.change_batch returns a tensor of shape (10, 3, 32, 32), float32; return finite images",
    ),
    "targets of another width": (
        own(REG, method("change_batch(self, images_NCHW, targets_NK)", "return images_NCHW, targets_NK[:, 1:]")),
        "and a tensor of shape (10, 9), float32; return finite images (10, C, H, W) and targets (10, 10)",
    ),
    "weight decay in words": (
        own(REG, method("weight_decay(self, parameter)", "return 'much'")),
        "Reg.weight_decay returns a str; return a number, or None",
    ),
    "a regularizer of no base": ("class Reg: pass\n" + NET, "write class Reg(project.regularization.Regularizer)"),
    "an initialization without draw": (
        own(INI, method("drawn(self, weight, activation)", "weight.normal_()")),
        "mine.Ini lacks the method draw; is it what you wrote as drawn?",
    ),
    "weights that are NaN": (
        own(INI, method("draw(self, weight, activation)", "weight.fill_(float('nan'))")),
        "Ini leaves numbers in conv.weight that are not finite",
    ),
    "a normalization without after": (own(NORM, method("behind(self, layer)", "pass")), "lacks the method after"),
    "a class for a module": (
        own(NORM, method("after(self, layer)", "return nn.BatchNorm2d")),
        "Norm.after returns <class 'torch.nn.modules.batchnorm.BatchNorm2d'>; return a module",
    ),
    "an augmentation that is not called": (
        own(AUG, method("call(self, images_NHWC, generator)", "return images_NHWC")),
        "mine.Aug lacks the method __call__",
    ),
    "an augmentation that returns nothing": (
        own(AUG, method("__call__(self, images_NHWC, generator)", "images_NHWC.flip(2)")),
        "Aug returns nothing; return the batch, (10, 32, 32, 3) as it came in",
    ),
    "an augmentation that crops": (
        own(AUG, method("__call__(self, images_NHWC, generator)", "return images_NHWC[:, 1:]")),
        "Aug returns a tensor of shape (10, 31, 32, 3), uint8",
    ),
    "images from 0 to 1": (
        own(AUG, method("__call__(self, images_NHWC, generator)", "return images_NHWC / 255")),
        "Aug returns numbers from 0 to 1; images are uint8 here, from 0 to 255: multiply by 255",
    ),
    "a transform that crops": (
        own(V2, method("transform(self, inpt, params)", "return inpt[..., 1:]")),
        "Aug makes images of 3x32x31; they must stay 3x32x32",
    ),
    "an optimizer without a closure": (
        own(OPT, method("step(self)", "pass")),
        "Opt.step takes no closure; write `def step(self, closure=None)`",
    ),
    "a closure that nobody calls": (
        own(OPT, method("step(self, closure=None)", "pass")),
        "Opt.step never calls its closure; write `def step(self, closure=None)`",
    ),
}
