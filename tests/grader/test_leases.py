"""Leases: each job is somebody's, and comes back once."""

from grader.engines.leases import Leases


def test_a_lease_ends_once_and_what_comes_later_does_not_count():
    leases = Leases(seconds=10)
    first = leases.give("job", "a", now=0.0)
    assert leases.of("a") == [first] and leases.overdue(9.9) == [] and leases.overdue(10.0) == [first]
    assert leases.end(first.number) is first
    second = leases.give("job", "b", now=10.0)
    assert leases.end(first.number) is None and leases.of("a") == [] and len(leases) == 1
    assert leases.end(second.number).job == "job" and leases.end(second.number) is None and len(leases) == 0
