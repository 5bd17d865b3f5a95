"""The classifier: what the families do to the network and the optimizer."""

import functools
import shutil

import pytest
import torch
import torchvision
from pytorch_lightning import Callback, Trainer

from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP, ConvNet
from project.normalization import BatchNormalization
from project.regularization import Dropout, WeightDecay
from project.support.errors import UserError
from project.training.command_line import made, run
from project.training.configuration import merged, read_arguments

SGD = functools.partial(torch.optim.SGD, lr=0.1)


@pytest.mark.parametrize(
    "network", [ConvNet, MLP, functools.partial(ConvNet, pool=4, stem_stride=1), functools.partial(MLP, depth=0)]
)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_networks_fit_the_data(network, shape):
    classifier = Classifier(network, SGD, num_classes=7, image_shape=shape)
    assert classifier(torch.randn(2, *shape)).shape == (2, 7)


def test_a_network_of_torchvision_fits_in():
    classifier = Classifier(torchvision.models.resnet18, SGD, num_classes=7)
    assert classifier(torch.randn(2, 3, 32, 32)).shape == (2, 7)


class Viewing(torch.nn.Module):
    """As it stands in most tutorials: `view` takes no image whose channels lie last."""

    def __init__(self, num_classes, in_channels, flatten=lambda x: x.view(x.size(0), -1)):
        super().__init__()
        self.conv, self.norm = torch.nn.Conv2d(in_channels, 8, 3, padding=1), torch.nn.BatchNorm2d(8)
        self.frozen = torch.nn.Dropout(0.5).eval()
        self.head = torch.nn.Linear(8 * 32 * 32, num_classes)
        self.flatten = flatten

    def forward(self, x):
        return self.head(self.frozen(self.flatten(self.norm(self.conv(x)))))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_of_a_student_s_may_view_its_images(channels):
    images_NCHW = torch.rand(2, 32, 32, channels).permute(0, 3, 1, 2)
    logits, kept, drawn = [], [], []
    for network in (Viewing, functools.partial(Viewing, flatten=lambda x: x.flatten(1))):
        torch.manual_seed(0)
        classifier = Classifier(network, SGD, image_shape=(channels, 32, 32))
        drawn.append(torch.rand(1))
        logits.append(classifier(images_NCHW))
        kept.append(classifier.network.conv.weight.is_contiguous(memory_format=torch.channels_last))
        assert classifier.network.training and not classifier.network.frozen.training
    assert kept == [channels == 1, True], "channels last where that works; for one channel, it is the same"
    assert torch.allclose(*logits, atol=1e-5) and drawn[0] == drawn[1], "nothing else has changed by the trial"
    assert classifier.network.norm.num_batches_tracked == 1


def test_parameters_are_grouped_by_their_weight_decay():
    classifier = Classifier(ConvNet, SGD, regularization=[WeightDecay(0.02)], normalization=BatchNormalization())
    decays = {
        id(p): group["weight_decay"] for group in classifier.build_optimizer().param_groups for p in group["params"]
    }
    assert len(decays) == len(list(classifier.network.parameters()))
    for parameter in classifier.network.parameters():
        assert decays[id(parameter)] == (0.02 if parameter.ndim > 1 else 0)


def test_without_weight_decay_the_optimizer_s_own_stays():
    optimizer = Classifier(ConvNet, functools.partial(torch.optim.AdamW, lr=0.1)).build_optimizer()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.01]


def test_the_later_of_two_of_a_kind_counts():
    classifier = Classifier(ConvNet, SGD, regularization=[Dropout(0.5), WeightDecay(0.1), Dropout(0.2)])
    assert [m.p for m in classifier.network.modules() if isinstance(m, torch.nn.Dropout)] == [0.2]


def test_an_mlp_says_that_it_takes_square_images():
    with pytest.raises(UserError, match="square images, and these are 28x14"):
        Classifier(MLP, SGD, image_shape=(1, 28, 14))(torch.zeros(2, 1, 28, 14))


