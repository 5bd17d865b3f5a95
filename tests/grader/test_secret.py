"""The key: what is drawn from it cannot be guessed, says nothing of another use, and stays what it was in older folders."""

import hashlib
import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.ledger.results_folder import stored_secret
from grader.publish.pseudonyms import pseudonyms
from grader.rerun.grading_data import images_key
from grader.rules import Rules
from grader.secret import BYTES, MOST_SEEDS, EarlierSecret, Secret, Use, drew, read_secret, training_seed
from project.support.errors import UserError

USES: tuple[Use, ...] = get_args(Use)
KEYS = st.binary(min_size=BYTES, max_size=BYTES)
SALTS = st.none() | st.integers(0, 2**63 - 1)


@given(KEYS, SALTS)
def test_a_secret_is_read_as_it_was_written(key, salt):
    secret = Secret(key, salt)
    assert read_secret(secret.to_json().encode()) == secret


@given(KEYS, KEYS, SALTS, SALTS)
def test_each_use_key_and_salt_draws_something_else(key, other_key, salt, other_salt):
    secrets = {Secret(key, salt), Secret(other_key, salt), Secret(key, other_salt)}
    drawn = [secret.digest(use, 1) for secret in secrets for use in USES]
    assert len({*drawn}) == len(drawn)
    assert all(0 <= secret.number(use) < 2**63 for secret in secrets for use in USES)


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_what_is_drawn_for_is_told_apart_wherever_it_is_cut(one, other):
    secret = Secret(bytes(BYTES))
    assert (secret.digest("picture", *one) == secret.digest("picture", *other)) == (one == other)


def test_the_salt_alone_gives_nothing_away(tmp_path):
    """A salt of few digits can be tried; what is drawn depends on a key that cannot."""
    one, other = stored_secret(tmp_path, Secret.new(123456)), Secret.new(123456)
    assert training_seed(one, 0) != training_seed(other, 0) and len(one.key) == BYTES == 16
    assert (tmp_path / "secret.json").stat().st_mode & 0o077 == 0


def test_a_training_s_seed_tells_the_secret_that_it_was_drawn_from():
    one, other = Secret(bytes(BYTES)), Secret(bytes(BYTES), salt=1)
    last = training_seed(one, Rules(seeds=MOST_SEEDS).seeds - 1)
    assert drew(one, last) and not drew(other, last)
    with pytest.raises(ValueError):
        Rules(seeds=MOST_SEEDS + 1)


def test_a_folder_keeps_its_secret_and_its_salt(tmp_path):
    first = stored_secret(tmp_path, Secret.new(5))
    assert stored_secret(tmp_path, Secret.new()) == stored_secret(tmp_path, Secret.new(5)) == first
    with pytest.raises(UserError, match="--secret-seed: .* begun with another one"):
        stored_secret(tmp_path, Secret.new(6))


def test_an_older_folder_draws_what_it_drew(tmp_path):
    (tmp_path / "secret.json").write_text('{"seed": 20261125}')
    rules, secret = Rules(), stored_secret(tmp_path, Secret.new())
    assert secret == EarlierSecret(seed=20261125)
    assert secret.number("monitor split") == secret.number("test images") == 20261125
    assert training_seed(secret, 2) == int.from_bytes(hashlib.sha256(b"20261125 2").digest()[:4], "big") >> 1
    described = json.dumps([rules.dataset, rules.monitor_fraction, 20261125], sort_keys=True)
    assert images_key(rules, secret) == hashlib.sha256(described.encode()).hexdigest()[:16]
    assert pseudonyms(["kim-minji", "zhang-wei"], secret) == {"kim-minji": "ruby-hawk", "zhang-wei": "white-stork"}
    assert (tmp_path / "secret.json").read_text() == '{"seed": 20261125}', "nothing is drawn over"
