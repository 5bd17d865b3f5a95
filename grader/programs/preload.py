"""Runs in the fork server before any program: imports what a training and a prediction will import."""

import sys

USUAL = {
    "model.network": "project.networks.ConvNet",
    "data.source": "project.datasets.glyphs.Glyphs",
    "model.optimizer": "torch.optim.SGD",
    "model.scheduler": "project.optimization.OneCycle",
    "model.initialization": "project.initialization.He",
    "model.normalization": "project.normalization.BatchNormalization",
}


def preload() -> None:
    """Import what a training and a prediction will import."""
    import pytorch_lightning  # noqa: F401
    import safetensors.torch  # noqa: F401
    import torchvision  # noqa: F401

    import project.training.command_line

    # Each import is cached by now; so is what it takes to read the types of the command line, and of usual classes.
    project.training.command_line.complete_config([f"--{name}={usual}" for name, usual in USUAL.items()])


if __name__ == "__main__":
    sys.path[:0] = ["/app"]
    preload()
