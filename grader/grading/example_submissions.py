"""Writes submissions to try the grader on: one for each verdict that a student can earn, and one with its own network."""

import shutil
from pathlib import Path

import yaml

from grader.rerun.mounted_code import REPOSITORY
from project.training.command_line import complete_config
from project.training.configuration import merged

EXAMPLES = REPOSITORY / "docs" / "examples"  # a folder for each; the two texts beside them are everybody's
REPORT, CONCLUSION = ((EXAMPLES / name).read_text(encoding="utf-8") for name in ("REPORT.md", "CONCLUSION.md"))


def write_examples(folder: Path, config: Path) -> list[str]:
    """Write every example below `folder`, its settings laid over the configuration `config`. Returns their names."""
    complete = yaml.safe_load(complete_config(["--config", str(config)]))
    names = sorted(example.name for example in EXAMPLES.iterdir() if example.is_dir())
    for name in names:
        shutil.copytree(EXAMPLES / name, folder / name)
        overlay = EXAMPLES / name / "config.yaml"
        settings = yaml.safe_load(overlay.read_text(encoding="utf-8")) if overlay.exists() else {}
        files = {
            "config.yaml": yaml.safe_dump(merged([complete, settings]), sort_keys=False, allow_unicode=True),
            "REPORT.md": REPORT,
            "CONCLUSION.md": CONCLUSION,
        }
        for file, text in files.items():
            (folder / name / file).write_text(text, encoding="utf-8")
    return names
