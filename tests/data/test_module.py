"""Batches: each image its own draw, seeded, and nothing of it outside of training."""

import pytest
import torch

from project.augmentation import RandomAffine, RandomCrop, RandomHorizontalFlip
from project.batches.in_memory import ResidentBatches
from project.data import ImageData, channel_statistics
from project.datasets.glyphs import Glyphs
from project.datasets.source import Split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_copies_of_an_image_get_crops_of_their_own():
    image = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=generator())
    cropped = RandomCrop(4)(image.expand(2000, -1, -1, -1).contiguous(), generator())
    assert len({crop.numpy().tobytes() for crop in cropped}) == 81, "9 x 9 shifts"


def test_a_crop_is_the_shifted_image():
    images = torch.randint(0, 256, (300, 8, 8, 3), dtype=torch.uint8, generator=generator())
    for image, crop in zip(images, RandomCrop(2)(images, generator())):
        padded = torch.nn.functional.pad(image.permute(2, 0, 1).float(), (2, 2, 2, 2), mode="reflect").permute(1, 2, 0)
        windows = [padded[y : y + 8, x : x + 8] for y in range(5) for x in range(5)]
        assert any(torch.equal(crop.float(), window) for window in windows)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flips_as_often_as_told(p):
    images = torch.arange(32, dtype=torch.uint8).view(1, 1, 32, 1).expand(4000, 2, 32, 3).contiguous()
    flipped = RandomHorizontalFlip(p)(images, generator())
    mirrored_N = (flipped[:, 0, 0, 0] == 31).float()
    assert mirrored_N.mean().item() == pytest.approx(p, abs=0.03)
    assert torch.equal(flipped[mirrored_N == 0], images[mirrored_N == 0])
    assert torch.equal(flipped[mirrored_N == 1], images.flip(2)[mirrored_N == 1])


def test_copies_of_an_image_are_warped_each_in_its_own_way():
    image = torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=generator())
    warped = RandomAffine(0.1)(image.expand(100, -1, -1, -1).contiguous(), generator())
    assert len({copy.numpy().tobytes() for copy in warped}) == 100
    assert torch.equal(RandomAffine(0.0)(image, generator()), image)


def test_an_affine_map_moves_a_point_no_further_than_its_strength_says():
    """A point 12 pixels from the centre in both directions: by at most 2 x 0.1 x 12 + 0.05 x 16 pixels, both ways."""
    images = torch.zeros(500, 33, 33, 1, dtype=torch.uint8)
    images[:, 27:30, 27:30] = 255
    weights_NHW = RandomAffine(0.1)(images, generator())[..., 0].float()
    pixel = torch.arange(33).float()
    total_N = weights_NHW.sum((1, 2))
    y_N, x_N = (weights_NHW.sum(2) @ pixel) / total_N, (weights_NHW.sum(1) @ pixel) / total_N
    moved = torch.stack([y_N, x_N]) - 28
    assert moved.abs().max() < 4 and moved.std() > 0.7


def batches(training=True, augmentation=(), batch_size=32, seed=0, n=100, epoch=0):
    images = torch.randint(0, 256, (n, 8, 8, 3), dtype=torch.uint8, generator=generator())
    split = Split(images, torch.arange(n))
    arguments = (split, batch_size, [0.5, 0.4, 0.3], [0.2, 0.3, 0.4], "cpu", training, seed, lambda: epoch)
    return ResidentBatches(*arguments, augmentation=augmentation)


def test_images_are_normalised_and_lie_channels_last():
    loader = batches(training=False)
    images_NCHW, labels_N = next(iter(loader))
    expected = loader.split.images_NHWC[:32].permute(0, 3, 1, 2).float() / 255
    expected = (expected - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1)
    torch.testing.assert_close(images_NCHW, expected)
    assert images_NCHW.is_contiguous(memory_format=torch.channels_last) and labels_N.tolist() == list(range(32))


def test_training_shuffles_anew_each_epoch_and_leaves_out_what_fills_no_batch():
    epochs = [torch.cat([labels for _, labels in batches(epoch=epoch)]).tolist() for epoch in range(2)]
    assert len(batches()) == 3 and all(len(set(epoch)) == 96 for epoch in epochs) and epochs[0] != epochs[1]


def test_evaluation_sees_every_image_once_in_order():
    loader = batches(training=False, augmentation=[RandomHorizontalFlip(1.0)])
    assert torch.cat([labels for _, labels in loader]).tolist() == list(range(100))
    once, again = (torch.cat([images for images, _ in loader]) for _ in range(2))
    assert torch.equal(once, again)


def test_a_seed_and_an_epoch_give_the_same_batches():
    def drawn(**which):
        loader = batches(augmentation=[RandomCrop(2), RandomHorizontalFlip()], **which)
        return torch.cat([images.flatten(1) for images, _ in loader])

    assert torch.equal(drawn(seed=1, epoch=3), drawn(seed=1, epoch=3))
    assert not torch.equal(drawn(seed=1, epoch=3), drawn(seed=1, epoch=4))
    assert not torch.equal(drawn(seed=1, epoch=3), drawn(seed=2, epoch=3))


