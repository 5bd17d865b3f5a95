"""One submission, one seed: train, predict, score."""

import errno
import hashlib
import json
import re
import shutil
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from grader.intake.strict_yaml import load
from grader.intake.submission import Submission, printable
from grader.rerun import sandbox
from grader.rerun.bubblewrap import Bubblewrapped
from grader.rerun.code import Code
from grader.rerun.dataset import GradingData
from grader.rerun.outputs import keep, read_curves, read_summary, suspicions
from grader.rerun.program import Launch, Program, Turn, plainly
from grader.rerun.result import Ended, Result
from grader.rerun.sandbox import Outcome, scratch_folder
from grader.rerun.scoring import (
    Unscorable,
    accuracy,
    confident_mistakes,
    confusion,
    read_json,
    read_logits,
    read_output,
)
from grader.rerun.trainee import MISSING_FAMILY, PREPARES, READY
from project.assignment import Assignment

MAX_WEIGHT_BYTES = 10**9
MOST_MISTAKES = 24  # kept of a training
MOSTLY_FREE = 0.8  # share of a GPU's memory; the rest may be other programs that prepare or predict
SECONDS_TO_LET_GO = 20


@dataclass(frozen=True, eq=False)
class Job:
    """What to rerun, and how. Each is itself alone, whatever another is made of.

    Attributes:
        seed: Of the training.
        device: `cuda` or `cpu`.
        folder: Where the log, the configuration and the curves are kept.
    """

    submission: Submission
    seed: int
    rules: Assignment
    data: GradingData
    device: str
    folder: Path
    sandboxed: bool = True


@dataclass(frozen=True)
class Seat:
    """Where a job runs: an engine's to give.

    Attributes:
        gpu: Number of the GPU, where the job's device is one.
        threads: Of the processor, for its arithmetic.
        desk: What a program must hold while it prepares for a training, and trains.
        turn: What it must hold besides while it trains; on a CPU also while what it trained predicts.
        per_gpu: How many may have their turn at once on this GPU.
        stop: Set, it ends whatever runs.
        launch: Starts a program in a sandbox.
        scratch: Folder for what goes in and comes out; by default the system's own for such.
        code: Ours, that programs run.
    """

    gpu: int = 0
    threads: int = field(default_factory=torch.get_num_threads)
    desk: AbstractContextManager = field(default_factory=nullcontext)
    turn: Turn = field(default_factory=threading.Lock)
    per_gpu: int = 1
    stop: threading.Event | None = None
    launch: Launch = Bubblewrapped
    scratch: Path | None = None
    code: Code = Code()


def run_job(job: Job, watch: Callable[[str], None] = lambda line: None, seat: Seat | None = None) -> Result:
    """Train, predict and score. Whatever a submission does, this returns a Result."""
    job.folder.mkdir(parents=True, exist_ok=True)
    seat = seat or Seat()
    with scratch_folder(seat.scratch) as scratch:
        rerun = Rerun(job, seat, scratch, watch)
        try:
            return rerun.result()
        except Ended as ended:
            return ended.result
        except Unscorable as error:
            return Result("failed", str(error))
        except Exception as error:  # a fault of ours, then: nobody's verdict, and no end to the others' grading
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            (job.folder / "fault.log").write_text(traceback.format_exc(), encoding="utf-8")
            return Result("infrastructure", f"the grader failed: {type(error).__name__}: {printable(str(error))}")
        finally:
            rerun.end_turn()


