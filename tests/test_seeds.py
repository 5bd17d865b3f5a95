"""Seeds: no two runs draw the same, and one that resumes draws what it would have drawn."""

import pytest
import torch
from pytorch_lightning import Callback, Trainer

from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.initialization import He
from project.networks import MLP
from project.regularization import Dropout
from project.support.seeds import NETWORK, ORDER, spread


def test_no_seed_shares_a_stream_with_another():
    streams = range(min(NETWORK, ORDER), 20)
    seeds = [spread(seed, epoch, stream) for seed in range(100) for epoch in range(30) for stream in streams]
    assert len({seed % 2**32 for seed in seeds}) == len(seeds), "a generator on a CPU takes 32 bits"


class Masks(Callback):
    """What dropout leaves of ones as each epoch begins, and the labels of its first batch."""

    def __init__(self):
        self.seen, self.labels = [], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        with torch.random.fork_rng(devices=[]):
            self.seen.append(torch.nn.functional.dropout(torch.ones(64), 0.5).tolist())
            self.labels.append(batch[1].tolist())


def trained(network, source=Glyphs, **strategies) -> Masks:
    """What three epochs drew, with the seed that is set."""
    masks = Masks()
    classifier = Classifier(network, **{"optimizer": torch.optim.SGD, **strategies})
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = Trainer(max_epochs=3, accelerator="cpu", limit_val_batches=0, callbacks=[masks], **quiet)
    trainer.fit(classifier, datamodule=ImageData(source(40, 10, 10), batch_size=40))
    return masks


def test_each_seed_and_each_epoch_drops_other_units():
    seen = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        seen += trained(MLP, regularization=[Dropout(0.5)]).seen
    assert len(seen) == len({tuple(mask) for mask in seen}) == 9


class SeededNetwork(MLP):
    def __init__(self, **settings):
        torch.manual_seed(7)
        super().__init__(**settings)


class SeededSource(Glyphs):
    def load(self, split):
        torch.manual_seed(7)
        return super().load(split)


def seeded_optimizer(parameters):
    torch.manual_seed(7)
    return torch.optim.SGD(parameters, lr=0.01)


def seeded_scheduler(optimizer):
    torch.manual_seed(7)
    return torch.optim.lr_scheduler.ConstantLR(optimizer)


class Seeded(He):
    def adapt(self, network, images_NCHW):
        torch.manual_seed(7)


@pytest.mark.parametrize(
    "own",
    [
        {"network": SeededNetwork},
        {"network": MLP, "source": SeededSource},
        {"network": MLP, "optimizer": seeded_optimizer},
        {"network": MLP, "scheduler": seeded_scheduler},
        {"network": MLP, "initialization": Seeded()},
    ],
)
def test_code_that_sets_a_seed_of_its_own_does_not_make_all_seeds_one(own):
    seen, orders = [], []
    for seed in (1, 2):
        torch.manual_seed(seed)
        masks = trained(**own)
        seen += masks.seen
        orders.append(masks.labels)
    assert len({tuple(mask) for mask in seen}) == 6 and orders[0] != orders[1]


def test_an_initialization_draws_by_the_run_s_seed_whatever_the_network_sets():
    drawn = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        network = Classifier(SeededNetwork, torch.optim.SGD, initialization=He()).network
        drawn.append(torch.cat([weight.flatten() for weight in network.parameters()]))
    assert not torch.equal(*drawn)
