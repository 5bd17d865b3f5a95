"""Mistakes in whole commands, and what is said of them.

{tmp} stands for a folder with nothing but what `write_files` puts there, and {course} for the results of a made-up course.
"""

from pathlib import Path
from typing import Any

import yaml

from benchmarks.course import Student, write_course
from grader.grading.example_submissions import CONCLUSION, REPORT
from grader.rules import Rules
from project.training.command_line import complete_config
from project.training.configuration import merged

BASE = "--config configs/base.yaml"
HE = f"{BASE} --arm configs/initialization/he.yaml"
NO_RESULTS = "no results there; `python -m grader run FOLDER --out"
ABSENT_RULES = "absent.yaml: cannot be read (No such file or directory)"

MAIN = {  # after `python main.py`
    "fti": "expected one of fit, validate, test, predict, look, study, compare, gallery, completion; did you mean fit?",
    "--config configs/base.yaml": "--config: expected a command first, such as python main.py fit --config configs/base.yaml",
    "fit configs/base.yaml": "configs/base.yaml: expected an option; write --config configs/base.yaml",
    f"fit {BASE} configs/initialization/he.yaml": "write --config configs/initialization/he.yaml",
    f"fit {BASE} trainer.max_epochs=3": "trainer.max_epochs: expected an option",
    "fit -config configs/base.yaml": "-config: write --config, with two dashes",
    "fit -c configs/base.yaml -trainer.max_epochs 3": "-trainer.max_epochs: write --trainer.max_epochs, with two dashes",
    "fit --config": "--config: needs a value",
    "fit --config configs": "--config configs: no such file",
    "fit --config he": "--config he: no such file; did you mean configs/initialization/he.yaml?",
    f"fit --confg {BASE.split()[1]}": "confg: there is no such setting; did you mean --config?",
    "fit --config {tmp}/bytes.bin": "not valid YAML",
    "fit --config {tmp}/config.yaml": "x: there is no such setting",
    "fit --config configs/studies/batches.yaml": "a study's file; python main.py study --study configs/studies/batches.yaml",
    f"fit {BASE} --trainer.max_epochs": "--trainer.max_epochs: needs a value",
    "fit --resume": "python main.py fit --config RUN/config.yaml --ckpt_path RUN/checkpoints/last.ckpt",
    "fit --resume runs/x": "a run goes on by python main.py fit --config runs/x/config.yaml --ckpt_path runs/x/checkpoints/last.ckpt",
    "fit --continue runs/x/checkpoints/last.ckpt": "fit --config runs/x/config.yaml --ckpt_path runs/x/checkpoints/last.ckpt",
    f"fit {BASE} --max_epochs 3": "max_epochs: there is no such setting; did you mean trainer.max_epochs?",
    f"fit {BASE} --lr 0.1": "lr: there is no such setting",
    f"fit {BASE} --model.optimizer Adma": "there is no class Adma; did you mean Adam?",
    f"fit {BASE} --optimizer Adam": "optimizer: there is no such setting; did you mean model.optimizer?",
    f"fit {BASE} --model.optimizer=Adam --model.optimizer.momentum=0.9": "torch.optim.Adam has no setting momentum",
    f"fit {BASE} --model.optimizer.lr 0 --run.folder {{tmp}}/r": "model.optimizer: lr 0 trains nothing; take a rate above 0",
    f"fit {BASE} --model.regularization Dropout --model.regularization.p 2": "model.regularization: p 2 is not in [0, 1]",
    f"fit {BASE} --model.num_classes 5": "model.num_classes: is taken from the data; leave it out",
    f"fit {BASE} --model.optimizer null": "missing model.optimizer",
    f"fit {BASE} --model.network null": "missing model.network",
    f"fit {BASE} --model.compile maybe": "model.compile: expected bool, found maybe",
    f"fit {BASE} --model.network json.loads": "or another Module, found json.loads",
    f"fit {BASE} --model.network torch.nn.Linear": "missing in_features, out_features",
    f"fit {BASE} --run.name a/b": "run.name: 'a/b' is not a plain name; put the folder into run.folder",
    f"fit {BASE} --run.folder {{tmp}}/words.txt": "run.folder: cannot make",
    f"fit {BASE} --run.wandb online --run.folder {{tmp}}/r": "run.wandb: online needs a key",
    f"fit {BASE} --run.rules {{tmp}}/absent.yaml --run.folder {{tmp}}/r": ABSENT_RULES,
    f"fit {BASE} --ckpt_path absent.ckpt": "--ckpt_path absent.ckpt: no such file",
    f"fit {BASE} --trainer.devices 4": "trainer.devices: a run trains on one device",
    f"fit {BASE} --trainer.num_nodes 2": "trainer.devices: a run trains on one device",
    f"fit {BASE} --trainer.strategy ddp": "trainer.strategy: a run trains on one device",
    f"fit {BASE} --trainer.max_time abc": "is not a valid duration",
    f"fit {BASE} --trainer.logger CSVLoggr": "trainer.logger: there is no class CSVLoggr",
    f"fit {BASE} --trainer.profiler fast": "`profiler`",
    f"fit {BASE} --trainer.limit_train_batches 1.5 --run.folder {{tmp}}/r": "invalid value 1.5 for limit_train_batches",
    f"fit {BASE} --trainer.overfit_batches -1 --run.folder {{tmp}}/r": "invalid value -1 for overfit_batches",
    f"fit {BASE} --data.source.train -5": "data.source.train: -5 is too few; take 10 or more",
    f"fit {BASE} --data.source.noise -1": "data.source.noise: -1.0 is not between 0 and 1",
    f"fit {BASE} --data.batch_size 1.5": "data.batch_size: expected int, found 1.5",
    f"fit {BASE} --data.workers 4": "did you mean data.num_workers?",
    f"fit {BASE} --data.mean 0.5": "data.mean: expected a list of float or null, found 0.5",
    f"fit {BASE} --data.std [0,0,0]": "data.std: 0 is not in (0, inf)",
    f"fit {BASE} --print_config --lr 1": "lr: there is no such setting",
    "fit --model.optimizer.help Adamm": "model.optimizer: there is no class Adamm; did you mean Adam?",
    "fit --model.optimizerr.help": "model.optimizerr: there is no such setting; did you mean model.optimizer?",
    "fit --find-lr": "missing model.network",
    f"fit {BASE} --find-lr=yes": "find-lr: there is no such setting",
    f"fit {BASE} --find-lr --ckpt_path last": "--find-lr: begins with fresh weights",
    f"fit {BASE} --find-lr --seeds 3": "--find-lr: tests rates in one training, and does not go with --seeds",
    f"fit {BASE} --find-lr --model.optimizer.lr 0 --run.folder {{tmp}}/r": "SGD has no learning rate above 0",
    "fit --seeds 3": "fit: there is no base",
    f"fit {BASE} --seeds 1": "--seeds 1: expected a whole number from 2",
    f"fit {BASE} --seeds": "--seeds: expected one argument",
    f"validate {BASE}": "validate: there is no network without a checkpoint",
    "predict --ckpt_path best": "--ckpt_path best: no run's config.yaml beside such a checkpoint is given",
    f"test {BASE} --ckpt_path {{tmp}}/bytes.bin": "no checkpoint of a run, or a damaged one",
    "look": "no data named; give --config",
    "look --config configs/absent.yaml": "no such file; did you mean",
    "look --data.source nothing": "data.source: there is no class nothing",
    f"look {BASE} --out {{tmp}}/words.txt": "words.txt: cannot be written",
    f"look {BASE} --outt {{tmp}}/look": "outt: there is no such setting",
    f"look {BASE} --data.source=ImageTable --data.source.path={{tmp}}/empty": "has no Train.csv",
    f"look {BASE} --data.source=ImageTable --data.source.path={{tmp}}/words.txt": "words.txt: row 1: 1 columns",
    f"look {BASE} --data.source=IDXImages --data.source.path={{tmp}}/bytes.bin": "bytes.bin: no such folder",
    "gallery --nothing": "gallery: unrecognized arguments: --nothing",
    "gallery --out": "gallery: argument --out: expected one argument",
    "gallery --out {tmp}/words.txt": "words.txt: cannot be made: File exists",
    "gallery --only optimisers": "--only optimisers: no such figure; there is",
    "completion tcsh": "completion tcsh: expected bash, zsh or fish",
    "study": "study: there is no base",
    f"study {BASE}": "study: there is no arm to compare to the base",
    "study {tmp}/absent": "there is no such run or study here",
    "study {tmp}/empty": "is neither a run nor a study",
    "study --study {tmp}/absent.yaml": ABSENT_RULES,
    "study --study {tmp}/bytes.bin": "not valid YAML",
    "study --study {tmp}/config.yaml": "config.yaml: ",
    f"study {BASE} --arm configs/initialization/hee.yaml": "did you mean configs/initialization/he.yaml?",
    f"study {BASE} --arm wide=--model.network.widht=3": "--arm wide: model.network: project.networks.ConvNet has no setting widht",
    f"study {BASE} --arm lr=--model.optimizer.lr=abc": "--arm lr: model.optimizer.lr: expected float",
    f"study {HE} --seeds five": "--seeds five: expected a whole number from 2",
    f"study {HE} --jobs 0": "--jobs 0: expected a whole number from 1",
    f"study {HE} --metric speed": "--metric speed: expected one of accuracy",
    f"study {HE} --wandb so": "argument --wandb: invalid choice: 'so'",
    f"study {HE} --nmae x": "nmae: there is no such setting",
    f"study {HE} --out {{tmp}}/words.txt": "--out {tmp}/words.txt: cannot be written",
    f"study {BASE} --grid 'rate=--model.optimizer.lr 0.1 0.2'": "a grid is of two settings, and 1 are given",
}