@dataclass
class Rerun:
    """A job on its way through its two or three sandboxes.

    Attributes:
        scratch: Folder for what goes in and comes out.
        watch: Called with each line that a program prints.
        free: Share of the GPU's memory that was free when the training's turn came.
        has_turn: Whether it holds the seat's turn.
    """

    job: Job
    seat: Seat
    scratch: Path
    watch: Callable[[str], None]
    free: float | None = None
    has_turn: bool = False

    def result(self) -> Result:
        """Train, predict, score. Raises Ended or Unscorable where it comes to no accuracy."""
        job = self.job
        config = rerun_config(job, "/data" if job.sandboxed else str(job.data.training))
        with self.seat.desk:
            outcome, trained = self.launch("trainee", config, job.data.training)
        if job.device == "cuda":  # which the next one can have; a CPU's threads predict first
            self.end_turn()
        for left in ("run/metrics.csv", "run/summary.json", "evidence.json"):
            keep(trained / left, job.folder / Path(left).name)
        judge_training(job, outcome, trained, self.free)
        content = read_output(trained / "weights.safetensors", MAX_WEIGHT_BYTES)
        summary = read_summary(trained / "run" / "summary.json", job.rules, config["trainer"]["max_epochs"])

        logits_NK = self.logits("predictor", content)
        share = accuracy(logits_NK, job.data.labels_N)
        passed = share > job.rules.target_accuracy
        reason = "" if passed else f"accuracy {share:.2%} is not above {job.rules.target_accuracy:.0%}"
        curves = read_curves(trained / "run" / "metrics.csv")[: config["trainer"]["max_epochs"]]
        to_draw = {
            "classes": job.data.classes,
            "scoring": "/".join(job.data.scoring.parts[-3:]),  # below the results folder
            "census": summary.pop("census"),
            "curves": curves,
            "confusion": confusion(logits_NK, job.data.labels_N),
            "mistakes": confident_mistakes(logits_NK, job.data.labels_N, MOST_MISTAKES),
        }
        (job.folder / "to_draw.json").write_text(json.dumps(to_draw, allow_nan=False), encoding="utf-8")
        reached = (row["epoch"] for row in curves if (row["val/accuracy"] or 0.0) > job.rules.target_accuracy)
        details = {
            "weights": hashlib.sha256(content).hexdigest(),
            "peak_memory": outcome.peak_memory,
            "epochs_to_target": next(reached, None),
        }
        flags = []
        if job.submission.tier == "audited":
            details["untrained_accuracy"] = self.untrained_accuracy()
            flags = suspicions(job.data, trained, curves, share, details["untrained_accuracy"])
        verdict = "passed" if passed else "below_target"
        seconds = round(outcome.seconds, 2)
        return Result(verdict, reason, share, seconds=seconds, flags=flags, details=details, **summary)

    def begin_turn(self) -> None:
        """The training's turn has come."""
        self.has_turn = True
        if self.job.device == "cuda":
            self.free = gpu_free(self.seat.gpu, MOSTLY_FREE / self.seat.per_gpu)

    def end_turn(self) -> None:
        if self.has_turn:
            self.seat.turn.release()
        self.has_turn = False

    def logits(self, stage: str, weights: bytes | None) -> Tensor:
        """Logits (N, K) of the images that score, by these weights or by the network as it is built, in another sandbox."""
        data = self.job.data
        config = rerun_config(self.job, "/data" if self.job.sandboxed else str(data.scoring))
        for name in ("mean", "std"):
            config["data"][name] = config["data"].get(name) or getattr(data, name)
        outcome, predicted = self.launch(stage, config, data.scoring, weights)
        judge(self.job, outcome, "predicting")
        return read_logits(predicted / "logits.safetensors", len(data.labels_N), len(data.classes))

    def untrained_accuracy(self) -> float | None:
        """Accuracy of the network as it is built; None where it cannot predict yet, which is no fault."""
        try:
            return accuracy(self.logits("untrained", None), self.job.data.labels_N)
        except (Ended, Unscorable):
            return None

    def launch(
        self, stage: str, config: dict[str, Any], data: Path, weights: bytes | None = None
    ) -> tuple[Outcome, Path]:
        """Run one of our two programs on a configuration, in a sandbox. Returns how it ended and what it wrote.

        Args:
            stage: trainee, predictor, or untrained, which is the predictor as well; names the files in the job's folder.
            data: TensorFolder that it sees.
        """
        job, seat, code = self.job, self.seat, self.seat.code
        trains = stage == "trainee"
        given, output = self.scratch / stage / "given", self.scratch / stage / "out"
        output.mkdir(parents=True)
        for path, content in job.submission.modules.items():
            write(given / "own" / "submission" / path, content)
        if weights is not None:
            write(given / "weights.safetensors", weights)
        write(given / "config.yaml", yaml.safe_dump(config, sort_keys=False).encode())
        shutil.copyfile(given / "config.yaml", job.folder / f"{stage}.yaml")
        inside = "/job" if job.sandboxed else str(given)
        settings = {
            "code": [*(["/app"] if job.sandboxed else map(str, (code.root, code.programs))), f"{inside}/own"],
            "audited": job.submission.tier == "audited",
            "gpu": job.device == "cuda",
            "limits": {
                "RLIMIT_FSIZE": int(job.rules.limits.output_mb * 10**6),
                "RLIMIT_CORE": 0,
                "RLIMIT_NOFILE": 4096,
            },
            "config": f"{inside}/config.yaml",
            "families": job.rules.families,
            "weights": f"{inside}/weights.safetensors" if weights is not None else None,
            "out": "/out" if job.sandboxed else str(output),
        }
        write(given / "job.json", json.dumps(settings).encode())
        script = "trainee.py" if trains else "predictor.py"
        program = Program(
            script=f"/app/{script}" if job.sandboxed else str(code.programs / script),
            argument=f"{inside}/job.json",
            inputs={**code.inputs, "/job": given, "/data": data},
            output=output,
            gpu=seat.gpu if job.device == "cuda" else None,
            environment={"OMP_NUM_THREADS": str(seat.threads)},
            turn=seat.turn if trains else None,
            says=(PREPARES, READY),
            begins=self.begin_turn,
            stop=seat.stop,
        )
        launch = seat.launch if job.sandboxed else plainly
        outcome = sandbox.run(program, job.rules.limits, job.folder / f"{stage}.log", self.watch, launch)
        (job.folder / f"{stage}.outcome.json").write_text(json.dumps(asdict(outcome)), encoding="utf-8")
        return outcome, output


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def rerun_config(job: Job, data: str) -> dict[str, Any]:
    """The submission's configuration with everything that is the grader's to decide put in its place."""
    config = load(job.submission.files["config.yaml"])
    student = {key: value for key, value in config["trainer"].items() if key not in TRAINER}
    return {
        "seed_everything": job.seed,
        "run": {
            "name": "run",
            "folder": "." if not job.sandboxed else "/out",
            "wandb": "disabled",
            "diagnostics": False,
            "figures": False,
        },
        "trainer": {**student, **TRAINER, "accelerator": "gpu" if job.device == "cuda" else "cpu"},
        "model": config["model"],
        "data": {
            **config["data"],
            "source": {"class_path": "project.data.sources.TensorFolder", "init_args": {"path": data}},
            "in_memory": None,
            "num_workers": None,
        },
    }


