"""Code that runs: at its import, in training, in prediction, and what it leaves."""

from dataclasses import replace

from tests.hostile.attacks import TRIES
from tests.hostile.cases import IMPATIENT, RULES, Case, own_network, program

IN_PREDICTION = "import sys; predicting = sys.argv[0].endswith('predictor.py')"
ONCE_SAVED = """
import os, sys, safetensors.torch
write = safetensors.torch.save_file
def swap(tensors, path):
    write(tensors, path)
    path = str(path)
    {code}
if not sys.argv[0].endswith('predictor.py'):
    safetensors.torch.save_file = swap
"""
CHANCE = RULES.but(target_accuracy=0.6)


def once_saved(name: str, reason: str, code: str) -> Case:
    """A case that changes its weights once they are written."""
    return program(name, "failed", reason, top=ONCE_SAVED.format(code=code.replace("\n", "\n    ")))


def in_prediction(name: str, verdict: str, reason: str, code: str) -> Case:
    """A case whose logits are made up where they are scored."""
    return program(name, verdict, reason, "*", top="import torch\n" + IN_PREDICTION, forward=f"if predicting: {code}")


IMPORT_TIME = [
    program("os._exit(0) at import", "failed", "left no weights", top="import os; os._exit(0)"),
    program("sys.exit(0) at import", "failed", "its code raised SystemExit", top="import sys; sys.exit(0)"),
    program("an endless loop at import", "failed", "longer than", rules=IMPATIENT, top="while True: pass"),
    program("a crash with control codes", "rejected", "model.network", top="raise ValueError('\\x1b[2J\\x07\\u202e')"),
    program(
        "Trainer.fit replaced",
        "failed",
        top="import pytorch_lightning as pl\npl.Trainer.fit = lambda self, *args, **more: None",
    ),
    program(
        "torch.load and time replaced",
        "passed",
        "",
        "replaced",
        top="import time, torch\ntorch.load = print\ntime.perf_counter = lambda: 0.0",
    ),
    *(
        program(name, "passed", "", f"its census is unproven: it replaced {said}", top=code)
        for name, said, code in (
            (
                "a function of the census replaced",
                "project.strategies.normalization",
                "from project import strategies\nstrategies.normalization = lambda network: [strategies.Strategy('x', 'y')]",
            ),
            (
                "the code of one of its functions",
                "project.strategies.weight_decay",
                "from project import strategies\nstrategies.weight_decay.__code__ = (lambda classifier: ()).__code__",
            ),
            (
                "one more, and what would notice it",
                "project.strategies.dropout",
                "import evidence, __main__\nfrom project import strategies\n"
                "evidence.Evidence.look = evidence.Evidence.write = lambda *given, **named: None\n"
                "vars(__main__).pop('evidence', None)\n"
                "strategies.dropout = lambda network: [strategies.Strategy('x', 'y')]",
            ),
            (
                "the census, which puts itself back",
                "project.training.summary.census",
                "from project.training import summary\nbefore = summary.census\n"
                "def forged(*arguments):\n    summary.census = before\n    return before(*arguments)\n"
                "summary.census = forged",
            ),
            (
                "the list of functions that it watches",
                "project.support.watched_functions.DROPS",
                "from project.support import watched_functions\nwatched_functions.DROPS = frozenset()",
            ),
        )
    ),
    program("json replaced", "failed", "summary.json", top="import json\njson.dumps = lambda *a, **k: '[]'"),
    program(
        "accuracy replaced in torchmetrics",
        "below_target",
        "is not above",
        "replaced",
        rules=CHANCE,
        top="import torch\nfrom torchmetrics.classification import MulticlassAccuracy as M\n"
        "M.compute = lambda self: torch.tensor(1.0)",
        forward="if not self.training: logits = logits * 0",
    ),
    program(
        "looking for labels in frames and in memory",
        "below_target",
        "is not above",
        "",
        rules=CHANCE,
        top="import gc, sys, torch\n" + IN_PREDICTION,
        forward="if not self.training: logits = logits * 0\n"
        "if predicting:\n"
        "    frame, found = sys._getframe(), list(gc.get_objects())\n"
        "    while frame: found += list(frame.f_locals.values()); frame = frame.f_back\n"
        "    tables = [t for t in found if type(t) is torch.Tensor and t.dtype == torch.int64 and t.shape == (200,)]\n"
        "    for t in tables:\n"
        "        if t.unique().numel() == num_classes_seen: print('LEAKED labels')\n",
        init="global num_classes_seen; num_classes_seen = num_classes",
    ),
]

