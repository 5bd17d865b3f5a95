"""Seeds: no two runs draw the same, and one that resumes draws what it would have drawn."""

import torch
from pytorch_lightning import Callback, Trainer

from project.classifier import Classifier
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.networks import MLP
from project.regularization import Dropout
from project.support.seeds import NETWORK, ORDER, spread


def test_no_seed_shares_a_stream_with_another():
    streams = range(min(NETWORK, ORDER), 20)
    seeds = [spread(seed, epoch, stream) for seed in range(100) for epoch in range(30) for stream in streams]
    assert len({seed % 2**32 for seed in seeds}) == len(seeds), "a generator on a CPU takes 32 bits"


class Masks(Callback):
    """What dropout leaves of ones as each epoch begins."""

    def __init__(self):
        self.seen = []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        with torch.random.fork_rng(devices=[]):
            self.seen.append(torch.nn.functional.dropout(torch.ones(64), 0.5).tolist())


def test_each_seed_and_each_epoch_drops_other_units():
    seen = []
    for seed in (0, 1, 2):
        torch.manual_seed(seed)
        masks = Masks()
        classifier = Classifier(MLP, torch.optim.SGD, regularization=[Dropout(0.5)])
        quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        trainer = Trainer(max_epochs=3, accelerator="cpu", limit_val_batches=0, callbacks=[masks], **quiet)
        trainer.fit(classifier, datamodule=ImageData(Glyphs(20, 10, 10), batch_size=20))
        seen += masks.seen
    assert len(seen) == len({tuple(mask) for mask in seen}) == 9
