"""A run's folder, `runs/<name>/`.

config.yaml    the complete configuration; `fit --config` it to repeat the run
metrics.csv    one row an epoch; `lr` is the rate at its end: of a schedule that steps once a batch, that of the next step
summary.json   accuracy, epochs, seconds, the strategies that were really used
checkpoints/   best.ckpt (highest val/accuracy) and last.ckpt
figures/       learning curves
wandb/         the W&B run, offline unless asked: `wandb leet runs/<name>/wandb`, `wandb sync runs/<name>/wandb/*run-*`
"""

import os
import socket
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from project.support.errors import UserError


@dataclass
class Run:
    """Where a run is kept.

    Attributes:
        name: Name of the run's folder. By default made from the names of its configuration files.
        folder: Folder of all runs.
        wandb: W&B logging. Offline runs are kept in the run's folder; online needs `wandb login`.
        project: The W&B project.
        diagnostics: Record and draw learning rate, gradient norms and activations.
        figures: Draw the learning curves.
        rules: File of the course's rules, whose conditions the last lines are about. By default configs/assignment.yaml.
    """

    name: str | None = None
    folder: str = "runs"
    wandb: Literal["disabled", "offline", "online"] = "offline"
    project: str = "fifteen-epochs"
    diagnostics: bool = True
    figures: bool = True
    rules: str | None = None

    def check(self) -> None:
        """Raises UserError where W&B is to be online, but has no key, or does not answer."""
        if self.wandb != "online":
            return
        import wandb

        url = os.environ.get("WANDB_BASE_URL") or wandb.setup().settings.base_url
        if not has_key(url):
            raise UserError("run.wandb: online needs a key; run `wandb login`, or leave run.wandb at offline")
        check_reachable(url)

    def create_folder(self, default_name: str) -> Path:
        """Make the run's folder; a name that is taken gets a number, so no run overwrites another."""
        name, number = self.name or default_name, 1
        if Path(name).name != name or name == ".." or not name.isprintable():
            raise UserError(f"run.name: {name!r} is not a plain name; put the folder into run.folder")
        while True:
            path = Path(self.folder) / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir(parents=True)
                return path
            except FileExistsError:
                if not path.parent.is_dir():
                    said = "a link in it leads to nothing; name another folder"
                    raise UserError(f"run.folder: cannot make {path}: {said}") from None
                number += 1
            except OSError as error:
                raise UserError(f"run.folder: cannot make {path}: {error.strerror}") from None


def has_key(url: str) -> bool:
    """Whether there is a W&B key in the environment or where `wandb login` puts it. W&B itself would ask, and wait."""
    from requests.utils import get_netrc_auth

    return bool(os.environ.get("WANDB_API_KEY") or get_netrc_auth(url))


def check_reachable(url: str) -> None:
    """Raises UserError where nothing answers at a URL; W&B itself would wait for minutes."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.getproxies().get(parts.scheme):
        return  # it is the proxy's to answer
    try:
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection((parts.hostname, port), timeout=5).close()
    except OSError as error:
        later = "leave run.wandb at offline, and `wandb sync` the run later"
        raise UserError(f"run.wandb: online, but {parts.hostname} does not answer ({error}); {later}") from None