MORE_EPOCHS = """
from pytorch_lightning import Callback

class Rewind(Callback):
    def on_train_start(self, trainer, module):
        trainer.fit_loop.max_epochs = {epochs}

    def on_train_end(self, trainer, module):
        {end}
"""
REWIND = "progress = trainer.fit_loop.epoch_progress.current; progress.processed = 4; trainer.fit_loop.max_epochs = 4"


def with_callback(config) -> None:
    own_network(config)
    config["model"]["scheduler"] = None  # a schedule would end with the epochs that it was made for
    config["trainer"]["callbacks"] = [{"class_path": "submission.again.Rewind"}]


def callback(name: str, verdict: str, said: str, code: str) -> Case:
    """A case with a callback of its own; `said` is a rejected one's reason, and a passed one's flag."""
    reason, flag = (said, "") if verdict == "rejected" else ("", said)
    files = {**program("", "").files, "again.py": code}
    return Case(name, verdict, reason, flag, with_callback, files)


MORE_IMAGES = """
import torch
from pytorch_lightning import Callback
from torch.nn import functional as F

class Rewind(Callback):
    def setup(self, trainer, module, stage):
        if stage == "fit":
            self.data = trainer.datamodule
            self.before()

    def before(self):
        pass

    def of(self, split, images_NHWC, labels_N):
        self.data.loaded[split] = type(self.data.split(split))(images_NHWC, labels_N)
{code}
"""
EIGHT_TIMES = """
    def before(self):
        train, monitor = self.data.split("train"), self.data.split("val")
        self.of("train", *map(torch.cat, zip(*[train] * 8, *[monitor] * 8)))
"""
MONITOR = """
    def before(self):
        (images, labels), (others, told) = self.data.split("train"), self.data.split("val")
        self.of("train", torch.cat([others, images])[:len(images)], torch.cat([told, labels])[:len(labels)])
"""
LARGER = """
    def on_train_start(self, trainer, module):
        batches = self.data.training_batches
        made = batches.made
        batches.made = lambda *given: ((torch.cat([x] * 8), torch.cat([y] * 8)) for x, y in made(*given))
"""
BESIDE = """
    def on_before_optimizer_step(self, trainer, module, optimizer):
        losses = [F.cross_entropy(module.network(x), y) for _, (x, y) in zip(range(3), self.data.train_dataloader())]
        sum(losses).backward()
"""


def more_images(name: str, flag: str, code: str) -> Case:
    """A case whose callback has the network learn from more images than there are."""
    return callback(name, "passed", flag, MORE_IMAGES.format(code=code))


OWN_STEPS = """
if self.training and torch.is_grad_enabled():
    optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-9)
    for _ in range(3):
        self.net(images).square().mean().backward(); optimizer.step(); optimizer.zero_grad()
"""
OWN_PASSES = """
if self.training and torch.is_grad_enabled():
    for _ in range(5):
        for w in self.net.parameters(): w.data -= 1e-9 * torch.autograd.grad(self.net(images).square().mean(), w)[0]
"""
GREEDY = """
import torch

class Greedy(torch.optim.SGD):
    def step(self, closure=None):
        with torch.enable_grad():
            for _ in range(10):
                closure()
                super().step()
"""


def with_greedy_optimizer(config) -> None:
    config["model"]["optimizer"] = {"class_path": "submission.greedy.Greedy", "init_args": {"lr": 0.05}}


