"""Runs in the fork server before any program: imports what a training and a prediction will import."""

import sys

USUAL = {
    "model.network": "project.networks.ConvNet",
    "data.source": "project.datasets.tensor_folder.TensorFolder",
    "data.source.path": "/data",
    "model.optimizer": "torch.optim.SGD",
    "model.scheduler": "project.optimization.OneCycle",
    "model.initialization": "project.initialization.He",
    "model.normalization": "project.normalization.BatchNormalization",
}


if __name__ == "__main__":
    sys.path[:0] = ["/app"]

    import safetensors.torch  # noqa: F401
    import torchvision  # noqa: F401

    from project.training.command_line import complete_config

    # This imports the rest, and caches what it takes to read the types of the command line and of usual classes.
    complete_config([f"--{name}={usual}" for name, usual in USUAL.items()])
