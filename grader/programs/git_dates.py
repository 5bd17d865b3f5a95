"""Runs inside a sandbox: writes when the folders of a git repository last changed on its main line, as JSON.

`git_dates.py JOB.json`; the job file has `repository` (a `.git` folder), `folders` and `out`. On the main line a merge has
the time at which it was merged. A folder that it does not have is left out.
"""

import json
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    command = ["git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"]
    command += [
        "--literal-pathspecs",
        "--git-dir",
        job["repository"],
        "log",
        "-1",
        "--first-parent",
        "--format=%cI",
        "HEAD",
    ]
    dates = {}
    for folder in job["folders"]:
        done = subprocess.run([*command, "--", folder], capture_output=True, text=True, errors="replace")
        if done.returncode == 0 and done.stdout.strip():
            dates[folder] = done.stdout.strip()
    Path(job["out"]).write_text(json.dumps(dates), encoding="utf-8")