def test_a_batch_larger_than_the_dataset_is_the_dataset():
    assert [len(labels) for _, labels in batches(batch_size=1000)] == [100]


def test_channel_statistics_are_those_of_all_pixels():
    images = torch.randint(0, 256, (2500, 4, 4, 3), dtype=torch.uint8, generator=generator())
    images[..., 2] = 7
    mean, std = channel_statistics(images)
    pixels = images.double().flatten(0, 2) / 255
    torch.testing.assert_close(torch.tensor(mean, dtype=torch.float64), pixels.mean(0))
    torch.testing.assert_close(torch.tensor(std[:2], dtype=torch.float64), pixels[:, :2].std(0, unbiased=False))
    assert std[2] == 1


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"batch_size": 0}, "data.batch_size"),
        ({"std": [0.1, 0.0, 0.1]}, "data.std"),
        ({"mean": [0.5]}, "data.mean, data.std: .*--data.mean null --data.std null"),
    ],
)
def test_values_out_of_range_are_told(arguments, where):
    with pytest.raises(UserError, match=where):
        ImageData(Glyphs(10, 10, 10), **arguments).setup("fit")


def test_images_of_one_class_alone_are_not_trained_on_and_can_be_looked_at(tmp_path):
    images_NHWC, labels_N = torch.zeros(6, 4, 4, 1, dtype=torch.uint8), torch.zeros(6, dtype=torch.int64)
    split = Split(images_NHWC, labels_N + 1)
    TensorFolder.write(tmp_path, ["cat", "dog"], {"train": split, "val": split, "test": split})
    data = ImageData(TensorFolder(str(tmp_path)))
    with pytest.raises(UserError, match="data.source: all 6 training images are of the class dog"):
        data.setup("fit")
    data.setup("test")
    assert data.num_classes == 2


def test_a_crop_as_large_as_the_image_is_told():
    with pytest.raises(UserError, match="RandomCrop"):
        RandomCrop(32)(torch.zeros(1, 32, 32, 3, dtype=torch.uint8), generator())


def test_of_one_augmentation_given_twice_the_later_counts():
    data = ImageData(Glyphs(10, 10, 10), augmentation=[RandomCrop(1), RandomHorizontalFlip(), RandomCrop(3)])
    assert [type(chosen) for chosen in data.augmentation] == [RandomCrop, RandomHorizontalFlip]
    assert data.augmentation[0].margin == 3


def test_a_part_of_sorted_validation_images_has_every_class_and_predictions_keep_their_order(tmp_path):
    from project.training.command_line import run

    labels_N = torch.arange(10).repeat_interleave(100)
    images_NHWC = torch.randint(0, 256, (1000, 8, 8, 1), dtype=torch.uint8, generator=generator())
    split = Split(images_NHWC, labels_N)
    TensorFolder.write(tmp_path, list("abcdefghij"), {"train": split, "val": split, "test": split})
    options = f"--data.source TensorFolder --data.source.path {tmp_path} --run.folder {tmp_path}/runs".split()
    configs = "--config configs/base.yaml --config configs/presets/debug.yaml".split()
    fitted = run(["fit", *configs, *options])
    (first, first_labels_N), *_ = fitted.datamodule.val_dataloader()
    assert len(first_labels_N) == 250 and first_labels_N.bincount(minlength=10).min() > 10, (
        "all classes are in one batch"
    )
    again = list(fitted.datamodule.val_dataloader())
    assert torch.equal(again[0][0], first), "always the same"
    assert torch.cat([labels for _, labels in again]).sort().values.equal(labels_N), "each image once"
    assert torch.cat([labels for _, labels in fitted.datamodule.test_dataloader()]).equal(labels_N)


def test_a_network_made_for_other_images_is_told_what_the_images_here_are(tmp_path):
    from project.training.command_line import run

    split = Split(torch.randint(0, 256, (20, 28, 28, 1), dtype=torch.uint8), torch.arange(20) % 10)
    TensorFolder.write(tmp_path, list("abcdefghij"), {"train": split, "val": split})
    options = f"--data.source TensorFolder --data.source.path {tmp_path} --run.folder {tmp_path}/runs".split()
    network = "--model.network torchvision.models.resnet18 --run.wandb disabled".split()
    with pytest.raises(UserError, match=r"3 channels.*\(the images here are 28x28 grey: \(N, 1, 28, 28\)\)$"):
        run(["fit", "--config", "configs/base.yaml", *network, *options])


@pytest.mark.parametrize(("stage", "allowed"), [("test", False), ("predict", True)])
def test_images_without_labels_can_be_predicted_alone(stage, allowed):
    data = ImageData(Glyphs(train=20, val=10, test=10))
    data.loaded["test"] = Split(torch.zeros(10, 32, 32, 3, dtype=torch.uint8), torch.full((10,), -1))
    if allowed:
        data.setup(stage)
    else:
        with pytest.raises(UserError, match="the test images have no labels; `predict`"):
            data.setup(stage)
