"""One submission, one seed: train, predict, score."""

import errno
import hashlib
import json
import resource
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from grader.intake.grammar import classes_for
from grader.ledger.measurement import Ended, Measurement
from grader.rerun.census import read_census
from grader.rerun.configuration import rerun_config
from grader.rerun.drawing import drawing
from grader.rerun.failures import MOSTLY_FREE, PREPARES, READY, check_end, check_training, gpu_free, last_said
from grader.rerun.gpu_faults import lacked_memory
from grader.rerun.job import Job, Slot
from grader.rerun.output_checks import (
    keep,
    most_operations,
    parameters_of,
    read_curves,
    read_operations,
    read_summary,
    suspicions,
)
from grader.rerun.prediction import NotAFunction, before_training, predict
from grader.rerun.questions import Look, Questions
from grader.rerun.scoring import accuracy, confident_mistakes, confusion
from grader.rerun.training_budget import training_budget
from grader.rerun.weights import check_size
from grader.safe_text import printable
from grader.sandbox import supervision
from grader.sandbox.cores import Cores
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program, Turn, plainly
from grader.sandbox.scratch import remove, scratch_folder
from grader.sandbox.supervision import Outcome
from grader.sandbox.untrusted_files import Unreadable, read_json, read_output
from project.datasets.tensor_folder import TensorFolder

