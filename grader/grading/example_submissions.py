"""Writes submissions to try the grader on: one for each verdict that a student can earn, and one with its own network."""

from pathlib import Path

import yaml

from project.training.command_line import complete_config
from project.training.configuration import Settings, merged

EXAMPLES: dict[str, tuple[str, Settings]] = {  # folder: the student's name, settings laid over the configuration
    "passes": ("Kim Minji 김민지", {}),
    "below-target": ("Alex Rivera", {"trainer": {"max_epochs": 1}}),
    "sixteen-epochs": ("Park Jiho 박지호", {"trainer": {"max_epochs": 16}}),
    "family-missing": ("Sam Okafor", {"model": {"normalization": None}}),
    "own-network": ("Lee Seoyeon 이서연", {"model": {"network": {"class_path": "submission.residual.ResidualNet"}}}),
}

REPORT = """# Theory

## A learning-rate scheduler: one-cycle

The one-cycle schedule warms up and cools down once in a run. In the first third of the steps the rate climbs from a
fraction of its peak to the peak; in the rest it falls, along half a cosine, to nearly nothing. Large rates in the middle
carry the weights across narrow, sharp minima, in which they could not stay, and so act as a regularizer; the long descent
lets them settle in a wide one. Because the first steps are small, a peak can be used at which training from a cold start
would diverge. With a budget of fifteen epochs that matters: most of the distance is covered while the rate is high.

## Narrowing the generalization gap: label smoothing

The lecture's ways are penalties, dropout and augmentation. Label smoothing changes the target instead: the true class gets
1 - a + a / K, every other class a / K. With hard targets the loss keeps falling as the logits grow without bound, and the
network becomes sure of itself on images that it has merely memorised. With smooth targets there is a best finite distance
between the logits, so memorising pays less. The price is that the predicted probabilities are pulled towards uniform.
"""

CONCLUSION = """# Conclusion

I used SGD with momentum under a one-cycle schedule, weight decay and random changes of the images, He initialization,
and batch normalization. Trained one at a time over the base configuration, normalization helped most, because it let the
same rate move the deep layers too; initialization gave the faster start; regularization cost some training accuracy and
narrowed the gap in return. Together they pass the target. Next I would try label smoothing with a higher peak rate.
"""

OWN_NETWORK = '''"""A small residual network of my own."""

from torch import nn


class Residual(nn.Module):
    """Two convolutions beside a shortcut, so that the block learns what to add to its input."""

    def __init__(self, channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        return (x + self.body(x)).relu()


class ResidualNet(nn.Module):
    """A stem at half the resolution, then residual blocks with pooling and a wider convolution between them."""

    def __init__(self, num_classes: int = 10, in_channels: int = 3, normalization=None, width: int = 24):
        super().__init__()

        def widen(i, o, stride=1):
            return nn.Sequential(nn.Conv2d(i, o, 3, stride, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU())

        self.features = nn.Sequential(
            widen(in_channels, width, stride=2), Residual(width), nn.MaxPool2d(2),
            widen(width, 2 * width), Residual(2 * width), nn.MaxPool2d(2), widen(2 * width, 3 * width),
        )
        self.head = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(3 * width, num_classes))

    def forward(self, images):
        return self.head(self.features(images))
'''


def write_examples(folder: Path, config: Path) -> list[str]:
    """Write every example below `folder`, made from the configuration `config`. Returns the names of their folders."""
    complete = yaml.safe_load(complete_config(["--config", str(config)]))
    for example, (name, overlay) in EXAMPLES.items():
        files: dict[str, str] = {
            "config.yaml": yaml.safe_dump(merged([complete, overlay]), sort_keys=False, allow_unicode=True),
            "student.yaml": f"id: {example}\nname: {name}\n",
            "REPORT.md": REPORT,
            "CONCLUSION.md": CONCLUSION,
        }
        (folder / example).mkdir(parents=True)
        for file, text in files.items():
            (folder / example / file).write_text(text, encoding="utf-8")
    (folder / "own-network" / "residual.py").write_text(OWN_NETWORK, encoding="utf-8")
    return list(EXAMPLES)
