"""The lecture's figures, drawn from real runs of this code: `python main.py gallery`.

Each function below computes one figure's numbers and has it drawn by `project/studies/gallery_figures.py`.
"""

import argparse
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer, seed_everything
from torch import Tensor, nn
from torch.nn import functional as F

from project import augmentation as augment
from project import regularization as unit2
from project.augmentation import Augmentation
from project.classifier import Classifier, steps_each_batch
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He, Normal, Xavier, weight_layers
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.optimization import SAM
from project.studies import gallery_figures as figures
from project.support.errors import UserError
from project.training.command_line import made, quieten
from project.training.configuration import merged, read_arguments
from project.training.diagnostics import gradient_norm

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
SCHEDULES = ("constant", "step", "multistep", "exponential", "polynomial", "cosine", "cosine_restarts", "warmup_cosine",
             "onecycle", "cyclic", "plateau")  # fmt: skip


def images(count: int, **settings: Any) -> ImageData:
    """Few of the embedded images."""
    data = ImageData(Glyphs(train=count, val=500, test=10, **settings), batch_size=20)
    data.setup("fit")
    return data


def sgd(lr: float, momentum: float = 0.0) -> Any:
    return functools.partial(torch.optim.SGD, lr=lr, momentum=momentum)


class History(Callback):
    """The losses of every epoch."""

    def __init__(self) -> None:
        self.train: list[float] = []
        self.val: list[float] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.train.append(trainer.callback_metrics["train/loss"].item())
        self.val.append(trainer.callback_metrics["val/loss"].item())


def train(classifier: Classifier, data: ImageData, epochs: int) -> History:
    history = History()
    Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        callbacks=[history],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    ).fit(classifier, data)
    return history


def activations(folder: Path, activation: type[nn.Module]) -> None:
    """Outputs of a deep network's layers for four initializations."""
    inputs_NCHW = images(200).sample(200)
    strategies = {"std 1": Normal(1.0), "std 0.01": Normal(0.01), "Xavier": Xavier(), "He": He()}
    rows = {}
    for name, strategy in strategies.items():
        torch.manual_seed(0)
        network = MLP(depth=10, width=256, activation=activation)
        strategy(network)
        x_NC, outputs = network.flatten(inputs_NCHW), []
        with torch.no_grad():
            for layer in network.hidden:
                x_NC = layer(x_NC)
                outputs.append(x_NC.flatten())
        rows[name] = [outputs[depth] for depth in (0, 1, 3, 5, 7, 9)]
    name = activation.__name__.lower()
    span = (-1, 1) if activation is nn.Tanh else (0, 1)
    figures.draw_activation_grid(rows, (1, 2, 4, 6, 8, 10), name, span, folder / f"activations_{name}.png")


def gradients(folder: Path) -> None:
    """Gradients of a fresh deep network, layer by layer, with and without batch normalization."""
    data = images(200)
    inputs_NCHW, labels_N = data.sample(200), torch.arange(200) % 10
    lines = {}
    for name, activation in {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU}.items():
        for kind, normalization in {"no": None, "batch": BatchNormalization()}.items():
            torch.manual_seed(0)
            network = MLP(depth=20, width=128, activation=activation, normalization=normalization)
            F.cross_entropy(network(inputs_NCHW), labels_N).backward()
            lines[name, kind] = [gradient_norm(layer).item() for _, layer, _ in weight_layers(network)]
    figures.draw_gradients_by_depth(lines, folder / "gradients_by_depth.png")


def schedules(folder: Path) -> None:
    """The learning rate of every step of a run, for every schedule in configs/optimization/."""
    epochs, batches = 15, 20
    panels = {}
    for name in SCHEDULES:
        optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
        scheduler = configured(name).build_scheduler(optimizer, epochs * batches)
        rates = []
        for epoch in range(epochs):
            for _ in range(batches):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                if scheduler and steps_each_batch(scheduler):
                    scheduler.step()
            if scheduler and not steps_each_batch(scheduler):
                # A loss that falls until epoch 6, for the plateau schedule to react to.
                scheduler.step(*([max(0.4, 1 - epoch / 10)] if hasattr(scheduler, "monitor") else []))
        panels[name] = [(step / batches, rate) for step, rate in enumerate(rates)]
    figures.draw_schedules(panels, folder / "schedules.png")


