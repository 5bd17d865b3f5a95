"""Runs inside a sandbox: writes the `submission/` folder of a git repository's newest commit as a tar file.

`export_git_repository.py JOB.json`; the job file has `repository` and `out`. Where git fails, the exit status is
CANNOT_EXPORT, and the reason is in `out/reason`.
"""

import json
import subprocess
import sys
from pathlib import Path

CANNOT_EXPORT = 4

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    out, repository = Path(job["out"]), job["repository"]

    def git(*arguments: str) -> str:
        command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, errors="replace")
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
            (out / "reason").write_text(reason[:300], encoding="utf-8")
            sys.exit(CANNOT_EXPORT)
        return done.stdout

    if Path(repository).is_file():
        git("clone", "--quiet", "--bare", repository, "/tmp/repository")
        repository = "/tmp/repository"
    tar = out / "submission.tar"
    git("--git-dir", repository, "archive", "--format=tar", "--output", str(tar), "HEAD", "submission")
