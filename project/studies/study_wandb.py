"""A study's runs in W&B: a group, its arms as job types, and every curve over the epochs."""

from pathlib import Path
from typing import Literal

from project.studies.study_result import StudyResult
from project.support.errors import UserError
from project.training.run_folder import Run


def log_runs(study: StudyResult, folder: Path, mode: Literal["offline", "online"]) -> int:
    """Write each run of a study to W&B, below a folder, and return how many. Raises UserError where W&B cannot be reached.

    W&B draws the runs of a group as one line with a band, for each job type: what the study's page shows.
    """
    import wandb

    run = Run(wandb=mode)
    run.check()
    (folder / "wandb").mkdir(exist_ok=True)  # W&B would fall back to a temporary folder, in silence
    settings = wandb.Settings(console="off", silent=True, x_disable_stats=True)
    for arm in study.arms:
        for result in arm.runs:
            config = {"study": study.name, "arm": arm.name, "seed": result.seed, "overlay": arm.overlay}
            try:
                logged = wandb.init(
                    project=run.project,
                    group=study.name,
                    job_type=arm.name,
                    name=f"{arm.name}, seed {result.seed}",
                    config=config,
                    dir=folder,
                    mode=mode,
                    settings=settings,
                )
            except wandb.errors.Error as error:
                raise UserError(f"--wandb {mode}: {str(error).splitlines()[0]}; the study is in {folder}") from None
            logged.define_metric("epoch")
            logged.define_metric("*", step_metric="epoch")
            for epoch in range(max(map(len, result.curves.values()), default=0)):
                row = {name: curve[epoch] for name, curve in result.curves.items() if curve[epoch] is not None}
                logged.log({"epoch": epoch + 1, **row})
            measured = result.model_dump(include={"accuracy", "loss", "train_loss", "val_loss", "seconds"})
            logged.summary.update({name: value for name, value in measured.items() if value is not None})
            logged.finish()
    return sum(len(arm.runs) for arm in study.arms)
