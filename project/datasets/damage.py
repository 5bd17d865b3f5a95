"""What reading an archive raises that is cut, spoilt, or packed by a method that Python does not know; and the words for it."""

import lzma
import tarfile
import zipfile
import zlib

DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError),
    NotImplementedError,  # zipfile's: Deflate64, with which Windows packs what is large
)


def damage(error: BaseException) -> str:
    """What is wrong with an archive, in one line."""
    said = getattr(error, "strerror", None) or " ".join(str(error).split()) or "it ends too early"
    return f"{said}; unpack it, or pack it anew" if isinstance(error, NotImplementedError) else said
