"""What is asked through pipes is answered as asked, or it is the submission's verdict; and asked again, the same."""

import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.rerun.prediction import before_training, predict, unequal
from grader.rerun.prior_knowledge import REDRAWS
from grader.rerun.questions import MOST, SIZE_BYTES, Look, Questions
from grader.rerun.rerun import Rerun
from grader.rerun.weights import MOST_TENSORS, as_file, check_size, read_weights
from grader.sandbox.untrusted_files import Unreadable
from project.assignment import OTHER_BYTES

CLASSES = 3


def images(count: int) -> torch.Tensor:
    """All different, uint8 (count, 1, 2, 1)."""
    return torch.tensor([[number % 256, number // 256] for number in range(count)], dtype=torch.uint8).view(-1, 1, 2, 1)


def logits_of(content: bytes) -> torch.Tensor:
    """A function of each image alone."""
    images_N2 = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, 2).float()
    return torch.stack([images_N2[:, 0], images_N2[:, 1], images_N2.sum(1)], 1)


def framed(logits_NK: torch.Tensor) -> bytes:
    content = logits_NK.numpy().tobytes()
    return len(content).to_bytes(SIZE_BYTES, "big") + content


def asked(folder, looks, answer, seed=0) -> Questions:
    """Questions to a program, here a thread, that gives `answer(kind, content)`; None ends it."""
    with Questions(folder, looks, CLASSES, np.random.default_rng(seed)) as questions:

        def program() -> None:
            with open(folder / "questions", "rb") as asks, open(folder / "answers", "wb", buffering=0) as answers:
                while kind := asks.read(1):
                    said = answer(kind, asks.read(int.from_bytes(asks.read(SIZE_BYTES), "big")))
                    if said is None:
                        return
                    try:
                        answers.write(said)
                    except BrokenPipeError:
                        return

        thread = threading.Thread(target=program)
        thread.start()
        thread.join(10)
        assert not thread.is_alive(), "the program waits for ever"
    return questions


def honest(kind: bytes, content: bytes) -> bytes:
    return framed(logits_of(content)) if kind == b"I" else b""


@settings(max_examples=25)
@given(counts=st.lists(st.integers(1, 700), min_size=1, max_size=3), seed=st.integers(0, 2**32))
def test_each_image_is_asked_about_once_and_its_answer_is_its_own(counts, seed, tmp_path_factory):
    seen: list[list[bytes]] = []

    def answer(kind: bytes, content: bytes) -> bytes:
        if kind == b"W":
            seen.append([])
        else:
            assert len(content) <= 2 * MOST
            seen[-1] += [content[at : at + 2] for at in range(0, len(content), 2)]
        return honest(kind, content)

    looks = [Look(bytes(number + 10**5), images(count)) for number, count in enumerate(counts)]
    answered = asked(tmp_path_factory.mktemp("pipes"), iter(looks), answer, seed).logits()
    for count, batch, logits_NK in zip(counts, seen, answered, strict=True):
        asked_about = [images(count)[number].numpy().tobytes() for number in range(count)]
        assert sorted(batch) == sorted(asked_about)
        assert torch.equal(logits_NK, logits_of(b"".join(asked_about)))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda content: framed(logits_of(content)[:1]), "the logits are not float32"),
        (lambda content: framed(logits_of(content)[:, :2]), "the logits are not float32"),
        (lambda content: b"\xff" * SIZE_BYTES, "the logits are not float32"),
        (lambda content: b"\x80\x04pickle", "the logits are not float32"),
        (lambda content: framed(logits_of(content)) + b"\0", "before it was asked"),
        (lambda content: framed(logits_of(content)) + bytes(10**7), "before it was asked"),
    ],
)
def test_what_is_no_answer_is_told_and_never_waited_for(answer, reason, tmp_path):
    started = time.monotonic()
    questions = asked(tmp_path, [Look(b"", images(300))], lambda kind, said: answer(said) if kind == b"I" else b"")
    with pytest.raises(Unreadable, match=reason):
        questions.check()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("answer", [b"", b"\0", framed(torch.zeros(1, CLASSES))[:-1]])
def test_too_little_is_not_waited_for_once_the_program_is_gone(answer, tmp_path):
    with Questions(tmp_path, [Look(b"", images(2))], CLASSES, np.random.default_rng(0)) as questions:
        with open(tmp_path / "questions", "rb"), open(tmp_path / "answers", "wb", buffering=0) as answers:
            answers.write(answer)
    questions.check()  # what became of the program says more
    with pytest.raises(Unreadable, match="did not answer for all images"):
        questions.logits()


