"""A made-up course on a made-up cluster whose nodes fail far too often: the grader's own schedule, leases and ledger."""

from benchmarks.simulation import simulate


def test_nothing_is_lost_or_doubled_where_nodes_keep_failing():
    found = simulate(60, seed=2, failing=0.9999)
    assert found["node failures"] > 10 and found["late"] > 0
    assert found["lost"] == found["doubled"] == 0 and found["results"] >= 60


def test_where_none_fails_nothing_is_wasted():
    found = simulate(60, seed=2, failing=0.0)
    assert found["node failures"] == found["late"] == found["lost"] == 0 and found["useful"] == 1
