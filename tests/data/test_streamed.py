"""The DataLoader route: anything of torchvision's, image by image, and the same batches however they are made."""

import pytest
import torch
from torchvision.transforms import v2

from project.augmentation import AlternatingFlip, ColorJitter, RandomCrop, RandomHorizontalFlip
from project.batches.in_memory import ResidentBatches
from project.batches.worker_processes import StreamedBatches
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.datasets.source import Split
from project.support.errors import UserError
from project.training.command_line import run

STATISTICS = ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])


def split(n=100, size=8, one_image=False):
    images = torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split(images[:1].expand(n, -1, -1, -1).contiguous() if one_image else images, torch.arange(n))


def made(kind, augmentation=(), source=None, seed=0, epoch=0, training=True, first=0, **more):
    batches = kind(
        source or split(), 32, *STATISTICS, "cpu", training, seed, lambda: epoch, augmentation=augmentation, **more
    )
    batches.load_state_dict({"done": first})
    images, labels = zip(*batches)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize("training", [False, True])
def test_both_routes_give_the_same_images_in_the_same_order(training):
    resident, streamed = (made(kind, training=training) for kind in (ResidentBatches, StreamedBatches))
    assert torch.equal(resident[0], streamed[0]) and torch.equal(resident[1], streamed[1])


CROPS = [v2.RandomCrop(8, padding=4, padding_mode="reflect"), v2.RandomHorizontalFlip()]


@pytest.mark.parametrize("augmentation", [CROPS, [RandomCrop(2), AlternatingFlip(), ColorJitter(0.5), *CROPS]])
def test_the_batches_depend_on_seed_and_epoch_alone(augmentation):
    first = made(StreamedBatches, augmentation, seed=1, epoch=2, num_workers=0)
    torch.manual_seed(99)
    again = made(StreamedBatches, augmentation, seed=1, epoch=2, num_workers=2)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    for other in ({"seed": 2, "epoch": 2}, {"seed": 1, "epoch": 3}):
        assert not torch.equal(first[0], made(StreamedBatches, augmentation, num_workers=0, **other)[0])


@pytest.mark.parametrize("kind", [ResidentBatches, StreamedBatches])
@pytest.mark.parametrize("augmentation", [[RandomCrop(2), AlternatingFlip()], CROPS])
def test_an_epoch_goes_on_where_it_was_stopped(kind, augmentation):
    if kind is ResidentBatches and augmentation is CROPS:
        augmentation = [RandomCrop(3), ColorJitter(0.3)]
    whole, rest = made(kind, augmentation, epoch=4), made(kind, augmentation, epoch=4, first=2)
    assert torch.equal(whole[0][64:], rest[0]) and torch.equal(whole[1][64:], rest[1])


def test_copies_of_an_image_get_draws_of_their_own():
    images_NCHW, _ = made(StreamedBatches, CROPS, split(96, one_image=True), num_workers=2)
    assert len({image.numpy().tobytes() for image in images_NCHW}) > 60, "81 shifts, mirrored or not"


@pytest.mark.parametrize("first", [v2.RandomHorizontalFlip(), RandomHorizontalFlip()])
def test_transforms_draw_apart_from_each_other_and_from_those_of_a_batch(first):
    flipped = [first, v2.RandomVerticalFlip()]
    images_NCHW, _ = made(StreamedBatches, flipped, split(96, one_image=True), num_workers=0)
    assert len({image.numpy().tobytes() for image in images_NCHW}) == 4, "mirrored or not, and turned over or not"


def brightened(image):
    return (image * 1.5).round().clamp(0, 255).to(torch.uint8)


def test_floats_that_go_beyond_1_are_told():
    plain, noisy = (
        made(StreamedBatches, [v2.Lambda(change)]) for change in (brightened, lambda image: image * 1.5 / 255)
    )
    assert torch.equal(plain[0], noisy[0]), "what is a little beyond is cut off"
    with pytest.raises(
        UserError, match="Lambda returns floating-point numbers up to .*; divide by 255, or return uint8"
    ):
        made(StreamedBatches, [v2.Lambda(lambda image: image.float())])


def test_floating_point_images_are_normalised_like_all_others():
    plain, floats = (made(StreamedBatches, chosen) for chosen in ([], [v2.ToDtype(torch.float32, scale=True)]))
    assert torch.equal(plain[0], floats[0])


def test_evaluation_is_not_augmented():
    plain, augmented = (made(StreamedBatches, chosen, training=False) for chosen in ([], CROPS))
    assert torch.equal(plain[0], augmented[0])


def test_another_size_is_told():
    with pytest.raises(UserError, match="Resize makes images of 3x9x9; they must stay 3x8x8"):
        StreamedBatches(split(), 32, *STATISTICS, training=True, augmentation=[v2.Resize(9)])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"augmentation": [v2.Normalize([0.5], [0.5])]}, "data.mean"),
        ({"augmentation": CROPS, "in_memory": True}, "RandomCrop works image by image"),
        ({"num_workers": -1}, "data.num_workers"),
    ],
)
def test_what_cannot_be_is_told(arguments, said):
    with pytest.raises(UserError, match=said):
        ImageData(Glyphs(10, 10, 10), **arguments)


@pytest.fixture
def fit(tmp_path, capsys):
    def fit(*args):
        small = "--data.source Glyphs --data.source.train 100 --data.source.val 50 --trainer.max_epochs 1".split()
        quiet = ["--run.folder", str(tmp_path), "--run.wandb", "disabled", "--run.diagnostics", "false"]
        fitted = run(["fit", "--config", "configs/quickstart.yaml", *small, *quiet, *args])
        return fitted, capsys.readouterr().out

    return fit


def test_the_route_is_chosen_and_said(fit, monkeypatch):
    fitted, said = fit()
    assert isinstance(fitted.trainer.train_dataloader, ResidentBatches) and "from memory" in said

    fitted, said = fit("--config", "configs/regularization/trivial_augment.yaml", "--data.num_workers", "1")
    assert isinstance(fitted.trainer.train_dataloader, StreamedBatches)
    assert "by 1 worker process (TrivialAugmentWide works image by image)" in said
    assert isinstance(fitted.trainer.val_dataloaders, ResidentBatches), "validation has no augmentation"

    monkeypatch.setattr("psutil.virtual_memory", lambda: type("Memory", (), {"available": 10**5}))
    fitted, said = fit("--data.num_workers", "0")
    assert isinstance(fitted.trainer.train_dataloader, StreamedBatches) and "GB of memory free" in said
    assert isinstance(fitted.trainer.val_dataloaders, StreamedBatches)
    fitted, said = fit("--data.in_memory", "true")
    assert isinstance(fitted.trainer.train_dataloader, ResidentBatches)


def test_both_routes_train_to_the_same_weights_where_nothing_is_drawn(fit):
    weights = []
    for in_memory in ("true", "false"):
        fitted, _ = fit("--data.in_memory", in_memory, "--data.augmentation", "[]")
        weights.append(torch.cat([p.detach().flatten() for p in fitted.model.network.parameters()]))
    assert torch.equal(*weights)
