"""What `python main.py --help` and `fit --help` print; nothing that takes time is imported for it."""

import textwrap

from project.training.known_settings import Schema, known_settings, names

HELP = """\
usage: python main.py <command> [--config FILE ...] [--setting VALUE ...]

  look       at data and network, before training:    python main.py look --config configs/quickstart.yaml
  fit        train:                                   python main.py fit --config configs/quickstart.yaml
             before, to find a learning rate:         python main.py fit --config configs/quickstart.yaml --find-lr
             several times, for the mean:             python main.py fit --config configs/quickstart.yaml --seeds 3
  validate   a checkpoint on the validation images:   python main.py validate --config RUN/config.yaml --ckpt_path RUN/checkpoints/best.ckpt
  test       a checkpoint on the test images
  predict    writes each test image's class and probabilities as CSV
  study      trains arms with several seeds each, and says what helped and whether it is more than noise:
             python main.py study --config configs/base.yaml --arm configs/initialization/he.yaml --seeds 5
  compare    compares runs that are there:            python main.py compare runs/quickstart runs/quickstart-2
  gallery    draws the lecture's figures from real runs, in a few minutes

Files and settings merge key by key, in the order in which they are given; a later one wins:
  python main.py fit --config configs/base.yaml --config configs/normalization/batch.yaml --trainer.max_epochs 5

More:
  python main.py fit --help                           the settings that are used most; --help all: every one
  python main.py fit --model.optimizer.help SGD       a class's settings
  python main.py fit --config A --print_config        the complete configuration, without a run
  eval "$(python main.py completion)"                 Tab completes commands, settings and values, in bash (or: zsh, fish)
  python main.py --version                            this version; CHANGELOG.md tells what came with it
  configs/                                            strategies, data, presets, recipes: each says when to use it"""

# What most runs change, in the order in which a beginner meets it; in our words where the docstring's would mislead.
USUAL = {
    "trainer.max_epochs": "Epochs to train; an epoch is one pass over the training images.",
    "data.source": "",
    "data.batch_size": "",
    "data.augmentation": "",
    "model.network": "",
    "model.optimizer": "",
    "model.optimizer.lr": "The learning rate; where there is a schedule, its highest.",
    "model.scheduler": "",
    "model.regularization": "",
    "model.initialization": "",
    "model.normalization": "",
    "model.compile": "",
    "seed_everything": "",
    "run.name": "",
    "run.rules": "",
    "run.wandb": "",
    "run.diagnostics": "",
    "trainer.precision": "",
    "trainer.limit_train_batches": "",
    "trainer.overfit_batches": "",
}
WIDTH = 110

END = """\
Below a class, its settings: --model.optimizer.lr 0.1, --model.network.width 16. `+` appends to a list:
  --model.regularization+ Dropout --data.augmentation+ RandomCrop

  --config FILE                settings of a file, such as those in configs/; several merge in the order given
  --find-lr                    with fit: train no epoch, but test which learning rates the configuration learns at
  --seeds N                    with fit: train with N seeds, for the mean and how sure it is
  --ckpt_path FILE             a checkpoint: to go on from it, or to validate, test or predict with it
  --print_config               print the complete configuration, and do nothing else
  --model.optimizer.help SGD   a class's settings
  --help all                   every setting"""


def settings_page(command: str) -> str:
    """The settings that are used most, each with what it may be: for `fit --help`."""
    known = known_settings()
    lines = [f"usage: python main.py {command} [--config FILE ...] [--setting VALUE ...]", ""]
    for name, own_words in USUAL.items():
        lines.append(f"  --{name}")
        said = own_words or known[name].get("description", "")
        for text in filter(None, (said, choices(known.get(name, {})))):
            lines += textwrap.wrap(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join([*lines, "", END])


def choices(setting: Schema) -> str:
    """What a setting may be, where this can be listed, and its default."""
    listed = ", ".join(name for name in names(setting) if "." not in name)
    default = setting.get("default")
    usual = "" if default is None else f"By default {str(default).lower() if default in (True, False) else default}."
    return " ".join(filter(None, (f"One of {listed}." if listed else "", usual)))