MAX_WEIGHT_BYTES = 10**9
MOST_MISTAKES = 24  # kept of a training
TRIED = 500  # images that a network is asked about in a trial
# What predicting may take, apart from the training: so many seconds, and so many times what it trained for as many images
LEAST_SECONDS, SLOWER = 60, 2


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
    """A job on its way through its three or four sandboxes.

    Attributes:
        scratch: Folder for what goes in and comes out.
        watch: Called with each line that a program prints.
        free: Share of the GPU's memory that was free when the training's turn came.
        pace: Seconds that the training took for an image.
        cores: Those that its programs have for themselves, from its turn on.
        own_turn: With the GPU for itself, instead of the slot's turn.
        turn: Close it to give the turn back, if the job has it.
    """

    job: Job
    slot: Slot
    scratch: Path
    watch: Callable[[str], None]
    free: float | None = None
    pace: float = 0.0
    cores: Cores | None = None
    own_turn: Turn | None = None
    turn: ExitStack = field(default_factory=ExitStack)

    def measurement(self) -> Measurement:
        """Train, predict, score. Raises Ended or Unreadable where it comes to no accuracy."""
        job, audited = self.job, self.job.submission.tier == "audited"
        config = rerun_config(job, job.data.training)
        outcome, trained = self.train(config)
        if job.device == "cuda":  # the next job can train now; a CPU is busy with the predictions first
            self.turn.close()
        for left in ("run/metrics.csv", "run/summary.json", "evidence.json"):
            keep(trained / left, job.folder / Path(left).name)
        curves = read_curves(trained / "run" / "metrics.csv")[: config["trainer"]["max_epochs"]]
        self.write_drawing({"curves": curves})  # also of a training that comes to nothing
        check_training(job, outcome, trained, self.free, self.slot.gpu)
        content = read_output(trained / "weights.safetensors", MAX_WEIGHT_BYTES)
        summary = read_summary(trained / "run" / "summary.json", job.rules, config["trainer"]["max_epochs"])

        parameters = min(summary["parameters"], len(content))  # a byte for each, at least, whatever it says
        check_size(content, parameters)
        self.pace = outcome.seconds / max(1, config["trainer"]["max_epochs"]) / job.data.training_images

        images_NHWC, labels_N = job.data.scoring_images(), job.data.labels_N
        logits_NK = predict(self.ask, images_NHWC, content, str(config["trainer"].get("precision")))
        share = accuracy(logits_NK, labels_N)
        self.write_drawing(
            {
                "classes": job.data.classes,
                "scoring": "/".join(job.data.scoring.parts[-3:]),  # below the results folder
                "curves": curves,
                "confusion": confusion(logits_NK, labels_N),
                "mistakes": confident_mistakes(logits_NK, labels_N, MOST_MISTAKES),
            }
        )
        untrained, redraws = self.before_training(trained, images_NHWC, parameters) if audited else (None, [])
        flags = []
        if audited:
            budget = training_budget(config, job.data.training_images, summary["epochs"])
            flags = suspicions(job.data, budget, trained, curves, share, untrained, redraws, outcome.processor_seconds)
            flags += drawing(job.submission.modules)
        return Measurement(
            outcome="scored",
            accuracy=share,
            samples=len(labels_N),
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

    def train(self, config: dict[str, Any]) -> tuple[Outcome, Path]:
        """Returns how the training ended, and what it wrote.

        One that runs out of the GPU's memory while others have some of it is made once more, with the GPU for itself: then it
        shows whose fault that was, and nobody can have fewer neighbours or another draw by saying so.
        """
        with self.slot.preparing:
            outcome, trained = self.launch("trainee", config, self.job.data.training)
        alone = self.slot.alone
        if alone and self.free is not None and self.free < MOSTLY_FREE and self.lacked_memory(outcome, trained):
            self.turn.close()
            shutil.rmtree(trained.parent)
            with alone() as self.own_turn:
                return self.launch("trainee", config, self.job.data.training)
        return outcome, trained

    def lacked_memory(self, outcome: Outcome, trained: Path) -> bool:
        return outcome.ending == "exited" and outcome.status != 0 and lacked_memory(last_said(self.job, trained))

    def write_drawing(self, to_draw: dict[str, Any]) -> None:
        """Leave what pages draw of this training."""
        (self.job.folder / "to_draw.json").write_text(json.dumps(to_draw, allow_nan=False), encoding="utf-8")

    def census(self) -> Measurement:
        """What a training would use, without the training. Raises Ended or Unreadable where none would be scored."""
        config = rerun_config(self.job, self.job.data.training)
        outcome, seen = self.launch("trainee", config, self.job.data.training)
        check_training(self.job, outcome, seen, gpu=self.slot.gpu)
        fresh = read_output(seen / "weights.safetensors", MAX_WEIGHT_BYTES)
        check_size(fresh, read_json(seen / "census.json", parameters_of))
        try:
            predict(self.ask, self.job.data.scoring_images()[:TRIED], fresh, str(config["trainer"].get("precision")))
        except NotAFunction:
            raise
        except (Unreadable, Ended):  # some cannot predict before they have trained
            pass
        return Measurement(outcome="scored", **read_census(seen / "census.json"))

    def begin_turn(self) -> Cores | None:
        """The training's turn has come. Returns the cores for it."""
        self.turn.callback((self.own_turn or self.slot.turn).release)
        if self.slot.cores and not self.cores:
            self.cores = self.slot.cores.get()  # there is one for each that has its turn, or had it and predicts
        if self.job.device == "cuda":
            self.free = gpu_free(self.slot.gpu, MOSTLY_FREE / (1 if self.own_turn else self.slot.per_gpu))
        return self.cores

    def before_training(self, trained: Path, images_NHWC: Tensor, parameters: int) -> tuple[float | None, list[float]]:
        """Accuracies before any training: of the network, and of redraws of its weights.

        None and nothing where it cannot predict then: a person is told. Raises Ended where that is our fault.
        """
        try:
            fresh = read_output(trained / "fresh.safetensors", MAX_WEIGHT_BYTES)
            check_size(fresh, parameters)
            return before_training(self.ask, images_NHWC, self.job.data.labels_N, fresh, self.random("redraws"))
        except Unreadable:
            return None, []
        except Ended as ended:
            if ended.measurement.outcome == "infrastructure":
                raise
            return None, []

    def random(self, stage: str) -> np.random.Generator:
        """Draws what no program may foresee: it comes from the labels in their order, which none of them sees."""
        about = f"{self.job.seed} {stage} {self.job.data.labels_N.tolist()}"
        return np.random.default_rng(int.from_bytes(hashlib.sha256(about.encode()).digest(), "big"))

    def ask(self, stage: str, looks: Iterable[Look], images: int) -> list[Tensor]:
        """Logits (N, K), float32, for each of some looks, in a sandbox of its own. Raises Ended or Unreadable.

        Args:
            stage: Names the files in the job's folder; the program is the same, and is told nothing of it.
            images: That the looks have, all together.
        """
        data, folder = self.job.data, self.folder()
        given = folder / "given"
        empty, (c, h, w) = given / "no-images", data.image_shape
        empty.mkdir(parents=True)
        one_NHWC = torch.zeros(1, h, w, c, dtype=torch.uint8)  # which says what shape images have
        TensorFolder.write(empty, data.classes, {"test": (one_NHWC, None)})
        config = rerun_config(self.job, empty)
        for name in ("mean", "std"):
            config["data"][name] = config["data"].get(name) or getattr(data, name)
        seconds = min(60 * self.job.rules.limits.minutes, LEAST_SECONDS + SLOWER * self.pace * images)
        with Questions(given, looks, len(data.classes), self.random(stage)) as questions:
            outcome, left = self.launch(stage, config, empty, seconds, folder)
        questions.check()  # first, since a wrong answer may have ended the program
        check_end(self.job, outcome, left, stage, seconds, gpu=self.slot.gpu)
        remove(folder)  # before the next one writes as much
        return questions.logits()

    def folder(self) -> Path:
        """A new folder for what one program reads and writes. It sees the name, which is drawn so that it says nothing."""
        return Path(tempfile.mkdtemp(dir=self.scratch))

    def launch(
        self, stage: str, config: dict[str, Any], data: Path, seconds: float | None = None, folder: Path | None = None
    ) -> tuple[Outcome, Path]:
        """Run one of our two programs on a configuration, in a sandbox. Returns how it ended and what it wrote.

        Args:
            stage: trainee, or else the predictor runs; names the files in the job's folder.
            data: TensorFolder that it sees.
            seconds: That it may take; by default, the rules' minutes.
            folder: As `folder` makes it; by default, a new one.
        """
        folder = folder or self.folder()
        job, slot, code, limits = self.job, self.slot, self.slot.code, self.job.rules.limits
        trains, output_bytes = stage == "trainee", int(limits.output_mb * 10**6)
        open_files = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])  # what we may set

        def seen(inside: str, here: Path) -> str:
            """A path as the program sees it."""
            return inside if job.sandboxed else str(here)

        given, output = folder / "given", folder / "out"
        output.mkdir(parents=True)
        for path, content in job.submission.modules.items():
            write(given / "own" / "submission" / path, content)  # nothing of it is parsed here
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
            "limits": {"RLIMIT_FSIZE": output_bytes, "RLIMIT_NOFILE": open_files},
            "config": f"{place}/config.yaml",
            "classes": classes_for(config),
            "families": job.rules.families,
            "questions": f"{place}/questions",
            "answers": f"{place}/answers",
            "shape": [*job.data.image_shape[1:], job.data.image_shape[0]],
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
            turn=(self.own_turn or slot.turn) if trains else None,
            says=(PREPARES, READY),
            begins=self.begin_turn,
            cores=self.cores,
            stop=slot.stop,
        )
        resources = ResourceLimits(
            seconds=seconds or 60 * limits.minutes,
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
