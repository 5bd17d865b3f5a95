"""Gradescope's results.json, after its autograder specification (gradescope-autograders.readthedocs.io)."""

import json
from typing import Any

from grader.grading.ranking import Entry
from grader.publish.gradebooks import points
from grader.rules import Rules


def results_json(entry: Entry, rules: Rules, output: str) -> str:
    """One submission's results.json; `output` is Markdown for the student."""

    def test(name: str, passed: bool, said: str) -> dict[str, str]:
        return {"name": name, "status": "passed" if passed else "failed", "output": said, "visibility": "visible"}

    kept = entry.verdict != "rejected"
    tests = [test("rules and format", kept, "kept" if kept else entry.own_reason)]
    board: list[dict[str, Any]] = []
    if entry.accuracy is not None:
        epochs, seconds = entry.epochs or 0, entry.seconds or 0.0
        tests += [
            test(f"accuracy above {rules.target}", entry.verdict == "passed", f"{entry.accuracy:.2%}"),
            test(f"at most {rules.max_epochs} epochs", epochs <= rules.max_epochs, str(epochs)),
        ]
        for family in rules.families:
            used = entry.strategies.get(family, [])
            tests.append(test(family, bool(used), ", ".join(used)))
        board = [
            {"name": "accuracy (%)", "value": round(100 * entry.accuracy, 2), "order": "desc"},
            {"name": "epochs to target", "value": entry.epochs_to_target or "-", "order": "asc"},
            {"name": "seconds", "value": round(seconds, 1), "order": "asc"},
            {"name": "parameters", "value": entry.parameters, "order": "asc"},
        ]
    results = {
        "score": points(entry) or 0.0,
        "output": output,
        "output_format": "md",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": tests,
        "leaderboard": board,
    }
    return json.dumps(results, indent=2, ensure_ascii=False) + "\n"
