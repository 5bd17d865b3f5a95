"""The record of one student's grade as Markdown, in English or Korean."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from grader.publish.feedback import verdict_word
from grader.publish.public_korean import in_language, told_reason
from grader.publish.told_korean import Kind, told, told_line
from grader.safe_text import escaped, table_row

TEXTS = yaml.safe_load(Path(__file__).with_name("appeal_texts.yaml").read_text(encoding="utf-8"))  # by language
FINDING: dict[str, Kind] = {"severity": "check", "where": "where", "what": "what", "mend": "mend"}  # kinds of its parts


def as_markdown(found: dict[str, Any], language: str) -> str:
    """What `grader.publish.appeal.record` gives, for a person to read. Logs, outcomes and decisions are as they were noted."""
    texts = TEXTS[language]
    result, trainings = found["result"], found["trainings"]
    lines = [f"# {texts['title']}: {escaped(found['name'])} ({escaped(found['student'])})", "", texts["about"], ""]
    reason = told_reason(result["reason"], result["verdict"], language)
    lines += [
        f"- {texts['verdict']}: {verdict_word(result['verdict'], language)}" + (f" ({escaped(reason)})" * bool(reason))
    ]
    lines += [f"- {texts['accuracy']}: {percent(result['accuracy']) or texts['no_number']}"]
    lines += [f"- {texts['total']}: {number(result['total']) or texts['no_number']}"]
    lines += [f"- {texts['flag']}: {escaped(in_language(flag, language))}" for flag in result["flags"]]
    lines += [f"- {texts['warning']}: {escaped(told_line(warning, language))}" for warning in result["warnings"]]
    if points := result["points"]:
        lines += [f"- {texts['points']}: {escaped(plain(points))}"]
    lines += section(
        texts["handed_in"],
        texts["columns_handed_in"],
        (
            [each["taken_in"], each["source"], each["digest"][:16], each["submitted"] or "", each["time_by"]]
            for each in found["handed_in"]
        ),
    )
    lines += section(
        texts["findings"],
        texts["columns_findings"],
        ([told(each[part], kind, language) for part, kind in FINDING.items()] for each in found["findings"]),
    )
    lines += section(texts["trainings"], texts["columns_trainings"], (training(each, language) for each in trainings))
    if len(found["rounds"]) > 1:
        rows = (
            [
                str(each["round"]),
                verdict_word(each["verdict"], language),
                percent(each["accuracy"]),
                told_reason(each["reason"], each["verdict"], language),
            ]
            for each in found["rounds"]
        )
        lines += section(texts["rounds"], texts["columns_rounds"], rows)
    limits = ", ".join(f"{name} {value:g}" for name, value in found["rules"]["limits"].items())
    lines += ["", f"## {texts['limits']}", "", f"- {texts['limits_now']}: {limits}"]
    for each in dict.fromkeys(plain(each["circumstances"]) for each in trainings):
        lines += [f"- {escaped(each)}"]
    lines += section(
        texts["decisions"],
        texts["columns_decisions"],
        (
            [each["at"], each["by"], f"{each['kind']} {each['undoes'] or ''}", plain(each["value"]), each["why"]]
            + ["" if each["in_force"] else texts["taken_back"]]
            for each in found["decisions"]
        ),
    )
    lines += ["", f"## {texts['logs']}", ""]
    lines += [f"- [{each['log']}]({each['log']})" for each in trainings if each["log"]] or [texts["none"]]
    return "\n".join(lines) + "\n"


def training(each: dict[str, Any], language: str) -> list[str]:
    """A row about a training."""
    measured = each["measurement"]
    memory = measured["peak_memory"]
    return [
        f"{each['training']} {each['variant']}".strip(),
        str(each["round"]),
        "" if each["seed"] is None else str(each["seed"]),
        each["started"],
        measured["outcome"],
        percent(measured["accuracy"]),
        number(measured["seconds"]),
        f"{memory / 1e9:.2f} GB" if memory else "",
        plain(measured["limits"]),
        told_reason(measured["said"], "failed", language),
    ]


def section(title: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A heading and a table below it; nothing where the table is empty."""
    found = [table_row(" ".join(escaped(cell).split()) for cell in row) for row in rows]
    return ["", f"## {title}", "", table_row(headings), table_row("---" for _ in headings), *found] if found else []


def plain(value: Any) -> str:
    """Plain data in a line."""
    if isinstance(value, dict):
        return ", ".join(f"{name}: {plain(each)}" for name, each in value.items() if each not in ("", {}, []))
    return " ".join(map(plain, value)) if isinstance(value, list) else str(value)


def percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
