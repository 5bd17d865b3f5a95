"""The whole walk, on the example submissions and on broken ones: each gets its verdict, and nothing is done twice."""

import gc
import json
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
import yaml

from grader.cli import main
from grader.grading.training_queue import MOST_ATTEMPTS
from grader.intake.submission import Submission
from grader.ledger.measurement import Measurement
from grader.ledger.results_folder import open_results
from grader.rerun.failures import PREPARES, READY
from grader.rules import Rules
from project.datasets.recognition import recognized
from project.support.errors import UserError
from tests.data.test_tables import drawn, folder_of, written
from tests.grader.conftest import TINY_GLYPHS, needs_sandbox
from tests.grader.engines import CRASHED, LOST, MadeUp, graded, scored

OWN_NETWORK = """
import {imports}
from torch import nn


class Net(nn.Module):
    def __init__(self, num_classes: int = 10, in_channels: int = 3):
        super().__init__()
        {init}
        self.net = nn.Sequential(nn.Conv2d(in_channels, 4, 3, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(),
                                 nn.Linear(256, num_classes))

    def forward(self, images):
        return self.net(images)
"""


def rules_file(path: Path, glyphs: dict | None = None, **changes) -> Path:
    dataset = {"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS | (glyphs or {})}
    rules = {"target_accuracy": 0.3, "dataset": dataset, "limits": {"minutes": 2, "memory_gb": 4}, **changes}
    path.write_text(yaml.safe_dump(rules))
    return path


def entries(results: Path) -> dict[str, dict]:
    document = json.loads((results / "leaderboard.json").read_text())
    return {entry["student"]: entry for entry in document["entries"]}


def attempts(results: Path) -> int:
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return database.execute("SELECT count(*) FROM measurements").fetchone()[0]


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The example submissions, on images so easy that five epochs tell the passing from the failing."""
    folder = tmp_path_factory.mktemp("examples")
    small = folder / "small.yaml"
    settings = yaml.safe_load(Path("configs/quickstart.yaml").read_text())
    settings["trainer"]["max_epochs"] = 8
    settings["model"]["network"]["init_args"]["width"] = 8
    small.write_text("# small\n" + yaml.safe_dump(settings))
    assert main(["example", str(folder / "submissions"), "--config", str(small)]) == 0
    rules = rules_file(folder / "rules.yaml", {"train": 600, "warp": 0.3}, target_accuracy=0.85)
    command = [
        "run",
        str(folder / "submissions"),
        "--out",
        str(folder / "results"),
        "--rules",
        str(rules),
        "--secret-seed",
        "1",
    ]
    return folder, command


@needs_sandbox
def test_every_example_gets_its_verdict(examples, capsys):
    folder, command = examples
    assert main(command) == 0
    said = capsys.readouterr().out
    graded = entries(folder / "results")
    assert {student: entry["verdict"] for student, entry in graded.items()} == {
        "passes": "passed",
        "own-network": "passed",
        "below-target": "below_target",
        "sixteen-epochs": "rejected",
        "family-missing": "rejected",
    }
    assert graded["passes"]["tier"] == "verified" and graded["own-network"]["tier"] == "audited"
    assert graded["passes"]["epochs"] == 8 and graded["passes"]["parameters"] > 1000
    assert graded["passes"]["strategies"]["initialization"] == ["He"]
    for student, order in {"passes": [PREPARES, "built", READY], "own-network": [PREPARES, READY, "built"]}.items():
        (log,) = (folder / "results" / "attempts" / student).rglob("trainee.log")
        lines = ["built" if "parameters, on cpu" in line else line for line in log.read_text().splitlines()]
        assert lines[:3] == order, "the time counts from the same point for all"
    assert "trainer.max_epochs" in graded["sixteen-epochs"]["reason"]
    assert "no strategy of normalization" in graded["family-missing"]["reason"]
    assert "CPU" in said and "Kim Minji 김민지" in said
    for name in ("leaderboard.csv", "leaderboard.md", "secret.json", "ledger.sqlite"):
        assert (folder / "results" / name).exists()
    assert (folder / "results" / "secret.json").stat().st_mode & 0o077 == 0

    before = attempts(folder / "results")
    assert main(command) == 0
    assert attempts(folder / "results") == before == 3, (
        "nothing is graded twice, and what no training can mend not once"
    )
    assert "graded before" in capsys.readouterr().out

    assert main(["leaderboard", str(folder / "results")]) == 0
    assert "passes" in capsys.readouterr().out


@needs_sandbox
def test_a_bad_submission_spoils_no_other(write_submission, tmp_path, capsys):
    def own(config):
        config["model"]["network"] = {"class_path": "submission.mine.Net"}
        config["model"]["normalization"] = None

    broken = {
        "a-crash": ("sys", "raise RuntimeError('my \\x1b[31mbug')", "failed", "its code raised RuntimeError"),
        "b-hang": ("time", "time.sleep(600)", "failed", "longer than 0.25 minutes"),
        "e-garbage": (
            "os",
            "open('/out/weights.safetensors', 'w').write('x'); os._exit(0)",
            "failed",
            "no summary.json",
        ),
    }
    for name, (imports, init, _, _) in broken.items():
        write_submission(name, own, mine_py=OWN_NETWORK.format(imports=imports, init=init))
    folder = write_submission("z-honest", own, mine_py=OWN_NETWORK.format(imports="os", init="pass")).parent
    (folder / "f-archive.zip").write_bytes(b"PK no zip")
    wrong_setting = lambda config: config["model"]["optimizer"]["init_args"].update(lr=-1)  # noqa: E731
    write_submission("g-setting", wrong_setting)
    rules = rules_file(tmp_path / "rules.yaml", target_accuracy=0.01, limits={"minutes": 0.25, "memory_gb": 4})
    assert main(["run", str(folder), "--out", str(tmp_path / "results"), "--rules", str(rules)]) == 0
    graded = entries(tmp_path / "results")
    assert graded["z-honest"]["verdict"] == "passed", graded["z-honest"]
    for name, (_, _, verdict, reason) in broken.items():
        assert graded[name]["verdict"] == verdict and reason in graded[name]["reason"], graded[name]
    assert graded["f-archive"]["verdict"] == "rejected" and "is not accepted" in graded["f-archive"]["reason"]
    assert graded["g-setting"]["verdict"] == "rejected" and "model.optimizer" in graded["g-setting"]["reason"]
    assert "\x1b" not in json.dumps(graded) and "\x1b[31m" not in capsys.readouterr().out


SLOW_GRADER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # what a background shell started ignores it
import grader.grading.grade, grader.engines.slots
from tests.grader.engines import scored

def run_job(job, watch, slot):
    with slot.turn:
        time.sleep(0.15)
        with open(sys.argv[4], "a") as file:
            file.write(job.submission.student + "\\n")
        time.sleep(0.15)
    return scored()

grader.engines.slots.run_job = run_job
from grader.cli import main
sys.exit(main(["run", sys.argv[1], "--out", sys.argv[2], "--rules", sys.argv[3], "--unsafe-no-sandbox", "--device", "cpu"]))
"""


@pytest.mark.parametrize("how", [pytest.param(signal.SIGKILL, marks=pytest.mark.slow), signal.SIGINT])
def test_a_stopped_grader_goes_on_where_it_was(how, write_submission, tmp_path):
    """Killed at several moments: in the end there is one result for each, and none that was recorded is done again."""
    students = [f"student-{i}" for i in range(6)]
    folder = [write_submission(student).parent for student in students][0]
    rules, results, done = rules_file(tmp_path / "rules.yaml"), tmp_path / "results", tmp_path / "done"
    command = [sys.executable, "-c", SLOW_GRADER, str(folder), str(results), str(rules), str(done)]
    done.touch()
    counts: dict[str, int] = {}  # how often a job was done by the time its result was recorded
    for seconds in (0.0, 0.35, 0.5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in process.stdout:
            if ": training" in line:
                break
        time.sleep(seconds)
        process.send_signal(how)
        said = process.communicate(timeout=30)[0]
        if how == signal.SIGINT:
            assert process.returncode == 130 and "Nothing is lost" in said and "Traceback" not in said
        finished = done.read_text().split()
        assert all(finished.count(student) == count for student, count in counts.items())
        counts = {student: finished.count(student) for student in ledger_students(results)}
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    assert ledger_students(results) == set(students) and attempts(results) == len(students)
    finished = done.read_text().split()
    assert all(finished.count(s) == count for s, count in counts.items()), "what was recorded is not done again"
    assert {entry["verdict"] for entry in entries(results).values()} == {"passed"}


def ledger_students(results: Path) -> set[str]:
    with sqlite3.connect(results / "ledger.sqlite") as database:
        return {row[0] for row in database.execute("SELECT student FROM measurements WHERE counts")}


def test_two_graders_do_not_share_a_folder(write_submission, tmp_path, capsys):
    from grader.ledger.results_folder import locked

    folder = write_submission().parent
    with locked(tmp_path / "results"):
        assert main(["run", str(folder), "--out", str(tmp_path / "results"), "--unsafe-no-sandbox"]) == 2
    assert "another grader" in capsys.readouterr().err


def test_without_a_sandbox_run_refuses(write_submission, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("grader.sandbox.bubblewrap.unavailable", lambda: "bubblewrap is missing.")
    assert main(["run", str(write_submission().parent), "--out", str(tmp_path / "results")]) == 2
    said = capsys.readouterr().err
    assert "bubblewrap is missing" in said and "--unsafe-no-sandbox" in said
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_told_so_it_grades_without_a_sandbox_and_says_so(write_submission, tmp_path, capsys):
    rules = rules_file(tmp_path / "rules.yaml", target_accuracy=0.01)
    folder = write_submission("kim").parent
    assert (
        main(["run", str(folder), "--out", str(tmp_path / "results"), "--rules", str(rules), "--unsafe-no-sandbox"])
        == 0
    )
    assert "WITHOUT A SANDBOX" in capsys.readouterr().out
    (entry,) = entries(tmp_path / "results").values()
    assert entry["verdict"] == "passed" and entry["flags"] == ["graded without a sandbox"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_epoch: 3", "max_epoch"),
        ("max_epochs: many", "max_epochs"),
        ("target_accuracy: 80", "target_accuracy"),
        ("limits: {minutes: -1}", "limits.minutes"),
        ("limits: {output_mb: 1.0e+13}", "limits.output_mb"),
        ("limits: {processes: 100000000}", "limits.processes"),
        ("a: [", "not valid YAML"),
        ("dataset: {class_path: project.data.Nothing}", "Nothing"),
    ],
)
def test_wrong_rules_are_one_line(text, said, write_submission, tmp_path, capsys):
    (tmp_path / "rules.yaml").write_text(text)
    folder = write_submission().parent
    command = ["run", str(folder), "--out", str(tmp_path / "results"), "--rules", str(tmp_path / "rules.yaml")]
    assert main([*command, "--unsafe-no-sandbox"]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def timed(audited: float) -> MadeUp:
    """An engine whose verified trainings take 2 s, and whose audited ones take `audited`."""
    seconds = lambda job: 2.0 if job.submission.tier == "verified" else audited  # noqa: E731
    return MadeUp(lambda job: scored(0.9, epochs=10, seconds=seconds(job), operations=1e6))


@pytest.mark.parametrize(("seconds", "flags"), [(10.0, []), (50.0, ["an epoch took 25 times as long"])])
def test_a_training_far_slower_than_the_verified_ones_is_flagged(seconds, flags, write_submission, rules, tmp_path):
    folder = write_submission("a-audited", net_py="import torch\n").parent
    for name in ("kim", "lee", "park"):
        write_submission(name)
    graded(folder, tmp_path / "results", rules, timed(seconds))
    found = entries(tmp_path / "results")
    odd = [flag for flag in found["a-audited"]["flags"] if "sandbox" not in flag]
    assert found["a-audited"]["tier"] == "audited" and len(odd) == len(flags)
    assert all(flag.startswith(start) for flag, start in zip(odd, flags))
    assert found["kim"]["flags"] == found["lee"]["flags"]


class Drawn(MadeUp):
    """An engine whose trainings reach these accuracies, one after another."""

    def __init__(self, *accuracies: float):
        self.accuracies = list(accuracies)

    def result(self, job):
        accuracy = self.accuracies.pop(0)
        return scored(accuracy)


@pytest.mark.parametrize(
    ("accuracies", "decides"),
    [([0.80, 0.60, 0.85], 0.80), ([0.79, 0.95, 0.96], 0.95), ([0.95], 0.95), ([0.5], 0.5)],
)
def test_near_the_target_all_further_seeds_are_trained_whatever_the_second_says(
    accuracies, decides, write_submission, rules, tmp_path
):
    folder = write_submission("kim").parent
    engine = Drawn(*accuracies)
    graded(folder, tmp_path / "results", rules.but(target_accuracy=0.8), engine)
    entry = entries(tmp_path / "results")["kim"]
    assert engine.accuracies == [] and (entry["accuracy"], entry["seeds"]) == (accuracies[0], 1)
    assert (entry["decided_accuracy"], entry["decided_by"]) == (decides, len(accuracies))


class Cluster(MadeUp):
    """An engine that takes all jobs that wait, and gives their results in the opposite order."""

    def __init__(self, result):
        super().__init__(result)
        self.taken: list[list[str]] = []  # of each time that it asked

    def run(self, work):
        while jobs := list(iter(work.next_job, None)):
            self.taken.append([job.folder.name[-1] for job in jobs])
            yield from ((job, self.result(job)) for job in reversed(jobs))


def by_training(*accuracies: float | None):
    """Results by the number of the training, whichever ends first; None for one that crashed."""

    def result(job):
        accuracy = accuracies[int(job.folder.name[-1]) - 1]
        return CRASHED if accuracy is None else scored(accuracy)

    return result


@pytest.mark.parametrize(
    ("accuracies", "seeds", "taken", "verdict"),
    [
        ((0.8, 0.7, 0.9), 1, [["1"], ["2", "3"]], "below_target"),  # near the target: both further ones at once
        ((0.95, 0.96, 0.97), 3, [["1", "2", "3"]], "passed"),
        ((0.95, None, 0.97), 3, [["1", "2", "3"]], "failed"),
    ],
)
def test_trainings_of_one_submission_run_at_once(accuracies, seeds, taken, verdict, write_submission, rules, tmp_path):
    engine = Cluster(by_training(*accuracies))
    asked = rules.but(target_accuracy=0.8, seeds=seeds)
    graded(write_submission("kim").parent, tmp_path / "results", asked, engine)
    entry = entries(tmp_path / "results")["kim"]
    assert engine.taken == taken and entry["verdict"] == verdict and attempts(tmp_path / "results") == 3


def test_one_lost_training_of_three_is_told_and_tried_by_the_next_run(write_submission, rules, tmp_path, capsys):
    folder, asked = write_submission("kim").parent, rules.but(seeds=3)
    lost = MadeUp(lambda job: LOST if job.folder.name[-1] == "2" else scored())
    graded(folder, tmp_path / "results", asked, lost, back_off=0)
    assert "1 training failed through faults of ours" in capsys.readouterr().out
    assert attempts(tmp_path / "results") == 2 + MOST_ATTEMPTS
    assert "2 of 3 trainings so far" in " ".join(entries(tmp_path / "results")["kim"]["flags"])
    graded(folder, tmp_path / "results", asked, MadeUp(lambda job: scored()))
    assert not any("so far" in flag for flag in entries(tmp_path / "results")["kim"]["flags"])
    assert entries(tmp_path / "results")["kim"]["seeds"] == 3 and attempts(tmp_path / "results") == 3 + MOST_ATTEMPTS


def test_no_run_makes_the_same_training_twice(write_submission, rules, tmp_path):
    """Whatever a measurement says: here a family is missing that these rules do not ask for."""
    results = iter([Measurement(outcome="family_missing", said="uses no strategy of a family"), scored()])
    graded(write_submission("kim").parent, tmp_path / "results", rules, MadeUp(lambda job: next(results)))
    assert attempts(tmp_path / "results") == 1 and entries(tmp_path / "results")["kim"]["verdict"] == "pending"


def test_each_epoch_is_told_once(write_submission, rules, tmp_path, capsys):
    class Talking(MadeUp):
        def run(self, work):
            job = work.next_job()
            for line in ["epoch 5/15", "epoch 10/15", "epoch 5/15"] * 9:
                work.watch(job, line)
            yield job, scored()

    graded(write_submission("kim").parent, tmp_path / "results", rules, Talking(None))
    said = capsys.readouterr().out
    assert said.count("epoch 5 of 15") == said.count("epoch 10 of 15") == 1


def test_what_was_handed_in_does_not_stay_in_memory(write_submission, rules, tmp_path, monkeypatch):
    for number in range(3):
        folder = write_submission(f"kim-{number}", net_py="# x\n" * 10**4).parent
    alive = []

    def result(job):
        gc.collect()
        alive.append(sum(type(thing) is Submission for thing in gc.get_objects()))
        return scored()

    graded(folder, tmp_path / "results", rules, MadeUp(result))
    assert max(alive) <= 2, "the one that is trained, and the one before it"


def test_what_was_handed_in_is_not_read_anew_for_each_of_its_files(write_submission, rules, tmp_path, monkeypatch):
    opened = []

    class Counted(zipfile.ZipFile):
        def __init__(self, file, mode="r", *arguments):
            opened.append(mode)
            super().__init__(file, mode, *arguments)

    monkeypatch.setattr("grader.ledger.submission_store.zipfile.ZipFile", Counted)

    def result(job):
        return scored(seconds=1.0 * len(job.submission.modules))

    def times_read(files):
        opened.clear()
        own = {f"net{number}_py": "" for number in range(files)}
        folder = write_submission("kim", parent=tmp_path / f"of-{files}", **own).parent
        graded(folder, tmp_path / f"results-{files}", rules, MadeUp(result))
        main(["similar", str(tmp_path / f"results-{files}")])
        return opened.count("r")

    assert 0 < times_read(20) == times_read(2)


def test_where_one_student_is_unknown_nobody_is_regraded(write_submission, rules, tmp_path):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    graded(folder, results, rules, Drawn(0.9))
    with pytest.raises(UserError, match="--regrade nobody: the ledger knows no such student"):
        graded(folder, results, rules, Drawn(), regrade=("kim", "nobody"))
    graded(folder, results, rules, Drawn())
    assert entries(results)["kim"]["accuracy"] == 0.9


def test_a_regrade_that_was_stopped_goes_on_and_does_not_begin_anew(write_submission, rules, tmp_path, capsys):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    asked = rules.but(seeds=2, seeds_near_target=1)
    graded(folder, results, asked, Drawn(0.9, 0.9))
    for _ in range(2):
        graded(folder, results, asked, Drawn(), regrade=("kim",), max_hours=1e-9)
    with open_results(results) as opened:
        assert opened.ledger.round("kim") == 1
    assert capsys.readouterr().out.count("kim: goes on with the regrade") == 1
    graded(folder, results, asked, Drawn(0.8, 0.8), regrade=("kim",))
    graded(folder, results, asked, Drawn(0.7, 0.7), regrade=("kim",))  # the one before was complete
    assert entries(results)["kim"]["accuracy"] == 0.7


def test_a_regrade_that_is_taken_back_while_it_runs_ends_no_run(write_submission, rules, tmp_path):
    for name in ("kim", "lee"):
        folder, results = write_submission(name).parent, tmp_path / "results"
    graded(folder, results, rules, Drawn(0.9, 0.9))

    def train(job):
        if job.submission.student == "kim":
            assert main(["undo", str(results), "1"]) == 0
        return scored(0.8)

    graded(folder, results, rules, MadeUp(train), regrade=("kim", "lee"))
    assert {name: each["accuracy"] for name, each in entries(results).items()} == {"kim": 0.9, "lee": 0.8}
    assert main(["undo", str(results), "3"]) == 0, "the one that took it back"
    assert entries(results)["kim"]["accuracy"] == 0.8, "what was trained meanwhile is of that round"


def test_after_max_hours_nothing_begins_and_the_same_command_goes_on(write_submission, rules, tmp_path, capsys):
    for name in ("kim", "lee"):
        folder = write_submission(name).parent
    assert "pending" in graded(folder, tmp_path / "results", rules, Drawn(), max_hours=1e-9)
    assert "--max-hours" in capsys.readouterr().out
    graded(folder, tmp_path / "results", rules, Drawn(0.9, 0.9), max_hours=1)
    assert {entry["verdict"] for entry in entries(tmp_path / "results").values()} == {"passed"}
    assert "--max-hours" not in capsys.readouterr().out


def test_changed_rules_change_verdicts_and_train_nobody(write_submission, rules, tmp_path, capsys):
    for name in ("kim", "lee"):
        folder = write_submission(name).parent
    results = tmp_path / "results"
    graded(folder, results, rules.but(target_accuracy=0.5), Drawn(0.9, 0.7))
    assert {entry["verdict"] for entry in entries(results).values()} == {"passed"}
    strict = rules_file(
        tmp_path / "strict.yaml",
        target_accuracy=0.85,
        seeds_near_target=1,
        deadline="2001-01-01T00:00:00+09:00",
        late="flag",
    )
    assert main(["leaderboard", str(results), "--rules", str(strict)]) == 0
    assert [entries(results)[name]["verdict"] for name in ("kim", "lee")] == ["passed", "below_target"]
    assert "The next run" not in capsys.readouterr().out
    graded(folder, results, rules.but(target_accuracy=0.85, seeds_near_target=1), Drawn())
    more = rules_file(tmp_path / "more.yaml", seeds=2, seeds_near_target=1)
    assert main(["leaderboard", str(results), "--rules", str(more)]) == 0
    assert "The next run makes 2 trainings: kim, lee" in capsys.readouterr().out
    other = rules_file(tmp_path / "other.yaml", monitor_fraction=0.3)
    assert main(["leaderboard", str(results), "--rules", str(other)]) == 2
    assert "names other images, or another split" in capsys.readouterr().err
    assert main(["leaderboard", str(results)]) == 0, "the rules are those of before"


def test_rules_given_afterwards_are_read_with_the_images_of_the_run(write_submission, rules, tmp_path, capsys):
    """Whether `run --dataset` put them in the place of the file's, or not."""
    folder, results = write_submission("kim").parent, tmp_path / "results"
    file = rules_file(tmp_path / "rules.yaml", monitor_fraction=0.3)
    own = {"class_path": "project.datasets.glyphs.Glyphs", "init_args": TINY_GLYPHS | {"noise": 0.3}}
    graded(folder, results, Rules.load(file).with_dataset(own), Drawn(0.9))
    silent = tmp_path / "silent.yaml"
    silent.write_text("target_accuracy: 0.95\nseeds_near_target: 1\n")
    for changed, verdict in ((silent, "below_target"), (file, "passed"), (results / "assignment.json", "passed")):
        assert main(["leaderboard", str(results), "--rules", str(changed)]) == 0
        assert entries(results)["kim"]["verdict"] == verdict and "The next run" not in capsys.readouterr().out
        stored = Rules.load(results / "assignment.json")
        assert (stored.dataset, stored.monitor_fraction) == (own, 0.3)
    for other in (rules_file(tmp_path / "other.yaml", {"noise": 0.4}), rules_file(file, monitor_fraction=0.4)):
        assert main(["leaderboard", str(results), "--rules", str(other)]) == 2
        assert "names other images, or another split" in capsys.readouterr().err
    graded(folder, results, rules, Drawn(0.9))
    assert main(["leaderboard", str(results), "--rules", str(silent)]) == 0
    assert Rules.load(results / "assignment.json").dataset == rules.dataset


def test_images_that_students_have_score_only_where_the_rules_call_them_public(
    write_submission, rules, tmp_path, capsys
):
    folder, results = write_submission("kim").parent, tmp_path / "results"
    of_table = rules.with_dataset(recognized(folder_of(tmp_path, train=written(*drawn(200)))))
    with pytest.raises(UserError, match="students have the images that score; .* `images: public` .*leaderboard says"):
        graded(folder, results, of_table, MadeUp(lambda job: pytest.fail("something was trained")))
    for images in ("public", "hidden"):  # of what is graded, it only changes what is said
        graded(folder, results, of_table.but(images=images), MadeUp(lambda job: scored(0.9)))
        assert main(["leaderboard", str(results)]) == 0
        said = [capsys.readouterr().out, *((results / n).read_text() for n in ("leaderboard.md", "site/index.html"))]
        assert ["are public: their labels can be looked up" in each for each in said] == [images == "public"] * 3
        assert json.loads((results / "leaderboard.json").read_text())["assignment"]["images"] == images
        (tmp_path / "silent.yaml").write_text("target_accuracy: 0.4\n")  # keeps what was said of the images
        assert main(["leaderboard", str(results), "--rules", str(tmp_path / "silent.yaml")]) == 0
        assert ("are public" in capsys.readouterr().out) == (images == "public")


def test_a_limit_that_is_raised_reruns_only_those_whom_it_stopped(write_submission, rules, tmp_path):
    for name in ("kim", "lee"):
        folder = write_submission(name).parent
    stopped = Measurement(outcome="limit", said="training took longer than 2 minutes", limits={"minutes": 2.0})
    results, again = tmp_path / "results", []
    graded(folder, results, rules, MadeUp(lambda job: stopped if job.submission.student == "lee" else scored()))
    assert entries(results)["lee"]["verdict"] == "failed"

    def result(job):
        again.append(job.submission.student)
        return scored(0.85)

    graded(folder, results, rules.but(limits=rules.limits.but(minutes=9)), MadeUp(result))
    assert again == ["lee"] and entries(results)["lee"]["accuracy"] == 0.85 and attempts(results) == 3


class Killed(BaseException):
    """As if by a signal."""


def test_what_a_killed_grader_left_can_be_looked_at(write_submission, rules, tmp_path, capsys):
    def killed(job):
        raise Killed

    results = tmp_path / "results"
    with pytest.raises(Killed):
        graded(write_submission("kim").parent, results, rules, MadeUp(killed))
    (results / ".site-left-behind").mkdir()
    assert main(["leaderboard", str(results)]) == 0 and "pending" in capsys.readouterr().out
    assert (results / "site" / "index.html").exists() and not list(results.glob(".site*"))