RUN = "run {tmp}/empty --unsafe-no-sandbox --out {tmp}/results"
GRADER = {  # after `python -m grader`
    "": "the following arguments are required: COMMAND",
    "chek": "invalid choice: 'chek'; did you mean check?",
    "doctor now": "unrecognized arguments: now",
    "check": "check: the following arguments are required: path",
    "check {tmp}/absent": "absent: no such file or folder",
    "check {tmp}/emtpy": "emtpy: no such file or folder; did you mean {tmp}/empty?",
    "check docs/studnet.md": "docs/studnet.md: no such file or folder; did you mean docs/student.md?",
    "check READM.md": "READM.md: no such file or folder; did you mean README.md?",
    "check {tmp}/empty --language de": "argument --language: invalid choice: 'de'",
    "check {tmp}/empty --ruls x": "unrecognized arguments: --ruls",
    "check {tmp}/empty --rules {tmp}/absent.yaml": ABSENT_RULES,
    "check {tmp}/empty --dataset {tmp}/absent": "--dataset: goes with --try",
    "pack {tmp}/absent": "absent: no such file or folder",
    "import": "import: the following arguments are required: notebook",
    "import {tmp}/absent.ipynb": "absent.ipynb: no such file or folder",
    "import {tmp}/words.txt --out {tmp}/new": "words.txt: is no Jupyter notebook",
    "import notebooks/assignment.ipynb --out {tmp}/empty": "empty: is there already; name another folder with --out FOLDER",
    "run": "run: the following arguments are required: folder",
    "run {tmp}/absent --out {tmp}/results": "absent: no such file or folder",
    "run {tmp}/empty": "run: name the folder of results with --out RESULTS",
    "run {tmp}/empty --unsafe-no-sandbox --out {tmp}/empty/results": "lies in",
    "run {tmp}/empty --unsafe-no-sandbox --out {tmp}/words.txt": "words.txt: cannot be written",
    "run {tmp}/words.txt --unsafe-no-sandbox --out {tmp}/results": "words.txt: is no folder and no archive",
    "run {course} --unsafe-no-sandbox --out {tmp}/results": "course: holds results, and no submissions",
    RUN: "empty: no submissions; expected folders, archives or git repositories in it",
    f"{RUN} --round last": "argument --round: invalid choice: 'last'",
    f"{RUN} --max-hours 0": "--max-hours 0: take more than 0",
    f"{RUN} --max-hours soon": "argument --max-hours: invalid float value: 'soon'",
    f"{RUN} --secret-seed -1": "--secret-seed -1: take 0 to",
    f"{RUN} --jobs 0": "argument --jobs: 0 is below 1",
    f"{RUN} --jobs many": "argument --jobs: invalid positive value: 'many'",
    f"{RUN} --device gpu": "argument --device: invalid choice: 'gpu'",
    f"{RUN} --engine slurm": "argument --engine: invalid choice: 'slurm'",
    f"{RUN} --address 192.0.2.1:6379": "--address 192.0.2.1:6379: add --engine ray",
    f"{RUN} --wandb maybe": "argument --wandb: invalid choice: 'maybe'",
    f"{RUN} --roster {{tmp}}/absent.csv": "absent.csv: no such file or folder",
    f"{RUN} --roster {{tmp}}/words.txt": "words.txt: has none of the columns id, name",
    f"{RUN} --rules {{tmp}}/config.yaml": "config.yaml: x",
    f"{RUN} --rules {{tmp}}/bytes.bin": "bytes.bin: ",
    f"{RUN} --rules {{tmp}}/absent.yaml": ABSENT_RULES,
    f"{RUN} --secret-seed {'9' * 30}": "--secret-seed",
    "run {tmp}/empty --unsafe-no-sandbox --out {tmp}/empty": "lies in",
    f"{RUN} --dataset {{tmp}}/absent.zip": "absent.zip: no such file or folder",
    f"{RUN} --dataset {{tmp}}/words.txt": "words.txt: no dataset; expected a folder",
    "leaderboard {tmp}/absent": NO_RESULTS,
    "leaderboard {course} --rules {tmp}/absent.yaml": ABSENT_RULES,
    "leaderboard {course} --by colour": "argument --by: invalid choice: 'colour'",
    "bonus {course}": "bonus: name a STUDENT with",
    "bonus {course} kim --report 99": "kim: 99 points for the report are not 0 to 5",
    "bonus {course} kim": "bonus: name a STUDENT with",
    "bonus {course} kim --report nan": "not 0 to 5",
    "bonus {course} kim --csv {tmp}/points.csv --report 1": "or else a --csv FILE",
    "bonus {course} --csv {tmp}/absent.csv": "absent.csv: no such file",
    "bonus {course} kim --report much": "argument --report: invalid float value: 'much'",
    "bonus {course} nobody --report 1": "nobody: the ledger knows no such student",
    "bonus {course} --csv {tmp}/points.csv": "points.csv: expected rows under the columns student",
    "bonus {course} --csv {tmp}/bytes.bin": "bytes.bin: cannot be read",
    "bonus {course} kim --criterion 'clarity 3'": "write it as 'report: evidence=2'",
    "review {tmp}/empty": NO_RESULTS,
    "similar {tmp}/empty": NO_RESULTS,
    "export {tmp}/empty --format csv": NO_RESULTS,
    "bonus {tmp}/empty kim --report 1": NO_RESULTS,
    "ablate {tmp}/empty kim --unsafe-no-sandbox": NO_RESULTS,
    "similar {course} --handout {tmp}/absent": "absent: no such file or folder",
    "ablate {course} nobody --unsafe-no-sandbox": "nobody: the ledger knows no such student",
    "ablate {course} rex --unsafe-no-sandbox": "rex: has no accuracy to explain",
    "ablate {course} kim --seeds 0 --unsafe-no-sandbox": "argument --seeds: 0 is below 1",
    "export {course}": "export: the following arguments are required: --format",
    "export {course} --format excel": "argument --format: invalid choice: 'excel'",
    "export {course} --format csv --gradebook {tmp}/points.csv": "--gradebook: goes with --format canvas or moodle",
    "export {course} --format csv --column Total": "--column: goes with --format canvas or moodle",
    "export {course} --format canvas --gradebook {tmp}/absent.csv": "absent.csv: cannot be read",
    "export {course} --format canvas --gradebook {tmp}/points.csv": "no column to fill in begins with",
    "export {course} --format moodle --gradebook {tmp}/points.csv": "no column to fill in begins with",
    "export {course} --format csv --out {tmp}/empty": "empty: cannot be written",
    "gradescope --out {tmp}/empty": "empty: cannot be written",
    "history {course} nobody": "nobody: nobody of this id",
    "undo {course} 1": "1: there is no such decision",
    "undo {course} one": "argument number: invalid int value: 'one'",
    "extend {course} kim": "extend: say --until TIME or --days N",
    "extend {course} kim --days 0": "--days 0: take 1 to 365",
    "extend {course} kim --until 2026-12-06": "has no time zone",
    "extend {course} kim --until tomorrow": "argument --until: 'tomorrow' is no time",
    "extend {course} kim --until 2026-12-06T23:59:00": "has no time zone",
    "exempt {course} kim --from homework": "argument --from: invalid choice: 'homework'",
    "exempt {course} nobody --from late": "nobody: nobody of this id",
    "disqualify {course} kim": "disqualify: say why with --reason",
    "rules {course}": "rules: the following arguments are required: --try",
    "rules {course} --try {tmp}/absent.yaml": ABSENT_RULES,
    "explain {course} nobody": "nobody: nobody of this id",
    "assign {course} --readers kang,kang": "--readers: kang is there twice",
    "assign {course} --readers kang --each 2": "--each 2: there are only 1 readers",
    "release {course}": "results are published already",
    "appeal {course} nobody": "nobody: the ledger knows no such student",
    "appeal {course} kim --out {tmp}/empty": "is there already, and no appeal",
    "withdraw {course} kim": "erases files, pages, name and id for good",
    "attempts {course} nobody": "nobody: the ledger knows no such student",
    "backup {course}": "backup: the following arguments are required: --out",
    "backup {course} --out {tmp}/empty": "empty: cannot be written",
    "restore {tmp}/absent.tar --out {tmp}/new": "absent.tar: cannot be read",
    "restore {tmp}/bytes.bin --out {tmp}/new": "bytes.bin: is no backup, or a damaged one",
    "restore {tmp}/words.txt --out {tmp}/empty": "is there already; move it away",
    "example {tmp}/empty": "is there already; name a folder that is not",
    "example {tmp}/new --config {tmp}/absent.yaml": "absent.yaml: no such file or folder",
}