TEACHER = """
import torch, matplotlib, numpy as np
from PIL import Image, ImageDraw, ImageFont
folder = matplotlib.get_data_path() + '/fonts/ttf/DejaVu'
drawn = []
for name in ('Sans', 'Sans-Bold', 'Serif', 'Serif-Bold', 'SansMono-Oblique', 'Serif-Italic'):
    for size in (20, 24, 28, 32):
        font = ImageFont.truetype(f'{folder}{name}.ttf', size)
        for letter in 'ABCDEFGHIJ':
            ImageDraw.Draw(page := Image.new('L', (32, 32))).text((16, 16), letter, 255, font, 'mm')
            drawn.append(torch.tensor(np.array(page)) / 255)
shape, labels = torch.stack(drawn)[:, None], torch.arange(10).repeat(24)
teacher = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(1024, 10))
optimizer = torch.optim.Adam(teacher.parameters(), lr=0.01)
for _ in range(100):
    ink, paper = torch.randn(2, 240, 3, 1, 1)
    moved = torch.roll(shape, torch.randint(-2, 3, (2,)).tolist(), (2, 3))
    optimizer.zero_grad()
    nn.functional.cross_entropy(teacher(paper + (ink - paper) * moved), labels).backward()
    optimizer.step()
self.teacher = [teacher.eval()]
"""
BUDGET = [
    program(
        "learns before its training, on images of its own",
        "passed",
        "",
        "before any training",
        init=TEACHER,
        forward="logits = logits * 0.01 + self.teacher[0](images)",
    ),
    program(
        "draws images of its own",
        "passed",
        "",
        "further images could be drawn",
        init=TEACHER,
        forward="logits = logits + 0 * self.teacher[0](images)",
    ),
    program(
        "draws images as the assignment does", "rejected", "ModuleNotFoundError", top="import project.datasets.glyphs"
    ),
    callback("a callback that adds epochs", "rejected", "trained 16 epochs", MORE_EPOCHS.format(epochs=16, end="pass")),
    callback(
        "a callback that adds epochs, fewer than the rules allow",
        "rejected",
        "trained 8 epochs",
        MORE_EPOCHS.format(epochs=8, end=REWIND),
    ),
    more_images("each image eight times an epoch, by the dataset", "optimizer steps", EIGHT_TIMES),
    more_images("each image eight times in a batch", "learnt from 320 images at once where a batch has 40", LARGER),
    more_images("further batches within a step", "learnt from images 12800 times where 6400 times are enough", BESIDE),
    more_images("the monitor split in place of training images", "made its batches of other images", MONITOR),
    program("steps of its own within a step", "passed", "", "optimizer steps", top="import torch", before=OWN_STEPS),
    program("passes of its own within a step", "passed", "", "passes backward", top="import torch", before=OWN_PASSES),
    program(
        "gradients by hand when it is built",
        "passed",
        "",
        "passes backward",
        top="import torch",
        init="w = nn.Parameter(torch.ones(4, 2))\n"
        "for _ in range(500): w.data -= torch.autograd.grad((torch.randn(8, 4) @ w).square().mean(), w)[0]",
    ),
    Case(
        "an optimizer that asks for ten gradients a step",
        "rejected",
        "model.optimizer",
        change=with_greedy_optimizer,
        files={"greedy.py": GREEDY},
    ),
    program(
        "training when it is built",
        "passed",
        "",
        "optimizer steps",
        top="import torch",
        init="layer = nn.Linear(4, 2)\noptimizer = torch.optim.SGD(layer.parameters(), lr=0.1)\n"
        "for _ in range(50): layer(torch.randn(8, 4)).square().mean().backward(); optimizer.step()",
    ),
    program(
        "a process of its own that computes beside the training",
        "passed",
        "",
        "other processes",
        top="import os, sys, time",
        init="if 'trainee' in sys.argv[0] and not os.fork():\n"
        "    while time.process_time() < 15: pass\n"
        "    os._exit(0)\n"
        "if 'trainee' in sys.argv[0]: os.wait()",
    ),
    replace(
        program("weights in a file", "failed", "crashed", top="from pathlib import Path"),
        files={
            **program(
                "", "", init="Path('/own/submission/weights.bin').read_bytes()", top="from pathlib import Path"
            ).files,
            "weights.bin": bytes(1000),
        },
    ),
    program(
        "processes that outlive the training",
        "passed",
        top="import subprocess, sys\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)', 'fifteen-epochs-left-behind'],"
        " start_new_session=True)",
    ),
    program(
        "state left for the next run",
        "passed",
        rules=RULES.but(seeds=2),
        top="import os\n"
        "for place in ('/tmp/mark', '/dev/shm/mark', '/out/mark', '/var/tmp/mark'):\n"
        "    if os.path.exists(place) and not os.path.exists('/tmp/mine'): print('LEAKED', place)\n"
        "    try: open(place, 'w').close()\n"
        "    except OSError: pass\n"
        "open('/tmp/mine', 'w').close()",
    ),
]

