"""A made-up course on a made-up cluster whose nodes fail far too often: the grader's own schedule and ledger."""

from benchmarks import simulation
from benchmarks.simulation import simulate


def test_nothing_is_lost_or_doubled_where_nodes_keep_failing(monkeypatch):
    monkeypatch.setattr(simulation, "SECONDS_TO_COME_BACK", 100)  # so soon that what it did meanwhile comes too late
    found = simulate(100, seed=2, failing=0.99)
    assert found["node failures"] > 5 and found["late"] > 0
    assert found["lost"] == found["doubled"] == 0 and found["results"] >= 100


def test_where_none_fails_nothing_is_wasted():
    found = simulate(60, seed=2, failing=0.0)
    assert found["node failures"] == found["late"] == found["lost"] == 0 and found["useful"] == 1