def configured(overlay: str) -> Classifier:
    """A classifier with what an overlay of configs/optimization/ chooses."""
    base, chosen = str(CONFIGS / "base.yaml"), str(CONFIGS / "optimization" / f"{overlay}.yaml")
    arguments = read_arguments(["--config", base, "--config", chosen, "--data.source.train", "10"])
    return made(merged(arguments.overlays), "validate").model


def optimizers(folder: Path) -> None:
    """Paths of several optimizers down a narrow, bent valley, all from one place, each with a rate that suits it."""

    def loss(at: Tensor) -> Tensor:
        x, y = at[..., 0], at[..., 1]
        return (1 - x) ** 2 / 4 + 4 * (y - x**2 / 2) ** 2

    def path(make: Callable[..., torch.optim.Optimizer], lr: float) -> list[tuple[float, float]]:
        at = nn.Parameter(torch.tensor([-1.8, 2.2]))
        optimizer, visited = make([at], lr=lr), []

        def closure() -> float:
            optimizer.zero_grad()
            value = loss(at)
            value.backward()
            return value.item()

        for _ in range(60):
            visited.append(tuple(at.tolist()))
            optimizer.step(closure)
        return [*visited, tuple(at.tolist())]

    candidates: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "SGD": torch.optim.SGD,
        "momentum": functools.partial(torch.optim.SGD, momentum=0.9),
        "Nesterov": functools.partial(torch.optim.SGD, momentum=0.9, nesterov=True),
        "Adagrad": torch.optim.Adagrad,
        "RMSprop": torch.optim.RMSprop,
        "Adam": torch.optim.Adam,
        "SAM": functools.partial(SAM, rho=0.1, momentum=0.0),
    }
    rates = [0.001 * 2**k for k in range(12)]
    paths = {}
    for name, make in candidates.items():
        tried = [path(make, lr) for lr in rates]
        paths[name] = min(tried, key=lambda visited: loss(torch.tensor(visited[-1])).nan_to_num(1e9).item())
    figures.draw_paths(loss, paths, folder / "optimizers.png")


def augmentations(folder: Path) -> None:
    """What each augmentation makes of the same images."""
    images_NHWC, labels_N = images(40, noise=0.2).split("train")
    chosen = torch.stack([images_NHWC[labels_N == label][0] for label in range(8)])
    candidates: list[Augmentation] = [
        augment.RandomCrop(4), augment.RandomHorizontalFlip(), augment.RandomAffine(0.25), augment.RandomRotation(25),
        augment.ColorJitter(0.5), augment.Cutout(12),
    ]  # fmt: skip
    rows = {"the images": chosen}
    for augmentation in candidates:
        rows[type(augmentation).__name__] = augmentation(chosen, torch.Generator().manual_seed(3))
    torch.manual_seed(0)
    for mixing in (unit2.Mixup(1.0), unit2.CutMix(1.0)):
        mixed_NCHW, _ = mixing.change_batch(chosen.permute(0, 3, 1, 2).float(), torch.eye(8))
        rows[type(mixing).__name__] = mixed_NCHW.permute(0, 2, 3, 1).round().to(torch.uint8)
    figures.draw_augmentations(rows, folder / "augmentations.png")