def test_too_many_stages_are_told():
    with pytest.raises(UserError, match="stages"):
        Classifier(functools.partial(ConvNet, stages=9), SGD)


def test_an_optimizer_s_refusal_is_told():
    with pytest.raises(UserError, match="model.optimizer"):
        Classifier(ConvNet, functools.partial(torch.optim.SGD, lr=-1)).build_optimizer()


@pytest.mark.parametrize(
    ("optimizer", "trainer", "expected"),
    [
        (functools.partial(torch.optim.SGD, lr=0.1), {}, True),
        (functools.partial(torch.optim.AdamW, lr=0.1), {}, True),
        (functools.partial(torch.optim.SGD, lr=0.1, foreach=True), {}, None),
        (functools.partial(torch.optim.SGD, lr=0.1), {"gradient_clip_val": 1.0}, None),
        (functools.partial(torch.optim.Adagrad, lr=0.1), {}, None),
    ],
)
def test_the_optimizer_s_step_is_fused_where_nothing_speaks_against_it(optimizer, trainer, expected):
    classifier = Classifier(functools.partial(MLP, depth=0), optimizer)
    data = ImageData(Glyphs(40, 20, 20), batch_size=20)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    Trainer(max_epochs=1, accelerator="cpu", **quiet, **trainer).fit(classifier, datamodule=data)
    assert classifier.trainer.optimizers[0].param_groups[0].get("fused") == expected


def test_a_fused_step_is_the_same_step():
    moved = []
    for fused in (False, True):
        torch.manual_seed(0)
        momentum = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)
        classifier = Classifier(ConvNet, momentum, regularization=[WeightDecay(0.1)])
        optimizer = classifier.build_optimizer(fused)
        for _ in range(3):
            optimizer.zero_grad()
            classifier.training_step((torch.ones(2, 3, 32, 32), torch.tensor([1, 2])), 0).backward()
            optimizer.step()
        moved.append(torch.cat([p.detach().flatten() for p in classifier.network.parameters()]))
    torch.testing.assert_close(*moved)


@pytest.mark.slow
@pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++", "c++"))), reason="no C++ compiler")
def test_a_compiled_network_learns_the_same_and_keeps_its_names(tmp_path, capsys):
    tiny = "--data.source Glyphs --data.source.train 40 --data.source.val 20 --trainer.max_epochs 1".split()
    quiet = ["--run.wandb=disabled", "--run.diagnostics=false", f"--run.folder={tmp_path}"]
    states = []
    for compiled in ("false", "true"):
        args = ["--config", "configs/base.yaml", "--model.network", "project.networks.MLP", "--model.compile", compiled]
        states.append(run(["fit", *args, *tiny, *quiet]).model.network.state_dict())
    assert "the first batch took" in capsys.readouterr().err
    assert list(states[0]) == list(states[1])
    for one, other in zip(*map(dict.values, states)):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_compiling_without_a_compiler_is_told(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="C.. compiler"):
        run(["fit", "--config", "configs/base.yaml", "--model.compile=true", "--trainer.accelerator=cpu"])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU")
def test_on_a_gpu_nothing_waits_for_the_host_within_an_epoch(tmp_path):
    class Strict(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            torch.cuda.set_sync_debug_mode("error" if batch_idx else "default")

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            if trainer.is_last_batch:
                torch.cuda.set_sync_debug_mode("default")

    crops = ["--config", "configs/regularization/crop.yaml", "--config", "configs/regularization/alternating_flip.yaml"]
    args = ["--config", "configs/quickstart.yaml", *crops, "--trainer.max_epochs=2", "--run.wandb=disabled"]
    watched = made(merged(read_arguments([*args, f"--run.folder={tmp_path}", "--run.diagnostics=false"]).overlays))
    watched.trainer.callbacks.insert(0, Strict())
    watched.fit()
