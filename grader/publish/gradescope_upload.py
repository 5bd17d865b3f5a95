"""What Gradescope's autograder says of an upload: its final result, where there is one, else what the checks say.

`python -m grader.publish.gradescope_upload /autograder LANGUAGE` runs in Gradescope's container, with pydantic and PyYAML alone. It
reads what was handed in and executes nothing of it. Folders and files are those of the autograder specification
(gradescope-autograders.readthedocs.io): `source`, `submission`, `submission_metadata.json`, `results/results.json`.
"""

import json
import sys
import traceback
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from grader.intake.checks import Finding, check, rejections
from grader.intake.families import foreseen, lacking
from grader.intake.submission import Submission, take_in
from grader.publish.told_korean import in_one_line, told, told_finding
from grader.rules import Rules
from grader.safe_text import escaped, printable

RULES, FINAL = "rules.yaml", "final.json"  # beside setup.sh
LATER = "The accuracy is measured by the instructor's grader; it will be here when all are graded."
APART = "Your points differ, and Gradescope has one score for all of you. Your instructor tells each of you your own points."
FAULT = "The check itself failed, which is no fault of yours. Your instructor sees what happened; what you handed in is kept."


def main(autograder: Path, language: str) -> None:
    """Write results.json, whatever happens: without one, a student would see a fault of the autograder's."""
    try:
        results = said(autograder, language)
    except Exception:  # a fault of ours
        traceback.print_exc()  # which Gradescope shows to instructors alone
        results = as_results([], told(FAULT, "check", language))
    place = autograder / "results"
    place.mkdir(exist_ok=True)
    (place / "results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def said(autograder: Path, language: str) -> dict[str, Any]:
    source, metadata = autograder / "source", metadata_in(autograder / "submission_metadata.json")
    users = metadata.get("users") or [{}]
    name = printable(str(users[0].get("name") or ""))
    submission = replace(take_in(autograder / "submission", name=name), told=True)
    if (source / FINAL).exists():
        finals = json.loads((source / FINAL).read_text(encoding="utf-8"))
        mails = {str(user.get("email") or "").casefold() for user in users} - {""}
        same = finals_of(finals, str(metadata.get("id", "")), submission.digest, mails)
        if len(scores := {each["results"]["score"] for each in same}) > 1:
            return as_results([], f"# {told('Graded', 'check', language)}\n\n{told(APART, 'check', language)}\n")
        if scores:
            return together(same)
    return checked(submission, Rules.load(source / RULES), language)


def metadata_in(path: Path) -> dict[str, Any]:
    """What Gradescope tells about the upload; empty where it tells nothing."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def finals_of(finals: list[dict[str, Any]], number: str, digest: str, mails: set[str]) -> list[dict[str, Any]]:
    """The final results of the upload with this number; else, where they are of another system's downloads, of these files
    of somebody with one of these addresses, for anybody can upload another's. A group's upload has one for each member.
    """
    same = [each for each in finals if number and each["upload"] == number]
    return same or [
        each
        for each in finals
        if not each["upload"] and each["digest"] == digest and mails & {mail.casefold() for mail in each["mails"]}
    ]


def together(same: list[dict[str, Any]]) -> dict[str, Any]:
    """One result of those of a group's members, who have the same points."""
    outputs = dict.fromkeys(each["results"]["output"] for each in same)  # each with its own name on the pages
    results: dict[str, Any] = same[0]["results"]
    return results | {"output": "\n---\n\n".join(outputs)}


def checked(submission: Submission, rules: Rules, language: str) -> dict[str, Any]:
    """What the checks say, as results.json."""
    say = partial(told, kind="check", language=language)

    def in_line(finding: Finding) -> str:
        return in_one_line(told_finding(finding, language), language)

    findings = check(submission, rules)
    rejected = rejections(findings)
    tests = [test(say("rules and format"), not rejected, "\n".join(map(in_line, rejected)) or say("kept"))]
    lines = [f"# {say('It would be rejected' if rejected else 'Ready to be graded')}", "", say(LATER)]
    if not submission.unusable and not any(each.where.startswith("config.yaml") for each in rejected):
        findings = [*lacking(submission.config, rules.families), *findings]
        for each in foreseen(submission.config):
            if each.family in rules.families:
                tests.append(
                    test(each.family, each.state != "missing", printable(f"{each.family}: {say(each.said)}", 300))
                )
    for finding in findings:
        lines += ["", f"- **{say(finding.severity)}** {escaped(printable(in_line(finding), 500))}"]
    return as_results(tests, "\n".join(lines) + "\n")


def test(name: str, passed: bool, output: str) -> dict[str, str]:
    """One line of results.json."""
    return {"name": name, "status": "passed" if passed else "failed", "output": output, "visibility": "visible"}


def as_results(tests: list[dict[str, str]], output: str, score: float = 0.0, **more: Any) -> dict[str, Any]:
    """Results.json as Gradescope reads it; `output` is Markdown for the student."""
    return {
        "score": score,
        "output": output,
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "leaderboard": [],
        **more,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
