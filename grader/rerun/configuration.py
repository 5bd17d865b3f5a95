"""The configuration of a rerun: what the submission chooses, written anew, and all else as the grader decides."""

from pathlib import Path
from typing import Any

from grader.intake.grammar import derive
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
    # Nothing is wrong with it: it was checked.
    chosen, _ = derive(load(job.submission.files["config.yaml"]), job.submission.modules)
    path, folder = ("/data", "/out") if job.sandboxed else (str(data), ".")
    return {
        "seed_everything": job.seed,
        "run": {"name": "run", "folder": folder, "wandb": "disabled", "diagnostics": False, "figures": False},
        "trainer": {**chosen["trainer"], **TRAINER, "accelerator": "gpu" if job.device == "cuda" else "cpu"},
        "model": chosen["model"],
        "data": {
            **chosen["data"],
            "source": {"class_path": "project.datasets.tensor_folder.TensorFolder", "init_args": {"path": path}},
            "in_memory": None,
            "num_workers": None,
        },
    }
