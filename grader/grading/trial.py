"""`check --try`: what the census of a training says, without the training."""

import tempfile
from dataclasses import replace
from pathlib import Path

from grader.intake.blanking import blanked_modules
from grader.intake.submission import Submission
from grader.ledger.measurement import Measurement
from grader.rerun.grading_data import prepare
from grader.rerun.job import Job, Slot
from grader.rerun.rerun import run_job
from grader.rules import Rules
from grader.sandbox import bubblewrap
from grader.secret import BYTES, Secret
from project.support.errors import UserError


def tried(submission: Submission, rules: Rules, sandboxed: bool = True) -> Measurement:
    """Build a submission's network in a sandbox, and look at it on the rules' images as a training does before it begins.

    Returns strategies and remarks, or why no training would begin. Raises UserError where there is no sandbox.
    """
    if sandboxed and (reason := bubblewrap.unavailable()):
        raise UserError(f"--try: no sandbox: {reason} To run the code without one, add --unsafe-no-sandbox")
    with tempfile.TemporaryDirectory() as folder:
        data = prepare(rules, Secret(bytes(BYTES)), Path(folder))
        as_trained = replace(submission, files={**submission.files, **blanked_modules(submission.modules)})
        job = Job(as_trained, 0, rules, data, "cpu", Path(folder, "trial"), sandboxed, trial=True)
        return run_job(job, lambda line: None, Slot())