TRAINER = {
    "accelerator": "cpu",
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


def judge_training(job: Job, outcome: Outcome, trained: Path, free: float | None = None) -> None:
    """End the job where the training did not come to a good end."""
    if outcome.ending == "exited" and outcome.status == MISSING_FAMILY:
        missing = read_json(trained / "missing.json")
        missing = [family for family in job.rules.families if isinstance(missing, list) and family in missing]
        raise Ended(Result("rejected", f"uses no strategy of {' and '.join(missing) or 'a family'}"))
    if outcome.ending == "exited" and outcome.status == 2:
        raise Ended(Result("rejected", last_words(job.folder / "trainee.log").removeprefix("error: ")))
    judge(job, outcome, "training", free)


def judge(job: Job, outcome: Outcome, doing: str, gpu_free: float | None = None) -> None:
    """End the job where a program did not end well: the sandbox's failure is ours, all else the submission's.

    `gpu_free` is the share of the GPU's memory that was free when it began: what others held is no student's fault.
    """
    limits = job.rules.limits
    if outcome.ending == "sandbox":
        raise Ended(Result("infrastructure", f"the sandbox failed: {outcome.detail}"))
    exceeded = {
        "time": f"took longer than {limits.minutes:g} minutes",
        "memory": f"used more than {limits.memory_gb:g} GB of memory",
        "output": f"wrote more than {limits.output_mb:g} MB or {limits.output_files} files",
        "processes": f"ran more than {limits.processes} processes and threads",
    }
    if outcome.ending in exceeded:
        raise Ended(Result("failed", f"{doing} {exceeded[outcome.ending]}"))
    if outcome.status != 0:
        stage = "trainee" if doing == "training" else "predictor"
        said = last_words(job.folder / f"{stage}.log")
        if gpu_free is not None and "CUDA out of memory" in said:
            if gpu_free < MOSTLY_FREE:
                raise Ended(Result("infrastructure", f"others held {1 - gpu_free:.0%} of the GPU's memory"))
            raise Ended(Result("failed", f"{doing} ran out of the GPU's memory"))
        raise Ended(Result("failed", f"{doing} crashed: {said}"))


def gpu_free(gpu: int = 0, enough: float = MOSTLY_FREE) -> float | None:
    """Share of the GPU's memory that is free, once what ran before has let go of it; None where that is not told.

    Waits until `enough` is, up to SECONDS_TO_LET_GO for it: a driver clears up after a killed process in its own time.
    """
    command = ["nvidia-smi", f"--id={gpu}", "--query-gpu=memory.free,memory.total", "--format=csv,noheader,nounits"]
    deadline = time.monotonic() + SECONDS_TO_LET_GO
    while True:
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
            free, total = map(float, said.splitlines()[0].split(","))
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            return None
        if free / total > enough or time.monotonic() > deadline:
            return free / total
        time.sleep(0.5)


def last_words(log: Path) -> str:
    """The last line of a log that says something, without control characters."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", log.read_bytes()[-20_000:].decode("utf-8", "replace"))
    lines = [line for line in text.splitlines() if line.strip() not in ("", PREPARES, READY)]
    return printable(lines[-1], 200) if lines else "it said nothing"