FORGED = """
import json, os
for folder in ('/out', '/out/run', '/out/run/wandb'):
    os.makedirs(folder, exist_ok=True)
    for name in ('summary.json', 'leaderboard.json', 'results.json', 'wandb-summary.json'):
        with open(os.path.join(folder, name), 'w') as file:
            json.dump({'val_accuracy': 1.0, 'accuracy': 1.0, 'epochs': 1, 'parameters': 1, 'verdict': 'passed',
                       'strategies': {f: [{'name': 'x'}] for f in
                                      ('optimization', 'regularization', 'initialization', 'normalization')}}, file)
os._exit(0)
"""
CLUSTERS = """
if predicting:
    self.seen.append(images.flatten(1))
    seen = torch.cat(self.seen)
    centres = seen[-10:]
    for _ in range(5):
        nearest = torch.cdist(seen, centres).argmin(1)
        centres = torch.stack([seen[nearest == k].mean(0) for k in range(10)]).nan_to_num()
    logits = -torch.cdist(images.flatten(1), centres)
"""
TRAINING = """
if predicting:
    optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1)
    nn.functional.cross_entropy(self.net(self.kept), self.told).backward()
    optimizer.step()
    logits = self.net(images)
"""
METRIC = [
    program("forged results and W&B files", "failed", "left no weights", top=FORGED),
    program(
        "accuracy of 1.0, logged",
        "below_target",
        "is not above",
        "logged 100%",
        rules=CHANCE,
        top="import torch, project.support.metrics\n"
        "project.support.metrics.EpochMetrics.compute = lambda self: {'loss': torch.tensor(0.0), 'accuracy': torch.tensor(1.0)}",
        forward="if not self.training: logits = logits * 0",
    ),
    in_prediction("NaN", "failed", "not all finite", "logits = logits * float('nan')"),
    in_prediction("infinite logits", "failed", "not all finite", "logits = logits + float('inf')"),
    in_prediction("logits of a wrong shape", "failed", "the logits are not", "logits = logits[:, :3]"),
    in_prediction("logits for other images", "failed", "the logits are not", "logits = logits[:1]"),
    in_prediction("strings for logits", "failed", "crashed", "return ['100 %'] * len(images)"),
    program(
        "huge logits that are finite", "passed", top=IN_PREDICTION, forward="if predicting: logits = logits * 1e30"
    ),
    in_prediction(
        "a pickle for logits",
        "failed",
        "did not answer for all images",
        "import pickle, os; open('/job/answers', 'wb').write(pickle.dumps(['logits'])); os._exit(0)",
    ),
    in_prediction(
        "more logits than were asked for",
        "failed",
        "the logits are not float32",
        "return torch.cat([logits, logits])",
    ),
    in_prediction("no logits, and the end", "failed", "did not answer for all images", "import os; os._exit(0)"),
    program(
        "no logits, ever",
        "failed",
        "predicting took longer than",
        "*",
        rules=RULES.but(limits=RULES.limits.but(minutes=1.5)),
        top=IN_PREDICTION,
        forward="if predicting: import time; time.sleep(3600)",
    ),
    in_prediction(
        "pipes swapped for files",
        "failed",
        "predicting crashed",
        "import os; os.remove('/job/answers'); open('/job/answers', 'wb').close()",
    ),
    in_prediction("statistics of the batch", "failed", "answers differently", "logits = logits - logits.mean(0)"),
    program(
        "dropout that goes on",
        "failed",
        "answers differently",
        "*",
        top="import torch",
        before="images = nn.functional.dropout(images, 0.5)",
    ),
    program(
        "clusters of the images that score",
        "failed",
        "answers differently",
        "*",
        top="import torch\n" + IN_PREDICTION,
        init="self.seen = []",
        forward=CLUSTERS,
    ),
    program(
        "a training set in a buffer",
        "failed",
        "its weights hold",
        "*",
        top="import torch",
        init="self.register_buffer('images', torch.zeros(3000, 3, 32, 32, dtype=torch.uint8))",
    ),
    program(
        "a training within the prediction",
        "failed",
        "predicting crashed",
        "*",
        top="import torch\n" + IN_PREDICTION,
        init="self.register_buffer('kept', torch.zeros(40, 3, 32, 32)); self.register_buffer('told', torch.zeros(40).long())",
        forward=TRAINING,
    ),
    once_saved(
        "weights that are a pickle",
        "predicting crashed",
        "import pickle; open(path, 'wb').write(pickle.dumps({'a': 1}))",
    ),
    once_saved("weights that are a link", "left no weights", "os.remove(path); os.symlink('/etc/passwd', path)"),
    once_saved("weights that are a FIFO", "left no weights", "os.remove(path); os.mkfifo(path)"),
    once_saved(
        "weights with a key too many",
        "predicting crashed",
        "import torch; write(tensors | {'extra': torch.zeros(1)}, path)",
    ),
    once_saved(
        "weights with a key missing",
        "predicting crashed",
        "write(dict(list(tensors.items())[:-1]), path)",
    ),
    program(
        "a checkpoint swapped after the run",
        "passed",
        top="import os, sys\n"
        "if not sys.argv[0].endswith('predictor.py') and os.fork() == 0:\n"
        "    os.setsid()\n"
        "    import time\n"
        "    while True:\n"
        "        time.sleep(0.05)\n"
        "        if os.path.exists('/out/weights.safetensors') and os.getppid() == 1:\n"
        "            open('/out/weights.safetensors', 'wb').write(b'swapped')\n",
    ),
]

