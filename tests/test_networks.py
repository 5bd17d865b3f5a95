"""SpeedNet with the filters it is meant to begin with, and the residual block."""

import functools

import pytest
import torch

from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import PatchWhitening
from project.networks import ResidualBlock, SpeedNet, views
from project.normalization import BatchNormalization
from project.support.errors import UserError

SMALL = functools.partial(SpeedNet, widths=[8, 8])
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("stem_stride", [1, 2])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_it_fits_the_data(shape, stem_stride, residual):
    network = functools.partial(SMALL, stem_stride=stem_stride, residual=residual)
    classifier = Classifier(network, functools.partial(torch.optim.SGD, lr=0.1), num_classes=7, image_shape=shape)
    assert classifier(torch.randn(2, *shape)).shape == (2, 7)


def test_too_many_stages_are_told():
    with pytest.raises(UserError, match="stages"):
        SpeedNet(widths=[8] * 6)


def test_a_residual_stage_is_deeper_and_begins_the_same():
    torch.manual_seed(0)
    residual = SMALL(residual=True, activation=torch.nn.ReLU).eval()
    plain = SMALL(activation=torch.nn.ReLU).eval()
    for stage, deeper in zip(plain.stages, residual.stages):
        convolutions = [[m for m in part.modules() if isinstance(m, torch.nn.Conv2d)] for part in (stage, deeper)]
        assert [len(part) for part in convolutions] == [2, 3]
        for convolution in convolutions[1][1:]:
            torch.nn.init.zeros_(convolution.weight)
            torch.nn.init.zeros_(convolution.bias)
        x_NCHW = torch.randn(2, convolutions[1][0].in_channels, 8, 8)
        first = torch.nn.functional.max_pool2d(convolutions[1][0](x_NCHW), 2).relu()
        torch.testing.assert_close(deeper(x_NCHW), first)


def test_two_views_see_no_difference_between_left_and_right():
    network = SMALL(test_views=2, normalization=BatchNormalization()).eval()
    torch.testing.assert_close(network(IMAGES), network(IMAGES.flip(3)))
    assert not torch.allclose(network.train()(IMAGES), network(IMAGES.flip(3))), "in training there is one view"


@pytest.mark.parametrize(("count", "different"), [(2, 2), (6, 6)])
def test_views_are_the_images_mirrored_and_shifted(count, different):
    seen = list(views(IMAGES, count))
    assert len({view.numpy().tobytes() for view in seen}) == different
    assert torch.equal(seen[0], IMAGES) and torch.equal(seen[1], IMAGES.flip(3))
    if count == 6:
        assert torch.equal(seen[2][:, :, 1:, 1:], IMAGES[:, :, :-1, :-1])
        assert torch.equal(seen[4][:, :, :-1, :-1], IMAGES[:, :, 1:, 1:])


@pytest.mark.parametrize("frozen", [False, True])
def test_whitened_filters_stay_as_they_are_where_frozen(frozen):
    torch.manual_seed(0)
    optimizer = functools.partial(torch.optim.SGD, lr=0.1)
    classifier = Classifier(SMALL, optimizer, initialization=PatchWhitening(frozen=frozen))
    data = ImageData(Glyphs(200, 10, 10))
    data.setup("fit")
    classifier.initialization.adapt(classifier.network, data.sample(100))
    before = {name: p.detach().clone() for name, p in classifier.network.named_parameters()}
    step = classifier.build_optimizer()
    classifier.training_step((data.sample(20), torch.arange(20) % 10), 0).backward()
    step.step()
    still = {name for name, p in classifier.network.named_parameters() if torch.equal(p, before[name])}
    assert still == ({"stem.0.weight"} if frozen else set())


@pytest.mark.parametrize("size", [8, 9])
def test_a_shortcut_is_a_1x1_convolution_with_the_block_s_stride(size):
    block = ResidualBlock(4, 8, 2, None, torch.nn.ReLU)
    for parameter in block.branch.parameters():
        torch.nn.init.zeros_(parameter)
    x_NCHW = torch.randn(2, 4, size, size)
    (convolution,) = (layer for layer in block.shortcut.modules() if isinstance(layer, torch.nn.Conv2d))
    strided = torch.nn.functional.conv2d(x_NCHW, convolution.weight, convolution.bias, stride=2)
    torch.testing.assert_close(block(x_NCHW), strided.relu())
