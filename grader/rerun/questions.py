"""Asks a network for logits through two pipes, so that a sandbox sees a batch of images at a time and nothing else.

What answers runs a student's code, and may write anything, at any time, or nothing. See programs/predictor.py.
"""

import os
import select
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from grader.sandbox.untrusted_files import Unreadable

WEIGHTS, IMAGES = b"W", b"I"
SIZE_BYTES = 8  # of the number that says how many bytes follow
LEAST, MOST = 125, 250  # images in a batch, where there are many; the last has what is left
CHUNK = 1 << 16
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Look:
    """Images that one set of weights is asked about.

    Attributes:
        weights: A safetensors file.
        images_NHWC: uint8.
    """

    weights: bytes
    images_NHWC: Tensor


class Gone(Exception):
    """The program has ended, and left a question without an answer."""


class Questions:
    """Puts questions to a program, in a thread, while another one watches that the program keeps its limits.

    Args:
        folder: Where the pipes are made. The program may only see it, so that it cannot put anything in their place.
        looks: What to ask, one after the other. Each is made when it is asked.
        classes: Number of logits in the answer about an image.
        random: Draws the order of the images and the sizes of the batches.
    """

    def __init__(self, folder: Path, looks: Iterable[Look], classes: int, random: np.random.Generator):
        self.looks, self.classes, self.random = looks, classes, random
        self.answered: list[Tensor] = []
        self.failed: Exception | None = None
        self.ended = threading.Event()
        pipes = folder / "questions", folder / "answers"
        for pipe in pipes:
            os.mkfifo(pipe, 0o600)
        # Both directions, so that opening waits for nobody, and that a program which is gone is no signal to us.
        self.questions, self.answers = (os.open(pipe, os.O_RDWR | os.O_NONBLOCK) for pipe in pipes)
        self.thread = threading.Thread(target=self.ask, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *how: object) -> None:
        """The program has ended, by itself or not."""
        self.ended.set()
        self.thread.join()

    def check(self) -> None:
        """Raises Unreadable where an answer was none, whatever became of the program then."""
        if self.failed and not isinstance(self.failed, Gone):
            raise self.failed

    def logits(self) -> list[Tensor]:
        """Logits (N, K), float32, of each of the looks, in the order of their images. Raises Unreadable."""
        self.check()
        if self.failed:
            raise Unreadable("its network did not answer for all images")
        return self.answered

    def ask(self) -> None:
        try:
            for look in self.looks:
                self.say(WEIGHTS, look.weights)
                logits_NK = torch.empty(len(look.images_NHWC), self.classes)
                for batch in self.batches(len(logits_NK)):
                    self.say(IMAGES, look.images_NHWC[batch].contiguous().numpy().tobytes())
                    logits_NK[batch] = self.answer(len(batch))
                self.answered.append(logits_NK)
        except Exception as error:
            self.failed = error  # raised where somebody waits for it
        finally:  # the program has nothing more to read, and nobody to write to: it ends
            os.close(self.questions)
            os.close(self.answers)

    def batches(self, count: int) -> Iterator[Tensor]:
        """Indices of all images, in an order and in pieces that are drawn; never all of them in one."""
        order_N = torch.from_numpy(self.random.permutation(count))
        most = min(MOST, -(-count // 2))
        while len(order_N):
            size = int(self.random.integers(min(LEAST, -(-most // 2)), most + 1))
            yield order_N[:size]
            order_N = order_N[size:]

    def say(self, kind: bytes, content: bytes) -> None:
        left = memoryview(kind + len(content).to_bytes(SIZE_BYTES, "big") + content)
        while left:
            self.wait(self.questions, to_write=True)
            with suppress(BlockingIOError):  # the program wrote there itself
                left = left[os.write(self.questions, left[:CHUNK]) :]

    def answer(self, count: int) -> Tensor:
        """Logits (count, K) that come next. Raises Unreadable for anything else."""
        expected = 4 * count * self.classes
        if (size := int.from_bytes(self.hear(SIZE_BYTES), "big")) != expected:
            shape = f"float32 ({count}, {self.classes}), which are {expected:,} bytes"
            raise Unreadable(f"the logits are not {shape}, but {size:,} bytes")
        content = self.hear(expected)
        if select.select([self.answers], [], [], 0)[0]:
            raise Unreadable("its network answered before it was asked")
        return torch.frombuffer(content, dtype=torch.float32).view(count, self.classes)

    def hear(self, size: int) -> bytearray:
        """So many bytes that come next."""
        content = bytearray()
        while len(content) < size:
            self.wait(self.answers)
            with suppress(BlockingIOError):  # the program read there itself
                content += os.read(self.answers, min(size - len(content), CHUNK))
        return content

    def wait(self, pipe: int, to_write: bool = False) -> None:
        """Until there is something to read, or room to write. Raises Gone where the program is gone before."""
        reading, writing = ([], [pipe]) if to_write else ([pipe], [])
        while True:
            gone = self.ended.is_set()  # seen before what it may have left
            if any(select.select(reading, writing, [], 0 if gone else POLL_SECONDS)):
                return
            if gone:
                raise Gone