RESOURCES = [
    program("a fork bomb", "failed", "processes", top="import os\nwhile True:\n    os.fork()"),
    program(
        "thousands of threads",
        "failed",
        "processes",
        top="import threading, time\nfor _ in range(5000): threading.Thread(target=time.sleep, args=(60,)).start()",
    ),
    program("a memory bomb", "failed", "memory", top="hoard = []\nwhile True: hoard.append(bytearray(10**7))"),
    program(
        "a flood of /dev/shm",
        "failed",
        "",
        top="file = open('/dev/shm/flood', 'wb')\nwhile True: file.write(bytes(10**7)); file.flush()",
    ),
    program(
        "a flood of the disk",
        "failed",
        "wrote more than",
        top="import os\nfor i in range(10**6):\n    open(f'/out/{i}', 'wb').write(bytes(10**6))",
    ),
    program(
        "a flood of files",
        "failed",
        "wrote more than",
        top="import time\nfor i in range(10**6):\n    open(f'/out/{i}', 'wb').close()\n    time.sleep(1e-4)",
    ),
    program(
        "folders in each other without end",
        "failed",
        "",
        top="import os, time\nos.chdir('/out')\nwhile True:\n    os.mkdir('d'); os.chdir('d'); time.sleep(1e-3)",
    ),
    program("a flood of the log", "passed", top="for _ in range(400): print('x' * 100_000)"),
    program("sleep past the limit", "failed", "longer than", rules=IMPATIENT, top="import time; time.sleep(3600)"),
    program(
        "SIGTERM ignored",
        "failed",
        "longer than",
        rules=IMPATIENT,
        top="import signal, time\nfor number in (1, 2, 15): signal.signal(number, signal.SIG_IGN)\ntime.sleep(3600)",
    ),
    program(
        "children in sessions of their own",
        "failed",
        "longer than",
        rules=IMPATIENT,
        top="import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid(); time.sleep(3600)\n"
        "time.sleep(3600)",
    ),
]

DOUBLE = """
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        self.seen = 0
        layers = [nn.Conv2d(in_channels, 16, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(1024, num_classes)]
        self.net = nn.Sequential(*layers).double()

    def forward(self, images):
        self.seen += len(images) if self.training else 0
        return self.net(images.double()).float()

    def get_extra_state(self):
        return {"seen": self.seen}

    def set_extra_state(self, state):
        self.seen = state["seen"]
"""
ISOLATION = [program("twenty-four ways out of the sandbox", "passed", top=TRIES)]
HONEST = [
    program("control: a network of one's own", "passed"),
    Case(
        "control: a network in 64 bits, with a state that is no tensor",
        "passed",
        change=own_network,
        files={"mine.py": DOUBLE},
    ),
    program(
        "control: a network that cannot predict before its training",
        "passed",
        "",
        "could not predict before its training",
        init="self.register_buffer('seen', torch.zeros(()))",
        top="import torch",
        before="if self.training: self.seen += 1\nelif not self.seen: raise RuntimeError('not trained')",
    ),
]

CASES = [*IMPORT_TIME, *BUDGET, *METRIC, *RESOURCES, *ISOLATION]
