"""One submission, one seed: train, predict, score."""

import errno
import hashlib
import json
import resource
import shutil
import traceback
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from grader.intake.blanking import blanked
from grader.intake.grammar import classes_for
from grader.ledger.measurement import Ended, Measurement
from grader.rerun.census import read_census
from grader.rerun.configuration import rerun_config
from grader.rerun.failures import MOSTLY_FREE, PREPARES, READY, check_end, check_training, gpu_free
from grader.rerun.job import Job, Slot
from grader.rerun.output_checks import (
    keep,
    most_operations,
    read_curves,
    read_operations,
    read_summary,
    suspicions,
)
from grader.rerun.prior_knowledge import IMAGES, REDRAWS
from grader.rerun.scoring import accuracy, confident_mistakes, confusion, read_logits, read_tensor
from grader.safe_text import printable
from grader.sandbox import supervision
from grader.sandbox.cores import Cores
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program, plainly
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.supervision import Outcome
from grader.sandbox.untrusted_files import Unreadable, read_output

MAX_WEIGHT_BYTES = 10**9
MOST_MISTAKES = 24  # kept of a training


def run_job(job: Job, watch: Callable[[str], None], slot: Slot) -> Measurement:
    """Train, predict and score. Whatever a submission does, this returns a Measurement."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(slot.scratch) as scratch:
        rerun = Rerun(job, slot, scratch, watch)
        try:
            return rerun.census() if job.trial else rerun.measurement()
        except Ended as ended:
            return ended.measurement
        except Unreadable as error:
            return Measurement(outcome="unscorable", said=str(error))
        except Exception as error:  # our fault: it costs no student anything, and the grading goes on
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            (job.folder / "fault.log").write_text(traceback.format_exc(), encoding="utf-8")
            said = f"the grader failed: {type(error).__name__}: {printable(str(error))}"
            return Measurement(outcome="infrastructure", said=said)
        finally:
            if slot.cores and rerun.cores:
                slot.cores.put(rerun.cores)
            rerun.turn.close()


@dataclass
class Rerun:
    """A job on its way through its two or three sandboxes.

    Attributes:
        scratch: Folder for what goes in and comes out.
        watch: Called with each line that a program prints.
        free: Share of the GPU's memory that was free when the training's turn came.
        cores: Those that its programs have for themselves, from its turn on.
        turn: Close it to give the slot's turn back, if the job has it.
    """

    job: Job
    slot: Slot
    scratch: Path
    watch: Callable[[str], None]
    free: float | None = None
    cores: Cores | None = None
    turn: ExitStack = field(default_factory=ExitStack)

    def measurement(self) -> Measurement:
        """Train, predict, score. Raises Ended or Unreadable where it comes to no accuracy."""
        job, audited = self.job, self.job.submission.tier == "audited"
        config = rerun_config(job, job.data.training)
        with self.slot.preparing:
            outcome, trained = self.launch("trainee", config, job.data.training)
        if job.device == "cuda":  # the next job can train now; a CPU is busy with the predictions first
            self.turn.close()
        for left in ("run/metrics.csv", "run/summary.json", "evidence.json"):
            keep(trained / left, job.folder / Path(left).name)
        check_training(job, outcome, trained, self.free)
        content = read_output(trained / "weights.safetensors", MAX_WEIGHT_BYTES)
        summary = read_summary(trained / "run" / "summary.json", job.rules, config["trainer"]["max_epochs"])

        logits_NK = self.logits(content)
        share = accuracy(logits_NK, job.data.labels_N)
        curves = read_curves(trained / "run" / "metrics.csv")[: config["trainer"]["max_epochs"]]
        to_draw = {
            "classes": job.data.classes,
            "scoring": "/".join(job.data.scoring.parts[-3:]),  # below the results folder
            "curves": curves,
            "confusion": confusion(logits_NK, job.data.labels_N),
            "mistakes": confident_mistakes(logits_NK, job.data.labels_N, MOST_MISTAKES),
        }
        (job.folder / "to_draw.json").write_text(json.dumps(to_draw, allow_nan=False), encoding="utf-8")
        untrained, redraws = self.untrained_accuracies() if audited else (None, [])
        flags = suspicions(job.data, trained, curves, share, untrained, redraws) if audited else []
        return Measurement(
            outcome="scored",
            accuracy=share,
            samples=len(job.data.labels_N),
            seconds=round(outcome.seconds, 2),
            peak_memory=outcome.peak_memory,
            val_accuracy=[row["val/accuracy"] for row in curves],
            untrained_accuracy=untrained,
            redrawn_accuracies=redraws,
            operations=read_operations(trained / "cost.json", most_operations(content, job.data.image_shape)),
            flags=flags,
            weights=hashlib.sha256(content).hexdigest(),
            **summary,
        )

    def census(self) -> Measurement:
        """What a training would use, without the training. Raises Ended or Unreadable where nothing can be seen of it."""
        outcome, seen = self.launch("trainee", rerun_config(self.job, self.job.data.training), self.job.data.training)
        check_training(self.job, outcome, seen)
        return Measurement(outcome="scored", **read_census(seen / "census.json"))

    def begin_turn(self) -> Cores | None:
        """The training's turn has come. Returns the cores for it."""
        self.turn.callback(self.slot.turn.release)
        if self.slot.cores:
            self.cores = self.slot.cores.get()  # there is one for each that has its turn, or had it and predicts
        if self.job.device == "cuda":
            self.free = gpu_free(self.slot.gpu, MOSTLY_FREE / self.slot.per_gpu)
        return self.cores

    def logits(self, content: bytes) -> Tensor:
        """Logits (N, K) of the images that score, made in another sandbox with these weights."""
        data = self.job.data
        return read_logits(self.predicted("predictor", content), len(data.labels_N), len(data.classes))

    def predicted(self, stage: str, weights: bytes | None) -> Path:
        """The file of logits that a prediction left; without weights, of the untrained network. Raises Ended."""
        data = self.job.data
        config = rerun_config(self.job, data.scoring)
        for name in ("mean", "std"):
            config["data"][name] = config["data"].get(name) or getattr(data, name)
        outcome, predicted = self.launch(stage, config, data.scoring, weights)
        check_end(self.job, outcome, predicted, "predicting")
        return predicted / "logits.safetensors"

    def untrained_accuracies(self) -> tuple[float | None, list[float]]:
        """Accuracies on some images before any training: of the network, and of redraws of its weights.

        None and nothing where it cannot predict then, which is no fault.
        """
        labels_N, classes = self.job.data.labels_N[:IMAGES], len(self.job.data.classes)
        try:
            logits_DNK = read_tensor(self.predicted("untrained", None), (1 + REDRAWS, len(labels_N), classes))
        except (Ended, Unreadable):
            return None, []
        # Weights that suit no other order may overflow in a redraw.
        fresh, *redraws = [accuracy(logits_NK, labels_N) for logits_NK in logits_DNK.nan_to_num(0.0, 0.0, 0.0)]
        return fresh, redraws

    def launch(
        self, stage: str, config: dict[str, Any], data: Path, weights: bytes | None = None
    ) -> tuple[Outcome, Path]:
        """Run one of our two programs on a configuration, in a sandbox. Returns how it ended and what it wrote.

        Args:
            stage: trainee, predictor, or untrained, which is the predictor as well; names the files in the job's folder.
            data: TensorFolder that it sees.
        """
        job, slot, code, limits = self.job, self.slot, self.slot.code, self.job.rules.limits
        trains, output_bytes = stage == "trainee", int(limits.output_mb * 10**6)
        open_files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # what we may set

        def seen(inside: str, here: Path) -> str:
            """A path as the program sees it."""
            return inside if job.sandboxed else str(here)

        given, output = self.scratch / stage / "given", self.scratch / stage / "out"
        output.mkdir(parents=True)
        for path, content in job.submission.modules.items():
            write(given / "own" / "submission" / path, blanked(content))
        if weights is not None:
            write(given / "weights.safetensors", weights)
        write(given / "config.yaml", yaml.safe_dump(config, sort_keys=False).encode())
        shutil.copyfile(given / "config.yaml", job.folder / f"{stage}.yaml")
        place = seen("/job", given)
        settings = {
            "code": [seen("/app", code.root), seen("/app", code.programs), f"{place}/own"],
            "own": f"{place}/own/submission",
            "project": seen("/app/project", code.root / "project"),
            "audited": job.submission.tier == "audited",
            "trial": job.trial,
            "gpu": job.device == "cuda",
            "limits": {"RLIMIT_FSIZE": output_bytes, "RLIMIT_CORE": 0, "RLIMIT_NOFILE": open_files},
            "config": f"{place}/config.yaml",
            "classes": classes_for(config),
            "families": job.rules.families,
            "weights": f"{place}/weights.safetensors" if weights is not None else None,
            "images": IMAGES,
            "redraws": REDRAWS,
            "out": seen("/out", output),
        }
        write(given / "job.json", json.dumps(settings).encode())
        script = "trainee.py" if trains else "predictor.py"
        program = Program(
            script=seen(f"/app/{script}", code.programs / script),
            argument=f"{place}/job.json",
            inputs={**code.inputs, "/job": given, "/data": data},
            output=output,
            gpu=slot.gpu if job.device == "cuda" else None,
            environment={"OMP_NUM_THREADS": str(slot.threads)},
            turn=slot.turn if trains else None,
            says=(PREPARES, READY),
            begins=self.begin_turn,
            cores=self.cores,
            stop=slot.stop,
        )
        resources = ResourceLimits(
            seconds=60 * limits.minutes,
            memory_bytes=int(limits.memory_gb * 10**9),
            output_bytes=output_bytes,
            output_files=limits.output_files,
            processes=limits.processes,
        )
        launch = slot.launch if job.sandboxed else plainly
        outcome = supervision.run(program, resources, job.folder / f"{stage}.log", self.watch, launch)
        (job.folder / f"{stage}.outcome.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        return outcome, output


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
