"""What only git can read (a bare repository, a bundle) becomes a tar file, in a sandbox."""

import json
from pathlib import Path

from grader.intake.git_repositories import is_packed
from grader.intake.submission import MAX_ARCHIVE_BYTES, Unusable
from grader.rerun.mounted_code import PROGRAMS, REPOSITORY
from grader.safe_text import printable
from grader.sandbox import bubblewrap, supervision
from grader.sandbox.resource_limits import ResourceLimits
from grader.sandbox.sandboxed_program import Program
from grader.sandbox.untrusted_files import Unreadable, read_output
from project.support.errors import UserError

LIMITS = ResourceLimits(120, 2 * 10**9, MAX_ARCHIVE_BYTES, processes=64)
SCRIPT = REPOSITORY / PROGRAMS / "export_git_repository.py"
CANNOT_EXPORT = 4  # the exit status by which that script says that git could not


class NoSandbox(UserError):
    """Git could not be asked, which is no fault of the repository's."""


def exported(source: Path, scratch: Path) -> Path:
    """The tar file of a packed repository's `submission/` folder, in `scratch`; any other source as it is.

    Raises:
        Unusable: There is no such folder, or git cannot read the repository.
        NoSandbox: None can run here, or this one failed.
    """
    if not is_packed(source) or source.is_symlink():  # as whose target it would be mounted
        return source
    if reason := bubblewrap.unavailable():
        raise NoSandbox(f"{source}: git is asked in a sandbox only, and {reason}")
    out, job = scratch / "exported", scratch / "export.json"
    out.mkdir()
    inside = "/repository.bundle" if source.is_file() else "/repository"
    job.write_text(json.dumps({"repository": inside, "out": "/out"}), encoding="utf-8")
    inputs = {"/app/export_git_repository.py": SCRIPT, "/job.json": job, inside: source.resolve()}
    outcome = supervision.run(
        Program("/app/export_git_repository.py", "/job.json", inputs, out), LIMITS, scratch / "export.log"
    )
    try:
        if outcome.ending == "exited" and outcome.status == CANNOT_EXPORT:
            said = printable(read_output(out / "reason", 1000).decode("utf-8", "replace"), 150)
            raise Unusable(f"git cannot read it: {said}")
        if outcome.ending == "sandbox":
            raise NoSandbox(f"{source}: git is asked in a sandbox only, which failed: {outcome.detail}")
        if outcome.ending != "exited" or outcome.status:
            raise Unusable(f"git could not export its submission/ folder ({outcome.ending}, status {outcome.status})")
        tar = scratch / "submission.tar"
        tar.write_bytes(read_output(out / "submission.tar", MAX_ARCHIVE_BYTES))
        return tar
    except Unreadable as error:
        raise Unusable(f"git could not export its submission/ folder: {error}") from None
