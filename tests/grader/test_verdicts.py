"""A verdict is a pure function of measurements and rules; a changed rule repeats no training but those that it lets go."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grading.ranking import entry
from grader.grading.slowness import Epoch
from grader.grading.verdicts import pending_trainings, verdict
from grader.ledger.measurement import Measurement, Strategy
from grader.ledger.submissions import Graded
from grader.rules import Limits, Points, Rules

FAMILIES = Rules().families
ALL = {family: [Strategy(name="x", evidence="y")] for family in FAMILIES}


def scored(accuracy: float = 0.9, **values) -> Measurement:
    known = {"samples": 2000, "epochs": 15, "seconds": 60.0, "peak_memory": 10**9, "strategies": ALL}
    return Measurement(outcome="scored", accuracy=accuracy, **{**known, **values})


def graded(*measurements: Measurement, findings=(), **values) -> Graded:
    about = {"tier": "verified", "submitted": None, "marked_late": False, **values}
    numbered = dict(enumerate(measurements))
    return Graded("kim", "Kim", "d", source="s", images="i", findings=list(findings), measurements=numbered, **about)


STOPPED = Measurement(outcome="limit", said="training took longer than 30 minutes", limits={"minutes": 30.0})
HUNGRY = Measurement(outcome="limit", said="training used more than 8 GB of memory", limits={"memory_gb": 8.0})
BARE = Measurement(outcome="family_missing", said="uses no strategy of normalization", missing=["normalization"])
CRASHED = Measurement(outcome="crashed", said="training crashed: no")
CHANGES = {  # what a change of a rule repeats, of: one that was scored, was stopped for time, for memory, lacks a family, crashed
    "target_accuracy": (Rules(target_accuracy=0.5), ""),
    "a higher target": (Rules(target_accuracy=0.99), ""),
    "deadline": (Rules(deadline=datetime(2026, 1, 1, tzinfo=UTC)), ""),
    "late": (Rules(late="flag"), ""),
    "points": (Rules(bonus=Points(report=10, conclusion=1)), ""),
    "more minutes": (Rules(limits=Limits(minutes=60)), "time"),
    "fewer minutes": (Rules(limits=Limits(minutes=10)), ""),
    "more memory": (Rules(limits=Limits(memory_gb=16)), "memory"),
    "more processes": (Rules(limits=Limits(processes=1000)), ""),
    "fewer epochs": (Rules(max_epochs=10), ""),
    "more epochs": (Rules(max_epochs=20), ""),
    "fewer families": (Rules(families=["optimization"]), "family"),
    "trainings on a GPU": (Rules(trainings_per_gpu=4), ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_changed_rule_repeats(change):
    rules, repeated = CHANGES[change]
    measured = {"scored": scored(), "time": STOPPED, "memory": HUNGRY, "family": BARE, "crashed": CRASHED}
    again = {name for name, measurement in measured.items() if pending_trainings(graded(measurement), rules)}
    assert again == ({repeated} if repeated else set())


def test_more_seeds_ask_for_more_trainings_and_repeat_none():
    assert pending_trainings(graded(scored()), Rules(seeds=3)) == [1, 2]
    assert pending_trainings(graded(scored(), scored(), scored()), Rules(seeds=1)) == []


@pytest.mark.parametrize(
    "surplus", [STOPPED, CRASHED, scored(flags=["looked odd"])], ids=["stopped", "crashed", "flag"]
)
def test_a_training_that_the_rules_ask_for_no_more_decides_nothing(surplus):
    of_more = graded(scored(), scored(), surplus)
    fewer = Rules(seeds=2, seeds_near_target=2)
    assert verdict(of_more, fewer) == verdict(graded(scored(), scored()), fewer) != verdict(of_more, Rules(seeds=3))


def test_near_the_target_more_trainings_decide_and_the_first_ones_rank():
    near = (scored(0.79), scored(0.82), scored(0.81))
    assert pending_trainings(graded(near[0]), Rules()) == [1, 2]
    said = verdict(graded(*near), Rules())
    assert (said.name, said.decided_by, said.ranked) == ("passed", 3, near[0])
    said = verdict(graded(near[0], scored(0.75), scored(0.80)), Rules())
    assert said.name == "below_target" and "79.00%" in said.reason and "median of 3" in said.reason
    assert "2 of 3 trainings so far" in verdict(graded(*near[:2]), Rules()).flags[0]


@pytest.mark.parametrize(
    ("measurement", "rules", "name", "reason"),
    [
        (scored(0.9), Rules(), "passed", ""),
        (scored(0.8), Rules(seeds_near_target=1), "below_target", "not above 80%"),
        (scored(0.92), Rules(target_accuracy=0.925, seeds_near_target=1), "below_target", "not above 92.5%"),
        (scored(0.9), Rules(max_epochs=10), "rejected", "15 epochs"),
        (scored(0.9, strategies={**ALL, "normalization": []}), Rules(), "rejected", "no strategy of normalization"),
        (scored(0.9), Rules(limits=Limits(minutes=0.5)), "failed", "longer than 0.5 minutes"),
        (scored(0.9), Rules(limits=Limits(memory_gb=0.5)), "failed", "more than 0.5 GB"),
        (STOPPED, Rules(), "failed", "30 minutes"),
        (STOPPED, Rules(limits=Limits(minutes=60)), "pending", ""),
        (BARE, Rules(), "rejected", "normalization"),
        (CRASHED, Rules(), "failed", "crashed"),
    ],
)
def test_verdicts(measurement, rules, name, reason):
    said = verdict(graded(measurement), rules)
    assert said.name == name and reason in said.reason


def test_a_fault_of_ours_is_no_verdict_beside_what_was_measured():
    fault = Measurement(outcome="infrastructure", said="the sandbox failed")
    nothing = Graded("kim", "Kim", "d", "verified", "s", None, False, "i", findings=[], infrastructure=fault)
    assert verdict(nothing, Rules()).name == "infrastructure"
    assert pending_trainings(nothing, Rules()) == [0]


def test_a_late_one_is_rejected_or_flagged_as_the_rules_say_now():
    deadline = datetime(2026, 12, 1, tzinfo=UTC)
    late = graded(scored(), submitted=deadline + timedelta(hours=1))
    assert verdict(late, Rules()).name == "passed"
    said = verdict(late, Rules(deadline=deadline))
    assert (said.name, said.flags) == ("rejected", []) and "came 1 hour after" in said.reason, "told once"
    said = verdict(late, Rules(deadline=deadline, late="flag"))
    assert said.name == "passed" and "came 1 hour after the deadline" in said.flags[0]


def test_a_far_slower_audited_one_is_flagged_whoever_was_measured_first():
    slow = graded(scored(0.9, seconds=900.0), tier="audited")
    epochs = [Epoch(slow.images, 1e6, seconds) for seconds in (4.0, 4.0, 5.0)]
    assert "15 times as long" in verdict(slow, Rules(), epochs).flags[0]
    for no_flag in ([], epochs[:2], [epoch._replace(images="others") for epoch in epochs]):
        assert not verdict(slow, Rules(), no_flag).flags
    assert not verdict(graded(scored(0.9, seconds=900.0)), Rules(), epochs).flags
    assert not verdict(graded(scored(0.9, seconds=900.0, operations=2e6), tier="audited"), Rules(), epochs).flags


@pytest.mark.parametrize(
    ("accuracies", "seeds", "decided"),
    [({1: 0.9}, 3, (1, 0.9)), ({0: 0.81, 2: 0.79}, 1, (2, 0.79)), ({1: 0.9, 2: 0.5}, 3, (2, 0.5))],
)
def test_a_later_training_may_be_there_before_an_earlier_one(accuracies, seeds, decided):
    known, rules = graded(), Rules(seeds=seeds)
    known.measurements.update({training: scored(accuracy) for training, accuracy in accuracies.items()})
    said = entry(known, verdict(known, rules), rules)
    assert (said.decided_by, said.decided_accuracy) == decided
    assert said.verdict == ("passed" if decided[1] > rules.target_accuracy else "below_target")


@given(st.lists(st.sampled_from([scored(0.9), scored(0.8), scored(0.5), STOPPED, BARE, CRASHED]), max_size=3))
def test_what_is_asked_for_is_never_there_already_and_a_verdict_changes_nothing(measurements):
    known, rules = graded(*measurements), Rules()
    assert verdict(known, rules) == verdict(known, rules)
    assert not set(pending_trainings(known, rules)) & set(known.measurements)
