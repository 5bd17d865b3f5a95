"""The configuration of a rerun: the submission's own, except for everything that the grader decides."""

from pathlib import Path
from typing import Any

from grader.intake.strict_yaml import load
from grader.rerun.job import Job

TRAINER = {
    "devices": 1,
    "num_nodes": 1,
    "strategy": "auto",
    "logger": False,
    "default_root_dir": None,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": None,
    "model_registry": None,
}


def rerun_config(job: Job, data: Path) -> dict[str, Any]:
    """The configuration of a job whose images lie in the folder `data`."""
    config = load(job.submission.files["config.yaml"])
    path, folder = ("/data", "/out") if job.sandboxed else (str(data), ".")
    return {
        "seed_everything": job.seed,
        "run": {"name": "run", "folder": folder, "wandb": "disabled", "diagnostics": False, "figures": False},
        "trainer": {**config["trainer"], **TRAINER, "accelerator": "gpu" if job.device == "cuda" else "cpu"},
        "model": config["model"],
        "data": {
            **config["data"],
            "source": {"class_path": "project.datasets.tensor_folder.TensorFolder", "init_args": {"path": path}},
            "in_memory": None,
            "num_workers": None,
        },
    }