def regularizers(folder: Path) -> None:
    """Training and validation loss of a network that overfits, and with each regularizer beside it."""
    data = images(300, noise=0.4, clutter=0.2)
    candidates: dict[str, tuple[list[unit2.Regularizer], list[Augmentation]]] = {
        "none": ([], []),
        "weight decay": ([unit2.WeightDecay(0.02)], []),
        "L1": ([unit2.L1(1e-3)], []),
        "label smoothing": ([unit2.LabelSmoothing(0.2)], []),
        "dropout": ([unit2.Dropout(0.5)], []),
        "spatial dropout": ([unit2.SpatialDropout(0.2)], []),
        "mixup": ([unit2.Mixup(0.5)], []),
        "CutMix": ([unit2.CutMix(1.0)], []),
        "random crop": ([], [augment.RandomCrop(3)]),
        "random affine": ([], [augment.RandomAffine(0.15)]),
        "cutout": ([], [augment.Cutout(10)]),
        "EMA": ([unit2.EMA(0.95)], []),
    }
    curves = {}
    for name, (chosen, data.augmentation) in candidates.items():
        seed_everything(0, verbose=False)
        network = functools.partial(ConvNet, convs_per_stage=1, pool=2)
        classifier = Classifier(network, sgd(0.02, 0.9), None, chosen, He(), BatchNormalization())
        history = train(classifier, data, 20)
        curves[name] = (history.train, history.val)
    figures.draw_regularizers(curves, folder / "regularizers.png")


def layer_inputs(folder: Path) -> None:
    """How the input of one unit's activation drifts while the layers before it learn."""
    data = images(600, noise=0.3, clutter=0.2, warp=0.5)
    panels = {}
    for name, normalization in (("without normalization", None), ("with batch normalization", BatchNormalization())):
        seed_everything(0, verbose=False)
        network = functools.partial(MLP, depth=4, width=100, activation=nn.Sigmoid)
        classifier = Classifier(network, sgd(0.3, 0.9), normalization=normalization, initialization=Xavier())
        third = classifier.network.get_submodule("hidden.2")
        assert isinstance(third, nn.Sequential)
        quantiles: list[Tensor] = []

        def watch(layer: nn.Module, inputs: Any, output_NU: Tensor) -> None:
            if layer.training:
                quantiles.append(output_NU.detach().quantile(torch.tensor([0.15, 0.5, 0.85]), dim=0))

        third[-2].register_forward_hook(watch)  # what stands before the activation
        train(classifier, data, 10)
        quantiles_T3U = torch.stack(quantiles)
        most = (quantiles_T3U[-10:, 1].mean(0) - quantiles_T3U[:10, 1].mean(0)).abs().argmax()
        panels[name] = quantiles_T3U[:, :, most].tolist()
    figures.draw_layer_inputs(panels, folder / "layer_inputs.png")


GALLERY: dict[str, Callable[[Path], None]] = {
    "activations_sigmoid": functools.partial(activations, activation=nn.Sigmoid),
    "activations_tanh": functools.partial(activations, activation=nn.Tanh),
    "gradients_by_depth": gradients,
    "schedules": schedules,
    "optimizers": optimizers,
    "augmentations": augmentations,
    "regularizers": regularizers,
    "layer_inputs": layer_inputs,
}


def main(args: Sequence[str]) -> int:
    """Draw the gallery, or some of it."""
    parser = argparse.ArgumentParser(prog="main.py gallery", description="Draws the lecture's figures from real runs.")
    parser.add_argument("--out", type=Path, default=Path("gallery"), help="folder for the PNGs (%(default)s)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"some of: {', '.join(GALLERY)}")
    options = parser.parse_args(args)
    quieten()
    names = options.only or list(GALLERY)
    if unknown := [name for name in names if name not in GALLERY]:
        raise UserError(f"--only {unknown[0]}: no such figure; there is {', '.join(GALLERY)}")
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {options.out}: cannot be made: {error.strerror}") from None
    for number, name in enumerate(names, 1):
        started = time.perf_counter()
        GALLERY[name](options.out)
        print(f"[{number}/{len(names)}] {options.out / name}.png  {time.perf_counter() - started:.1f} s", flush=True)
    return 0
