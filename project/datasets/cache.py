"""The cache of decoded images: what takes seconds to decode is kept as tensors, under a digest of its content."""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from project.datasets.source import Split
from project.datasets.tensor_folder import TensorFolder
from project.support.errors import UserError

CACHE_FORMAT = 1  # another number makes everybody decode anew

Decoded = tuple[list[str], Mapping[str, Split]]  # names of the classes, and every split


def content_key(pieces: Iterable[bytes], *settings: str | int | float | list[Any] | None) -> str:
    """A digest of all content, and of the settings that decide what is made of it."""
    digest = hashlib.sha256(json.dumps([CACHE_FORMAT, *settings]).encode())
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()[:32]


def file_pieces(path: Path) -> Iterator[bytes]:
    """The content of a file, a piece at a time."""
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def decoded_once(key: str, decode: Callable[[Path], Decoded]) -> Path:
    """The folder of decoded tensors for a key, made if it is not in the cache.

    `decode` gets an empty folder for what it may have to put aside. Raises UserError where the cache cannot be written.
    """
    cache = cache_folder()
    target = cache / key
    if target.exists():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        remove_remains(cache)
        # Written aside and renamed: a kill leaves nothing half-written, and of two processes the second yields.
        with tempfile.TemporaryDirectory(prefix=".decoding-", dir=cache, ignore_cleanup_errors=True) as aside:
            whole = Path(aside, "whole")
            whole.mkdir()
            TensorFolder.write(whole, *decode(Path(aside)))
            try:
                whole.rename(target)
            except OSError:
                if not target.exists():
                    raise
    except OSError as error:
        raise UserError(f"cannot write the cache {cache}: {error.strerror}; set FIFTEEN_EPOCHS_CACHE") from None
    return target


def cache_folder() -> Path:
    """Where decoded images are kept: $FIFTEEN_EPOCHS_CACHE, or fifteen-epochs in the user's cache folder."""
    own = os.environ.get("FIFTEEN_EPOCHS_CACHE")
    general = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(general, "fifteen-epochs")


def remove_remains(folder: Path) -> None:
    """Remove what a killed process left behind a day or more ago."""
    for remains in folder.glob(".decoding-*"):
        with suppress(OSError):  # another process may be faster
            if time.time() - remains.stat().st_mtime > 86_400:
                shutil.rmtree(remains)
