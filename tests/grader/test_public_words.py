"""What anybody may read: nothing that a student wrote is in any byte of it, and what we say ourselves is."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import optim

from benchmarks import course as made_up
from benchmarks.course import Student, write_results
from grader.grading.ranking import Entry
from grader.ledger.measurement import Measurement, Strategy
from grader.ledger.results_folder import open_results
from grader.publish import wandb_runs
from grader.publish.public_words import FLAGS, OTHER_REASONS, OWN, REASONS, SLOTS, known_names, public, public_reason
from grader.publish.publishing import publish
from grader.rerun.prediction import ALLOWED
from grader.rules import Rules
from project.assignment import FAMILIES
from project.strategies import DROPPED, OF_WEIGHTS
from project.support.fresh_weights import FORMULAS
from project.support.watched_functions import KINDS
from tests.grader.conftest import TINY_GLYPHS

CANARY = "qxcanary"
RULES = Rules.load().but(dataset={"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS})
SAYS = {"number": "3", "doing": "training", "families": "optimization and normalization", "any": CANARY}
SAYS |= {"setting": "model.network", "exception": "ValueError", "signal": "SIGSEGV", "file": "summary.json"}
assert SAYS.keys() == SLOTS.keys()

sentences = st.sampled_from([*REASONS, *FLAGS]).map(lambda sentence: sentence.format(**SAYS))


@given(sentences, st.integers(0, 200), st.sampled_from([*OTHER_REASONS]))
def test_whatever_a_student_puts_into_a_sentence_of_ours_is_published_nowhere(said, place, verdict):
    said = said[:place] + CANARY + said[place:]
    entry = Entry(student="kim", name="Kim", verdict=verdict, tier="audited", reason=said, flags=[said])
    entry.strategies, entry.remarks, entry.said, entry.source = {"optimization": [said]}, [said], said, said
    assert CANARY not in repr(public(entry))


@given(st.text(min_size=1))
def test_of_any_text_no_more_is_said_than_that_there_is_one(text):
    entry = Entry(student="kim", name="Kim", verdict="failed", tier="audited", reason=text, flags=[text])
    entry.strategies = {"optimization": [f"{text}~"]}
    shown = public(entry)
    assert (
        shown.reason == OTHER_REASONS["failed"]
        and len(shown.flags) == 1
        and shown.strategies == {"optimization": [OWN]}
    )


@pytest.mark.parametrize("sentence", [each for each, published in REASONS.items() if published is None])
def test_our_own_words_and_numbers_stay(sentence):
    said = sentence.format(**SAYS)
    assert public_reason(said) == said


def test_what_the_census_calls_strategies_is_on_the_list():
    named = {*DROPPED, *OF_WEIGHTS.values(), *FORMULAS, *KINDS.values(), "normal", "own", "own normalization"}
    named |= {"SGD with momentum", "SGD with Nesterov momentum", "weight decay"}
    schedules = {name for name in vars(optim.lr_scheduler) if name.endswith(("LR", "WarmRestarts"))}
    assert named | {f"{name} schedule" for name in schedules} - {"LRScheduler schedule"} <= known_names()


class FakeWandb:
    """Keeps whatever it is given, as text."""

    Settings, Table = SimpleNamespace, SimpleNamespace

    def __init__(self):
        self.given = ""
        self.summary = SimpleNamespace(update=self.log)

    def init(self, **options):
        self.given += repr(options | {"dir": None})
        return self

    def define_metric(self, name, step_metric=""):
        self.given += f"{name} over {step_metric};"

    def log(self, row):
        self.given += repr(row)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def marked(tmp_path, monkeypatch) -> Path:
    """A course whose students put the same word into every place that can hold one, but for their reports."""

    class Marked(Measurement):
        def __init__(self, **facts):
            facts["strategies"] = {f: [Strategy(name=CANARY, evidence=CANARY)] for f in FAMILIES}
            if "crash" in facts["folder"]:
                facts |= {
                    "outcome": "crashed",
                    "accuracy": None,
                    "frames": [CANARY],
                    "said": f"training crashed: {CANARY}",
                }
            super().__init__(**facts, remarks=[CANARY])

    monkeypatch.setattr(made_up, "Measurement", Marked)
    flags = [f"replaced {CANARY}", CANARY, f"showed {CANARY} before its training, and no more after it"]
    where = (f"config.yaml: model.network.{CANARY}", f"{CANARY}.py: line 3", CANARY, f"student.yaml: {CANARY}")
    everyone = [Student(f"{CANARY}-crash", CANARY, 0.9, "audited", flags, source=f"{CANARY}.zip")]
    everyone += [Student(f"{CANARY}-{number}", CANARY, 0.9, "audited", flags) for number in range(2)]
    everyone += [
        Student(f"{CANARY}-no-{number}", CANARY, None, reason=f"{place}: {CANARY}")
        for number, place in enumerate(where)
    ]
    for student in everyone:
        student.texts = {f"{CANARY}.py": CANARY, f"{CANARY}.csv": CANARY, "config.yaml": CANARY, **student.texts}
    write_results(tmp_path, everyone, RULES)
    return tmp_path


def test_no_word_of_a_student_s_is_in_any_byte_that_is_published(marked, monkeypatch):
    with open_results(marked) as opened:
        table = publish(opened)
    assert table.count(CANARY) > 20, "the instructor's terminal tells all"
    for file in filter(Path.is_file, (marked / "site").rglob("*")):
        assert CANARY not in str(file.relative_to(marked)) and CANARY.encode() not in file.read_bytes().lower(), file
    assert CANARY not in (marked / "leaderboard.md").read_text()
    for entry in json.loads((marked / "leaderboard.json").read_text())["entries"]:
        assert CANARY not in repr({**entry, "student": "", "name": ""})
    for row in (marked / "leaderboard.csv").read_text().splitlines():
        assert row.count(CANARY) in (0, 2), "id and name"
    monkeypatch.setitem(sys.modules, "wandb", fake := FakeWandb())
    assert "3 runs" in wandb_runs.log_all(marked, "offline") and CANARY not in fake.given and "audited" in fake.given
    assert "* over epoch" in fake.given and "rules-" in fake.given


def test_hyperparameters_are_numbers_and_classes_of_ours(tmp_path):
    written = tmp_path / "trainee.yaml"
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "nesterov": True, "note": CANARY}}
    network = {"class_path": f"submission.{CANARY}.Net", "init_args": {CANARY: 3}}
    trainer = {"max_epochs": 15, "precision": CANARY}
    written.write_text(yaml.safe_dump({"trainer": trainer, "model": {"optimizer": optimizer, "network": network}}))
    found = wandb_runs.hyperparameters(written)
    assert found["model"]["optimizer"]["init_args"]["lr"] == 0.1 and found["trainer"]["max_epochs"] == 15
    assert found["model"]["optimizer"]["class_path"] == "torch.optim.SGD" and CANARY not in repr(found)
    assert wandb_runs.hyperparameters(tmp_path / "none.yaml") == {}


def test_what_a_network_may_not_use_is_said_in_public_as_it_is_to_the_student():
    said = f"asked again in another order, its network answers differently (the logits differ by 12.5%): {ALLOWED}"
    assert public_reason(said, "failed") == said
