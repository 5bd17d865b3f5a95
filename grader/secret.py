"""The key that splits, seeds and pseudonyms are drawn from. It stays in the results folder, in `secret.json`."""

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_SEEDS = 99  # trainings of a submission that rules may ask for
BYTES = 16  # too many keys to try them all, whatever a student sees of what was drawn

Part = Literal["all", "practice", "final"]  # of the images that score
Use = Literal[
    "images",  # names the prepared images: (dataset, monitor_fraction)
    "monitor split",
    "test images",  # drawn where the dataset can draw fresh ones
    "order",  # of the images that score
    "training",  # seed of a training: (index,)
    "pseudonym",  # (student,)
    "reading",  # who reads what, and the number that a blind reader sees: (student, ...)
    "practice images",  # which images practice shows, and the final round does not
    "picture",  # name of a published image: (images, index)
    "withdrawn",  # by what somebody who withdrew is known again: (student,)
    "veil",  # key to the marks of what stays veiled of whoever withdrew
]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Key(_File):
    key: str = Field(pattern=f"^[0-9a-f]{{{2 * BYTES}}}$")
    salt: int | None = Field(None, ge=0, lt=2**63)
    part: Part = "all"
    practice: str = Field("", pattern=f"^([0-9a-f]{{{2 * BYTES}}})?$")


class _Seed(_File):
    seed: int = Field(ge=0, lt=2**63)


@dataclass(frozen=True)
class Secret:
    """What nobody can find out who sees some of what was drawn from it: each use has a label of its own.

    Attributes:
        key: BYTES random bytes.
        salt: A number of the instructor's choice, which gives other draws with the same key.
        part: Which of the images score: all, those of the practice round, or those that it never showed.
        practice_key: Of a final round after one of practice: that one's key.
    """

    key: bytes
    salt: int | None = None
    part: Part = "all"
    practice_key: bytes = b""

    @classmethod
    def new(cls, salt: int | None = None) -> Self:
        """A key that the operating system draws."""
        return cls(secrets.token_bytes(BYTES), salt)

    def digest(self, use: Use, *about: Any) -> bytes:
        """32 bytes for one use: HMAC-SHA256 of what it is drawn for (plain data), by the key."""
        message = json.dumps([self.salt, use, *about], sort_keys=True)
        return hmac.digest(self.key, message.encode(), hashlib.sha256)

    @property
    def practice(self) -> "Secret":
        """The practice round's, from which both rounds know what practice shows."""
        return Secret(self.practice_key or self.key)

    def number(self, use: Use, *about: Any) -> int:
        """0 to 2**63 - 1."""
        return int.from_bytes(self.digest(use, *about)[:8], "big") >> 1

    def to_json(self) -> str:
        """What `secret.json` holds."""
        rounds: dict[str, Any] = {} if self.part == "all" else {"part": self.part, "practice": self.practice_key.hex()}
        return _Key(key=self.key.hex(), salt=self.salt, **rounds).model_dump_json(exclude_unset=True)


@dataclass(frozen=True)
class EarlierSecret(Secret):
    """A seed, as older results folders have it: what was drawn from it stays as it was."""

    key: bytes = b""
    seed: int = 0

    def digest(self, use: Use, *about: Any) -> bytes:
        """At least 4 bytes."""
        by_seed = str(self.seed).encode()
        match use:
            case "training":
                return hashlib.sha256(f"{self.seed} {about[0]}".encode()).digest()
            case "images":
                return hashlib.sha256(json.dumps([*about, self.seed], sort_keys=True).encode()).digest()
            case "pseudonym" | "picture" | "reading" | "withdrawn" | "veil":
                return hmac.digest(by_seed, " ".join(map(str, about)).encode(), hashlib.sha256)
            case _:
                return (self.seed << 1).to_bytes(8, "big")


def training_seed(secret: Secret, index: int) -> int:
    """The seed of the training number `index`: the same for every submission, known to none."""
    return int.from_bytes(secret.digest("training", index)[:4], "big") >> 1


def drew(secret: Secret, seed: int) -> bool:
    """Whether a training's seed was drawn from this secret, and not from another one."""
    return any(seed == training_seed(secret, index) for index in range(MOST_SEEDS))


def read_secret(content: bytes) -> Secret:
    """A secret from what `secret.json` holds. Raises ValueError where it is damaged."""
    try:
        stored = _Key.model_validate_json(content)
        return Secret(bytes.fromhex(stored.key), stored.salt, stored.part, bytes.fromhex(stored.practice))
    except ValidationError:
        return EarlierSecret(seed=_Seed.model_validate_json(content).seed)
