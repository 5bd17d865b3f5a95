"""Crop, flip and normalisation of an image on one core: per sample by torchvision, and ours, a batch at once."""

import time

import torch

from benchmarks import template
from benchmarks.epoch import BATCH, resident
from benchmarks.measuring import in_turns, ratio, report
from project.data import ImageData
from project.datasets.source import Source


def main(source: Source, rounds: int, images: int) -> dict:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = ImageData(source, BATCH)
    data.setup("fit")
    split = type(data.split("train"))(*(tensor[:images] for tensor in data.split("train")))
    data.loaded["train"] = split
    loader, ours = template.loader(split, data.mean, data.std, BATCH, workers=0), resident(data)

    def microseconds(batches) -> float:
        started, seen = time.perf_counter(), 0
        for _, labels_N in batches:
            seen += len(labels_N)
        return (time.perf_counter() - started) / seen * 1e6

    found = in_turns(
        {"per sample, v2": lambda: microseconds(loader), "ours": lambda: microseconds(ours)}, rounds, "µs an image"
    )
    torch.set_num_threads(threads)
    return report("augment", found, {"augment": ratio(found["per sample, v2"], found["ours"])})
