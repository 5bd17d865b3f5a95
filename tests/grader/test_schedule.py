"""Which training is next: what decides first, then everybody's first, the longest first; faults of ours later."""

import random

import pytest

from grader.grading.training_queue import MOST_ATTEMPTS, Schedule, Task
from grader.intake.submission import Submission
from grader.intake.time_estimate import estimated_work


def taken(schedule: Schedule, now: float = 0.0) -> list[Task]:
    return list(iter(lambda: schedule.take(now), None))


def test_the_order_is_urgent_then_first_trainings_then_verified_then_the_longest():
    tasks = [
        Task("urgent", index=1, urgent=True, work=1),
        Task("long", work=9),
        Task("short", work=1),
        Task("audited", verified=False, work=99),
        Task("second", index=1, work=100),
    ]
    shuffled = random.Random(0).sample(tasks, len(tasks))
    schedule = Schedule()
    for task in shuffled:
        schedule.add(task)
    assert taken(schedule) == tasks


def test_what_failed_by_our_fault_waits_longer_each_time_and_then_is_left():
    schedule, now, task = Schedule(back_off=10), 0.0, Task("kim")
    for attempt in range(MOST_ATTEMPTS - 1):
        assert schedule.again(task, now)
        assert schedule.take(now) is None and schedule.next_time() == now + 10 * 2**attempt
        now = schedule.next_time()
        task = schedule.take(now)
        assert task.attempt == attempt + 1
    assert not schedule.again(task, now) and schedule.take(1e9) is None


def test_a_training_is_taken_in_once_and_kept_for_as_long_as_it_is_tried():
    schedule = Schedule(back_off=0)
    assert schedule.add(Task("kim")) and not schedule.add(Task("kim")) and schedule.add(Task("kim", 1))
    first, _ = taken(schedule)
    assert schedule.again(first, 0.0) and taken(schedule) == [Task("kim", attempt=1)]
    assert not schedule.add(Task("kim")) and schedule.take(0.0) is None


def test_nothing_is_lost_or_given_twice():
    draw, schedule, given = random.Random(1), Schedule(back_off=3), []
    tasks = {Task(f"s{n}", n % 3, n % 7 == 0, n % 2 == 0, draw.random()) for n in range(500)}
    for task in tasks:
        schedule.add(task)
    now = 0.0
    while True:
        task = schedule.take(now)
        if task is None:
            if schedule.next_time() is None:
                break
            now = schedule.next_time()
        elif draw.random() > 0.2 or not schedule.again(task, now):
            given.append((task.student, task.index))
    assert sorted(given) == sorted((task.student, task.index) for task in tasks)


@pytest.mark.parametrize(
    ("network", "epochs", "work"),
    [
        ("{init_args: {width: 4, depth: 3}}", 10, 480.0),
        ("{init_args: {widths: [2, 4]}}", 2, 18.0),
        ("{}", 5, 5.0),
        ("[]", 5, 0.0),
        ("{init_args: {width: big}}", 5, 0.0),
        ("{init_args: {width: 1e999}}", 5, float("inf")),
    ],
)
def test_work_is_estimated_from_the_configuration_and_from_nonsense_not_at_all(network, epochs, work, tmp_path):
    config = f"trainer: {{max_epochs: {epochs}}}\nmodel: {{network: {network}}}\n".encode()
    assert estimated_work(Submission(tmp_path, "kim", "Kim", {"config.yaml": config})) == work
    assert estimated_work(Submission(tmp_path, "kim", "Kim", {})) == 0.0