Change = dict[
    str, str | None | dict[str, Any]
]  # of a submission's files: a text in place of one, None for none, or settings
SUBMISSIONS: dict[str, tuple[Change, str]] = {  # and a part of what `python -m grader check` says
    "no configuration": ({"config.yaml": None}, "config.yaml: is missing"),
    "a configuration that is no YAML": ({"config.yaml": "trainer: {max_epochs: 15"}, "config.yaml: "),
    "a key twice": ({"config.yaml": "trainer: {max_epochs: 15, max_epochs: 16}"}, "config.yaml: "),
    "sixteen epochs": ({"config.yaml": {"trainer": {"max_epochs": 16}}}, "trainer.max_epochs: 16"),
    "another library's class": ({"config.yaml": {"model": {"network": "os.system"}}}, "os.system"),
    "no name": ({"student.yaml": "id: kim-minji"}, "student.yaml: name"),
    "a path for an id": ({"student.yaml": "id: ../../etc\nname: Kim"}, "student.yaml: id"),
    "nobody named": ({"student.yaml": None}, "student.yaml: is missing"),
    "code that does not parse": (
        {"mine.py": "x = 1\ndef broken(:"},
        "mine.py: line 2: does not parse: invalid syntax; mend it, and try it: python -m py_compile mine.py",
    ),
    "code in another encoding": (
        {"mine.py": "# coding: cp949\nx = 1"},
        "mine.py: does not parse: its encoding is cp949; save",
    ),
    "weights in code": ({"mine.py": f"WEIGHTS = '{'A' * 30_000}'"}, "mine.py: line 1"),
    "a module that cannot be imported": ({"my net.py": "x = 1\n"}, "my net.py: "),
}


