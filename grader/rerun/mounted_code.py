"""The code of this repository that programs beside students' code see and run."""

import shutil
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("project", "configs")
DATASETS = ("__init__.py", "source.py", "tensor_folder.py")  # all others would give a training images beside its own
NOT_NEEDED = ("__pycache__", "datasets", "studies")
PROGRAMS = Path("grader", "programs")
SCRIPTS = (
    "trainee.py",
    "predictor.py",
    "evidence.py",
    "crash.py",
    "class_wall.py",
    "operations.py",
    "preload.py",
)
PRELOAD = "/app/preload.py"  # what imports all that a training needs


@dataclass(frozen=True)
class VisibleCode:
    """One copy of it, below `root`, a folder that is laid out as this repository is."""

    root: Path = REPOSITORY

    @property
    def programs(self) -> Path:
        return self.root / PROGRAMS

    @property
    def inputs(self) -> dict[str, Path]:
        """What a program in a sandbox sees of it: path inside -> path on this machine."""
        project = sorted({path.name for path in (self.root / "project").iterdir()} - set(NOT_NEEDED))
        packages = [Path("configs"), *(Path("project", name) for name in project)]
        packages += [Path("project", "datasets", name) for name in DATASETS]
        code = {f"/app/{path}": self.root / path for path in packages}
        return code | {f"/app/{name}": self.programs / name for name in SCRIPTS}

    def copied(self, root: Path) -> "VisibleCode":
        """The same code copied to a folder of our own, where nobody changes or removes it."""
        for name in (*PACKAGES, PROGRAMS):
            shutil.copytree(self.root / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        return VisibleCode(root)
