"""Gradescope: results.json of each submission, and the autograder that checks uploads and hands final results out.

After its autograder specification (gradescope-autograders.readthedocs.io). Its containers have no GPU and little time, so an
upload is checked there, and graded here.
"""

import io
import json
import re
import zipfile
from collections import defaultdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from grader.grading.ranking import Entry
from grader.publish.gradebooks import points
from grader.publish.gradescope_upload import FINAL, as_results, test
from grader.publish.gradescope_upload import RULES as RULES_FILE
from grader.publish.pages.languages import translated
from grader.publish.public_korean import told_reason
from grader.rerun.mounted_code import REPOSITORY
from grader.rules import Rules
from project.support.errors import note

UPLOAD = re.compile(r"submission_(\d+)(?:\..*)?")  # how an export of submissions names each
NEEDED = ("pydantic", "PyYAML")  # by the checks
CODE = (".py", ".json", ".yaml")
SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the image.
set -euo pipefail
python=python3
if python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    apt-get install -y python3-venv
else # Ubuntu 22.04
    python=python3.11
    apt-get install -y python3.11 python3.11-venv
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --no-cache-dir {packages}
"""
RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each upload, from a copy beside source/.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/source"
exec "$here/venv/bin/python" -m grader.publish.gradescope_upload "$here"\
"""


def results_json(entry: Entry, rules: Rules, output: str, language: str = "en") -> dict[str, Any]:
    """One submission's results.json; `output` is Markdown for the student, in this language."""

    def _(text: str, **inserted: object) -> str:
        return translated(text, language).format(**inserted)

    kept = entry.verdict not in ("rejected", "disqualified")
    why = _("kept") if kept else told_reason(entry.own_reason, entry.verdict, language)
    tests = [test(_("rules and format"), kept, why)]
    board: list[dict[str, Any]] = []
    if entry.accuracy is not None:
        epochs, seconds = entry.epochs or 0, entry.seconds or 0.0
        tests += [
            test(_("accuracy above {target}", target=rules.target), entry.verdict == "passed", f"{entry.accuracy:.2%}"),
            test(_("at most {epochs} epochs", epochs=rules.max_epochs), epochs <= rules.max_epochs, str(epochs)),
        ]
        for family in rules.families:
            used = entry.strategies.get(family, [])
            tests.append(test(_(family), bool(used), ", ".join(used)))
        board = [
            {"name": _("accuracy (%)"), "value": round(100 * entry.accuracy, 2), "order": "desc"},
            {"name": _("epochs to target"), "value": entry.epochs_to_target or "-", "order": "asc"},
            {"name": _("seconds"), "value": round(seconds, 1), "order": "asc"},
            {"name": _("parameters"), "value": entry.parameters, "order": "asc"},
        ]
    return as_results(tests, output, points(entry) or 0.0, leaderboard=board)


def final_results(
    entries: list[Entry], rules: Rules, told: dict[str, str], language: str = "en"
) -> list[dict[str, Any]]:
    """What the autograder hands out: results of all that is graded, by the upload's number, or else by what was handed in and
    the mail addresses that roster or account tell. A note names the uploads whose members have different points."""
    graded = [entry for entry in entries if points(entry) is not None]
    members: dict[str, list[Entry]] = defaultdict(list)
    for entry in graded:
        if UPLOAD.fullmatch(entry.source):
            members[entry.source].append(entry)
    for source, group in members.items():
        if len({points(entry) for entry in group}) > 1:
            names = ", ".join(entry.student for entry in group)
            note(
                f"{source}: its members {names} have different points, and Gradescope one score for all: none is handed out"
            )
    return [
        {
            "upload": found[1] if (found := UPLOAD.fullmatch(entry.source)) else "",
            "digest": entry.digest,
            "mails": entry.known_as.get("login", []),
            "results": results_json(entry, rules, told[entry.student], language),
        }
        for entry in graded
    ]


def autograder(rules: Path, finals: list[dict[str, Any]], language: str) -> bytes:
    """The zip to upload as an assignment's autograder, by rules of this file. The same rules and results give the same bytes."""
    packages = " ".join(f"{name}=={version(name)}" for name in NEEDED)
    files = {"setup.sh": SETUP.format(packages=packages), "run_autograder": f"{RUN} {language}\n"}
    files[RULES_FILE] = rules.read_text(encoding="utf-8")
    if finals:
        files[FINAL] = json.dumps(finals, indent=1, ensure_ascii=False)
    for package in ("grader", "project"):
        for path in sorted((REPOSITORY / package).rglob("*")):
            if path.suffix in CODE and "__pycache__" not in path.parts:
                files[path.relative_to(REPOSITORY).as_posix()] = path.read_text(encoding="utf-8")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            member = zipfile.ZipInfo(name)  # of no time
            executable = name in ("setup.sh", "run_autograder")
            member.external_attr = (0o100755 if executable else 0o100644) << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, text)
    return content.getvalue()