def write_files(folder: Path) -> None:
    """Files that are none that a command expects."""
    (folder / "empty").mkdir()
    (folder / "words.txt").write_text("just words\n", encoding="utf-8")
    (folder / "bytes.bin").write_bytes(bytes(range(128, 256)) * 8)
    (folder / "points.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (folder / "config.yaml").write_text("x: 1\n", encoding="utf-8")


def write_submission(folder: Path, change: Change) -> None:
    """A submission that could be handed in, but for the change."""
    config = complete_config(["--config", "configs/quickstart.yaml"])
    student = "id: kim-minji\nname: Kim Minji\n"
    files: Change = {"config.yaml": config, "student.yaml": student, "REPORT.md": REPORT, "CONCLUSION.md": CONCLUSION}
    folder.mkdir()
    for name, text in {**files, **change}.items():
        if isinstance(text, dict):
            text = yaml.safe_dump(merged([yaml.safe_load(config), text]))
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8")


def write_made_up_course(folder: Path) -> None:
    """The results of three made-up students; rex's submission was rejected."""
    images = {"train": 300, "val": 100, "test": 100, "noise": 0.1, "warp": 0.2, "clutter": 0.0}
    rules = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": images})
    students = [Student("kim", "Kim Minji", 0.91), Student("lee", "Lee Jun", 0.85), Student("rex", "Rex", None)]
    write_course(folder, students, rules)