@pytest.mark.parametrize("count", [2, 3, 100, 124, 300])
def test_no_batch_has_all_images_however_few_there_are(count, tmp_path):
    sizes = []

    def answer(kind, content):
        sizes.append(len(content) // 2)
        return honest(kind, content)

    asked(tmp_path, [Look(b"", images(count))], answer)
    of_images = sizes[1:]  # the weights come first
    assert sum(of_images) == count and max(of_images) < count


def test_a_program_that_never_comes_is_not_waited_for(tmp_path):
    with Questions(tmp_path, [Look(bytes(10**6), images(10))], CLASSES, np.random.default_rng(0)) as questions:
        pass
    with pytest.raises(Unreadable, match="did not answer"):
        questions.logits()


class Network:
    """What a sandbox would answer: `forward(images_NHWC, self.kept)` for each batch, with a state that each stage begins anew."""

    def __init__(self, forward):
        self.forward = forward

    def __call__(self, stage, looks, count):
        random, answers, kept = np.random.default_rng([*stage.encode()]), [], []
        for look in looks:
            order_N, logits_NK = random.permutation(len(look.images_NHWC)), torch.empty(len(look.images_NHWC), 10)
            for batch in np.split(order_N, range(150, len(order_N), 150)):
                logits_NK[batch] = self.forward(look.images_NHWC[batch].flatten(1).float(), kept)
            answers.append(logits_NK)
        return answers


WEIGHT = torch.randn(2, 10, generator=torch.Generator().manual_seed(0))


def transductive(images_ND, kept):
    """Normalizes by all that it has seen."""
    kept.append(images_ND)
    return (images_ND - torch.cat(kept).mean(0)) @ WEIGHT


@pytest.mark.parametrize(
    "forward",
    [
        lambda images_ND, kept: nn_dropout(images_ND) @ WEIGHT,
        lambda images_ND, kept: (images_ND - images_ND.mean(0)) @ WEIGHT,
        transductive,
        lambda images_ND, kept: torch.randn(len(images_ND), 10),
    ],
)
@pytest.mark.parametrize("precision", ["32", "bf16-mixed"])
def test_who_answers_otherwise_in_another_order_is_no_network_to_score(forward, precision):
    with pytest.raises(Unreadable, match=r"asked again in another order.*randomness, no statistics"):
        predict(Network(forward), images(2000), b"", precision)


def nn_dropout(images_ND):
    return torch.nn.functional.dropout(images_ND, 0.2)  # training is true unless it is told


@pytest.mark.parametrize(("precision", "error"), [("32", 1e-4), ("auto", 4e-3), ("bf16-true", 4e-3)])
def test_rounding_is_no_difference(precision, error):
    def forward(images_ND, kept):
        logits_NK = (images_ND - 128) @ WEIGHT
        return logits_NK * (1 + error * torch.randn_like(logits_NK))

    assert predict(Network(forward), images(2000), b"", precision).shape == (2000, 10)


def test_logits_that_are_no_numbers_are_refused():
    with pytest.raises(Unreadable, match="not all finite"):
        predict(Network(lambda images_ND, kept: images_ND @ WEIGHT / 0), images(200), b"", "32")
    finite_NK = torch.ones(200, 10)
    assert unequal(finite_NK, finite_NK * float("nan"), in_16_bits=True)


def test_the_weights_from_before_come_in_a_place_of_their_own_among_their_redraws():
    """Nothing but weights tells the fresh ones from redraws, and nothing at all says which look is the first."""
    fresh = as_file({"w": torch.arange(100.0)})
    labels_N = torch.zeros(50, dtype=torch.int64)

    class Recorder:
        def __call__(self, stage, looks, count):
            self.looks = list(looks)
            assert count == sum(len(look.images_NHWC) for look in self.looks)
            right = torch.eye(10)[:1].expand(50, 10)
            return [right if look.weights == fresh else right.roll(1, 1) for look in self.looks]

    places = set()
    for seed in range(8):
        recorder = Recorder()
        assert before_training(recorder, images(50), labels_N, fresh, np.random.default_rng(seed)) == (
            1.0,
            [0.0] * REDRAWS,
        )
        places |= {number for number, look in enumerate(recorder.looks) if look.weights == fresh}
        assert len({look.weights for look in recorder.looks}) == 1 + REDRAWS
        assert len({len(look.weights) for look in recorder.looks}) == 1
    assert len(places) > 3


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"{" * 1000, as_file({"w": torch.ones(3)})[:-1]])
def test_weights_from_before_that_are_no_tensors_are_not_looked_at(content):
    with pytest.raises(Unreadable, match="not what it should be"):
        before_training(lambda *arguments: pytest.fail("asked"), images(5), torch.zeros(5), content, None)


@pytest.mark.parametrize(("fresh", "looks"), [(8_000_000 + OTHER_BYTES, 1), (8_000_001 + OTHER_BYTES, 0)])
def test_weights_from_before_are_no_larger_than_trained_ones_may_be(fresh, looks, tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr("grader.rerun.rerun.before_training", lambda *arguments: looked.append(arguments) or (0.1, []))
    (tmp_path / "fresh.safetensors").write_bytes(bytes(fresh))
    job = SimpleNamespace(data=SimpleNamespace(labels_N=torch.zeros(1)), seed=0)
    rerun = Rerun(job, None, tmp_path, print)
    assert (rerun.before_training(tmp_path, None, 10**6) == (None, [])) == (not looks) and len(looked) == looks


def test_a_file_of_many_tensors_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr("grader.rerun.weights.load", lambda content: {})
    few, many = (as_file({f"{i}": torch.zeros(()) for i in range(count)}) for count in (MOST_TENSORS, MOST_TENSORS + 1))
    assert read_weights(few) == {}
    with pytest.raises(Unreadable, match="10,001 tensors"):
        read_weights(many)
    with pytest.raises(Unreadable, match="a header of 3,000,000 bytes"):
        read_weights((3 * 10**6).to_bytes(8, "little") + bytes(10**6))


@given(parameters=st.integers(0, 10**6), buffers=st.integers(0, 4 * 10**6))
@settings(max_examples=50)
def test_a_training_set_does_not_come_along(parameters, buffers):
    weights = bytes(4 * parameters + buffers)
    if buffers <= max(OTHER_BYTES, 4 * parameters):
        check_size(weights, parameters)
    elif buffers > OTHER_BYTES + 4 * parameters:
        with pytest.raises(Unreadable, match="its weights hold"):
            check_size(weights, parameters)
