"""When a repository's folders last changed, as git has it, which is asked in a sandbox."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from grader.rerun.mounted_code import PROGRAMS, REPOSITORY
from grader.sandbox import bubblewrap, supervision
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.scratch import scratch_folder
from grader.sandbox.untrusted_files import Unreadable, read_output

LIMITS = ResourceLimits(120, 2 * 10**9, 10**6, processes=64)
SCRIPT = REPOSITORY / PROGRAMS / "git_dates.py"


def git_dates(repository: Path, folders: Sequence[str]) -> dict[str, datetime]:
    """When each of these folders last changed on the main line of a checked-out repository.

    What git cannot tell is left out; all is where no sandbox can run.

    Args:
        folders: Relative to the repository; `.` for all of it.
    """
    place = repository / ".git"
    if bubblewrap.unavailable() or place.is_symlink() or not place.is_dir():
        return {}
    with scratch_folder() as scratch:
        job, out = scratch / "job.json", scratch / "out"
        out.mkdir()
        asked = {"repository": "/repository", "folders": list(folders), "out": "/out/dates.json"}
        job.write_text(json.dumps(asked), encoding="utf-8")
        inputs = {"/app/git_dates.py": SCRIPT, "/job.json": job, "/repository": place.resolve()}
        supervision.run(Program("/app/git_dates.py", "/job.json", inputs, out), LIMITS, scratch / "dates.log")
        try:
            found = json.loads(read_output(out / "dates.json", LIMITS.output_bytes))
            return {folder: datetime.fromisoformat(found[folder]) for folder in folders if folder in found}
        except (Unreadable, ValueError, TypeError):
            return {}
