"""What mends an error in a student's own code, by what torch and Python say of it: one sentence each."""

import inspect
import re
import traceback
from typing import Any

NO_GPU = ("no NVIDIA driver", "No CUDA GPUs", "not compiled with CUDA")  # torch's words where there is none
LEAVE_OUT_CUDA = "leave out .cuda(): the trainer moves the network and the images"
SIGNATURE = re.compile(r"(\w+)\(\) (takes|missing|got an unexpected)")

CURES = (  # the first that is found in the message; groups of the pattern may be used
    (
        r"before Module.__init__\(\) call|has no attribute '_(parameters|buffers|modules|(forward|backward)_\w*hooks)'",
        "begin __init__ with super().__init__()",
    ),
    (
        r'missing the required "forward" function',
        "write `def forward(self, x)`: images (N, C, H, W) in, logits (N, K) out",
    ),
    (
        r"cannot be multiplied \(\d+x(\d+) and \d+x\d+\) \(the images here are .*: \(N, (\d+), (\d+), \1\)\)",
        r"the images come in as they are: write x.flatten(1) first, which makes \2 x \3 x \1 numbers of each",
    ),
    (
        r"mat1 and mat2 shapes cannot be multiplied \(\d+x(\d+) and (\d+)x(\d+)\)",
        r"what comes in has \1 numbers in its last dimension: write nn.Linear(\1, \3), or reshape what comes before",
    ),
    (
        r"expected input\[.*\] to have \d+ channels, but got (\d+) channels",
        r"what comes in has \1 channels: write nn.Conv2d(\1, ...); of images, the argument in_channels says how many",
    ),
    (
        r"running_mean should contain (\d+) elements",
        r"what comes in has \1 channels: give the normalization that number, such as nn.BatchNorm2d(\1)",
    ),
    (r"Expected .* input to conv", "a convolution takes (N, C, H, W): put x.flatten(1) behind the last one"),
    (r"expected 4D input", "it takes (N, C, H, W): put x.flatten(1) behind it, or take the class for flat rows (1d)"),
    (r"expected 2D or 3D input", "it takes (N, C): put x.flatten(1) before it, or take the class for images (2d)"),
    (r"is invalid for input of size", "write x.flatten(1), which keeps the batch's size, whatever it is"),
    (r"view size is not compatible", "write reshape in place of view"),
    (
        r"must match the (existing )?size of tensor|must match except|doesn't match the broadcast",
        "print both tensors' .shape just before that line",
    ),
    (
        r"Can't call numpy\(\)|got \(numpy|'numpy.ndarray' object|can't convert .* to numpy",
        "compute with torch's functions: NumPy knows no gradients",
    ),
    (
        r"leaf Variable that requires grad is being used in an in-place|modified by an inplace operation",
        "compute a new tensor in place of changing one, or change weights under torch.no_grad(), in __init__",
    ),
    (r"does not require grad", "leave out .detach(), .item() and torch.no_grad(): the loss needs a gradient"),
    (r"same device|but found at least two devices", "make new tensors where the input is: device=x.device"),
    (
        r"CUDA out of memory|not enough memory|can't allocate memory",
        "take a smaller --data.batch_size, or a narrower network",
    ),
    (r"maximum recursion depth", "it calls itself without end: call a layer, not the method that the line is in"),
    (r"name '(\w+)' is not defined", r"\1 is misspelt, or an import of it is missing at the top of the file"),
    (r"[Nn]o module named '?(\w+)", r"is \1 misspelt? else install it in this environment: pip install \1"),
    (
        r"Optimizer.__init__\(\) missing|has no attribute '(state|param_groups|defaults)'",
        "begin the optimizer's __init__ with super().__init__(params, {'lr': lr})",
    ),
    (r"has no attribute '(\w+)'", r"is \1 misspelt, or not set in __init__?"),
    (r"__init__\(\) missing .* argument", "give it a default, or a value under init_args in the configuration"),
)
BY_KIND = (
    (SyntaxError, "Python cannot read that line: look there, and at the end of the line before"),
    (AssertionError, "the line asserts what does not hold here: print what it asks about just before"),
    (SystemExit, "take sys.exit out: a module that ends the program ends the training"),
    (ImportError, "is the name misspelt? print dir() of the module that it is imported from"),
    (LookupError, "print the length, the shape or the keys just before that line"),
)
OTHERWISE = "look at that line, and print the values in it just before"


def words(error: BaseException, otherwise: str = "") -> str:
    """The text of an exception, in which a student's class has a say."""
    try:
        return str(error.msg if isinstance(error, SyntaxError) else error)
    except BaseException:
        return otherwise


def gpu_cure(error: BaseException) -> str:
    """How to mend a network that asks for a GPU where there is none; nothing for another error, or where it is said."""
    said = words(error)
    return f"; {LEAVE_OUT_CUDA}" if any(words in said for words in NO_GPU) and LEAVE_OUT_CUDA not in said else ""


def cure(error: BaseException, said: str, about: Any = None) -> str:
    """What mends an error, in one sentence without its full stop.

    Args:
        said: The error's message, in one line.
        about: The student's class that was at work, where it is known.
    """
    if any(words in said for words in NO_GPU):
        return LEAVE_OUT_CUDA
    if isinstance(error, TypeError) and (found := SIGNATURE.search(said)) and isinstance(about, type):
        if wanted := signature(about, found[1]):
            return wanted
    for pattern, sentence in CURES:
        if match := re.search(pattern, said):
            return match.expand(sentence)
    if isinstance(error, NotImplementedError) and (walked := list(traceback.walk_tb(error.__traceback__))):
        return f"write the method {walked[-1][0].f_code.co_name}, which its base class leaves open"
    return next((sentence for kind, sentence in BY_KIND if isinstance(error, kind)), OTHERWISE)


def signature(kind: type, method: str) -> str:
    """How a method that others call is to begin: as that of the first base class that has it."""
    if method == "forward":
        return "write `def forward(self, x)`: images (N, C, H, W) in, logits (N, K) out"
    if method == "__init__":
        return ""
    bases = [base for base in kind.__mro__[1:] if method in vars(base)]
    if not bases:
        return ""
    names = ", ".join(map(str.strip, map(str, bare(inspect.signature(vars(bases[0])[method])))))
    return f"write `def {method}({names})`, as {bases[0].__name__} has it"


def bare(signature: inspect.Signature) -> list[inspect.Parameter]:
    """Parameters without their annotations."""
    return [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
