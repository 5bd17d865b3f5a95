"""The lecture, proven: each study of configs/studies/lecture, what it was expected to show, and what it found.

Trainings are kept as those of studies are: stopped, the same command goes on. The tables are docs/lecture/claims.md and,
in Korean, claims.ko.md.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from project.studies.claims import Claim
from project.studies.study_metrics import METRICS, POINTS, amount, span, unit_of
from project.studies.study_plan import RUNS, read_plan
from project.studies.study_result import Compared, Judged, StudyResult, answer, said_of
from project.studies.study_trainings import run
from project.support.files import write_atomically
from project.support.yaml_loader import read_yaml

STUDIES, TABLES = Path("configs/studies/lecture"), Path("docs/lecture")
KOREAN = Path(__file__).with_name("lecture_korean.yaml")
UNITS = {  # in the order of the lecture
    "Generalization": ("capacity", "optimization_regularization", "closed_form"),
    "Optimization": ("rates", "optimizers", "decay"),
    "Regularization": ("penalties", "dropout", "augmentation"),
    "Initialization": ("symmetry", "signal_sigmoid", "signal_relu"),
    "Normalization": (
        *("covariate_shift", "batch_rate", "batch_depth", "batch_dropout", "scale_and_shift"),
        *("axes", "batch_of_two"),
    ),
    "Left out by the lecture": ("left_out",),
}
NOTES = {  # on metrics whose names do not say of what they are; {} is the number of hidden layers
    "signal": "log10 of how far outputs of layer {} tell images apart, over those of layer 1",
    "gradient": "log10 of its norm by the outputs of layer 1, over that by those of layer {}",
}
AGAINST, TO, SEEDS = " against ", " to ", "{} seeds"
UNITS_OF_METRICS = sorted({unit for metric in METRICS.values() for unit in metric.units if unit})
HEAD = ("Claim", "Expected", "Found", "")
ABOUT = (
    "The lecture's claims, measured",
    "What each study of [configs/studies/lecture](../../configs/studies/lecture) was expected to show, written down before its "
    "seeds were run (for many after a look at one other seed, as their files say), and what it found on the embedded dataset. A claim "
    "is seen where every comparison that it makes holds with p < 0.01 (Student's t on differences paired by seeds); what is less sure "
    "is told as not seen here. In brackets is the 95 % interval of the difference. Where rates were tuned, it was on seeds from 100 "
    "on; the studies have those from 0 on, of which for most the first three to five had been looked at before the others were run; no "
    "expectation was changed then, but that there are eight was decided after that look, which p does not know. `python -m benchmarks "
    "lecture` makes the tables anew.",
)


def main(names: Sequence[str] = (), out: Path = Path("studies"), tables: Path = TABLES) -> dict[str, Any]:
    """Run the studies, print what was claimed, expected and found, and write the tables.

    Args:
        names: Of studies; all of them by default, and only then tables are written.
        out: Folder of studies, where trainings are kept.
        tables: Folder for the tables.
    """
    (out / RUNS).mkdir(parents=True, exist_ok=True)
    found: dict[str, StudyResult] = {}
    for name in names or [name for unit in UNITS.values() for name in unit]:
        found[name] = answer(run(read_plan(["--study", str(STUDIES / f"{name}.yaml"), "--out", str(out)])))
        print(f"\n{name}: {found[name].question}")
        for claim in found[name].claims:
            print(f"  claim     {claim.claim}")
            print(f"  expected  {'; '.join(claim.holds)}")
            print(f"  found     {'; '.join(claim.found)}\n            {said_of(claim)}", flush=True)
    claims = [claim for study in found.values() for claim in study.claims]
    print(f"\n{sum(claim.verdict == 'seen' for claim in claims)} of {len(claims)} claims seen")
    if not names:
        tables.mkdir(parents=True, exist_ok=True)
        write_atomically(tables / "claims.md", table(found, {}))
        write_atomically(tables / "claims.ko.md", table(found, read_yaml(KOREAN.read_bytes())))
    return {"studies": {name: summary(study) for name, study in found.items()}}


def summary(study: StudyResult) -> dict[str, Any]:
    """A study's claims, its seeds, and the seconds that its trainings took one after another."""
    seconds = sum(run.seconds for arm in study.arms for run in arm.runs)
    claims = [claim.model_dump() for claim in study.claims]
    return {
        "question": study.question,
        "seeds": study.seeds,
        "seconds_of_trainings": round(seconds, 1),
        "claims": claims,
    }


def table(studies: dict[str, StudyResult], words: dict[str, str]) -> str:
    """All claims in Markdown, unit by unit.

    Args:
        words: In another language, by what they are in English; empty for English.
    """

    def said(text: str) -> str:
        return words[text] if words else text

    title, about = map(said, ABOUT)
    lines = [f"# {title}", "", about]
    for unit, names in UNITS.items():
        lines += [
            "",
            f"## {said(unit)}",
            "",
            f"| {' | '.join(said(word) if word else '' for word in HEAD)} |",
            "|---|---|---|---|",
        ]
        for name in names:
            if name in studies:
                where = f"[{name}](../../configs/studies/lecture/{name}.yaml)"
                lines += [row(claim, studies[name], where, said) for claim in studies[name].claims]
    return "\n".join(lines) + "\n"


def row(claim: Judged, study: StudyResult, where: str, said: Any) -> str:
    expected = expected_in(claim, study.metric, study.base, [arm.name for arm in study.arms], said)
    found = "<br>".join(found_in(each, said) for each in claim.compared)
    p = "" if claim.p is None else f"<br>p = {claim.p:.1g}" if claim.p >= 1e-6 else "<br>p < 1e-6"
    verdict = f"**{said(claim.verdict)}**{p}"
    return f"| {said(claim.claim)} ({where}, {said(SEEDS).format(study.seeds)}) | {expected} | {found} | {verdict} |"


def expected_in(claim: Claim, metric: str, base: Sequence[str], arms: Sequence[str], said: Any) -> str:
    """What was expected, with the metric of those comparisons that do not name theirs."""
    about = claim.metric or metric
    depth = dict(pairwise(base)).get("--model.network.depth")
    note = f" ({said(NOTES[about]).format(depth)})" if about in NOTES and depth else ""
    bare = [any(term in arms for term in re.split(r" > | \+ ", comparison)) for comparison in claim.holds]
    lines = [f"`{comparison}`" for comparison in claim.holds]
    if all(bare):
        return "<br>".join([f"{about}{note}:", *lines])
    return "<br>".join(f"{about}{note}: {line}" if needs else line for line, needs in zip(lines, bare, strict=True))


def found_in(one: Compared, said: Any) -> str:
    """What a comparison came to: `1.105 against 0.321, +0.784 (0.637 to 0.930)`; shares are in %, their differences in points."""
    if one.means is None or one.difference is None:
        return str(said("not measured"))
    metric = METRICS[one.metric]
    share = unit_of(metric) == "%"
    means = said(AGAINST).join(f"{mean:z.{metric.digits}f}{' %' if share else ''}" for mean in one.means)
    number, _, unit = amount(one.difference.mean, metric._replace(units=POINTS) if share else metric).partition(" ")
    number = number if float(number) else number.lstrip("+-")
    where = span(one.difference.low, one.difference.high, metric).replace(TO, said(TO))
    return f"{means}, {number}{f' {said(unit)}' if unit else ''} ({where})"
