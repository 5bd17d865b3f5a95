"""Every hostile submission gets its exact verdict, and honest ones pass."""

import subprocess

import pytest

from tests.grader.conftest import needs_sandbox
from tests.hostile import config, intake, programs
from tests.hostile.cases import Case, graded, shortcomings

# Each of these takes a sandbox or three; one of each group runs always.
ALWAYS = ("os._exit(0) at import", "twenty-four ways out of the sandbox", "a flood of files", "weights that are a FIFO")
RUN = [*intake.HONEST, *config.HONEST, *programs.HONEST, *programs.CASES]
NOT_RUN = [case for case in (*intake.CASES, *config.CASES) if case.name != "a family left out"]
LEFT_OUT = [case for case in config.CASES if case.name == "a family left out"]


@needs_sandbox
@pytest.mark.parametrize("case", NOT_RUN, ids=str)
def test_what_is_rejected_before_anything_runs(case: Case, tmp_path, monkeypatch):
    monkeypatch.setattr("grader.sandbox.supervision.run", lambda *arguments, **more: pytest.fail("something ran"))
    assert shortcomings(case, graded(case, tmp_path), tmp_path) == []


@needs_sandbox
@pytest.mark.parametrize(
    "case",
    [pytest.param(c, marks=[] if c.name in ALWAYS else pytest.mark.slow) for c in (*RUN, *LEFT_OUT)],
    ids=str,
)
def test_what_runs_gets_its_verdict(case: Case, tmp_path):
    entry = graded(case, tmp_path)
    assert shortcomings(case, entry, tmp_path) == []
    alive = subprocess.run(["pgrep", "-f", "fifteen-epochs-left-behin[d]"], capture_output=True, text=True).stdout
    assert alive == "", "processes outlived their sandbox"
    for log in (tmp_path / "results").rglob("*.log"):
        assert log.stat().st_size <= 2 * 10**6 + 4096 and b"\x1b" not in log.read_bytes()
