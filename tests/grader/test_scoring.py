"""Outputs of a sandbox are opened as traps; the interval is Wilson's."""

import json
import math
import os
from types import SimpleNamespace

import pytest
import torch

from grader.confidence_intervals import wilson_interval
from grader.rerun.output_checks import read_curves, read_summary, suspicions
from grader.rerun.scoring import accuracy
from grader.rerun.training_budget import TrainingBudget
from grader.rules import Rules
from grader.sandbox.untrusted_files import Unreadable, read_json, read_output
from project.assignment import FAMILIES
from project.training.summary import METRICS


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"12345")
    assert read_output(tmp_path / "file", 5) == b"12345"
    os.symlink(tmp_path / "file", tmp_path / "link")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    for name in ("link", "fifo", "folder", "absent"):
        with pytest.raises(Unreadable):
            read_output(tmp_path / name, 5)
    with pytest.raises(Unreadable, match="larger"):
        read_output(tmp_path / "file", 4)


@pytest.mark.parametrize("text", ["{", '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', "[" * 100_000])
def test_json_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(Unreadable):
        read_json(tmp_path / "x.json", lambda record: record)


BUDGET = TrainingBudget(steps=5, passes=10, images=40, batch=4)
EVIDENCE = {"steps": 5, "passes": 10, "images": 40, "batch": 4, "other_images": False, "replaced": [], "gone": []}
EVIDENCE["processor"] = {"own": 20.0, "others": 0.0, "helped": False}


def suspected(tmp_path, seconds=None, **seen) -> str:
    """The last of the flags of a training that left this evidence."""
    (tmp_path / "evidence.json").write_text(json.dumps(EVIDENCE | seen))
    data = SimpleNamespace(labels_N=[0] * 100, classes=["a", "b"], monitored=10)
    return suspicions(data, BUDGET, tmp_path, [], 0.5, None, [], seconds)[-1]


@pytest.mark.parametrize("number", [math.inf, None, [], "many"])
@pytest.mark.parametrize("name", ["steps", "passes", "images", "batch"])
def test_evidence_that_is_none_is_told(name, number, tmp_path):
    assert suspected(tmp_path, **{name: number}) == "left no evidence of its training"


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"steps": 6}, "took 6 optimizer steps where 5 are expected"),
        (
            {"passes": 11},
            "took 11 passes backward where 10 are enough; honest code may, too, with SAM and a penalty that takes a gradient",
        ),
        ({"images": 41}, "learnt from images 41 times where 40 times are enough"),
        ({"batch": 5}, "learnt from 5 images at once where a batch has 4"),
        ({"other_images": True}, "made its batches of other images than it was given to train on"),
        ({"replaced": ["time.time"]}, "replaced time.time"),
        ({"replaced": ["project.strategies.census"]}, "its census is unproven: it replaced project.strategies.census"),
        (
            {"replaced": ["torch.nn.functional.dropout"]},
            "its census is unproven: it replaced torch.nn.functional.dropout",
        ),
    ],
)
def test_evidence_becomes_a_flag_for_a_person(seen, said, tmp_path):
    assert suspected(tmp_path) == "left no metrics that can be read" and suspected(tmp_path, **seen) == said


@pytest.mark.parametrize(
    ("others", "all_of_them", "helped", "told"),
    [
        (0.0, None, False, None),
        (0.0, 26.5, False, None),  # the end of the program, and what it was started by
        (0.0, 90.0, False, 70),  # what nobody waited for
        (70.0, None, False, 70),
        (70.0, 91.0, False, 71),
        (70.0, 90.0, True, None),  # worker processes that make batches, or the compiler's
    ],
)
def test_the_processor_s_time_that_others_took_becomes_a_flag(others, all_of_them, helped, told, tmp_path):
    processor = {"own": 20.0, "others": others, "helped": helped}
    said = f"other processes took {told} s of the processor beside the 20 s of the training's own"
    assert suspected(tmp_path, all_of_them, processor=processor) == (
        said if told else "left no metrics that can be read"
    )


@pytest.mark.parametrize("own", [math.inf, -1, None, "much"])
def test_seconds_that_are_none_are_told(own, tmp_path):
    processor = {"own": own, "others": 0.0, "helped": False}
    assert suspected(tmp_path, None, processor=processor) == "left no evidence of its training"


@pytest.mark.parametrize("parameters", [True, -1, 1.5, 10**20, "many", None])
def test_a_summary_with_an_impossible_number_is_refused(parameters, tmp_path):
    strategies = {family: [{"name": "some", "evidence": "made up"}] for family in FAMILIES}
    summary = {"epochs": 1, "parameters": parameters, "strategies": strategies, "remarks": []}
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(Unreadable, match="parameters"):
        read_summary(tmp_path / "summary.json", Rules(), 15)


def test_curves_count_their_epochs_themselves(tmp_path):
    lines = [",".join(["epoch", *METRICS]), "9" * 4000 + ",1,0.5,1,nan,0.1", "-7,1,0.5,1,0.25,0.1"]
    (tmp_path / "metrics.csv").write_text("\n".join(lines))
    assert [(row["epoch"], row["val/accuracy"]) for row in read_curves(tmp_path / "metrics.csv")] == [
        (1, None),
        (2, 0.25),
    ]


def test_accuracy_counts_the_largest_logit():
    logits_NK = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    assert accuracy(logits_NK, torch.tensor([0, 1, 2, 0])) == 0.75


def test_wilson_s_interval_against_published_values():
    """Newcombe 1998 (Statistics in Medicine 17), table I: the score method without continuity correction."""
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson_interval(hits / n, n) == pytest.approx((low, high), abs=5e-5)
