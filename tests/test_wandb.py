"""W&B without W&B: offline runs hold everything, go up to a server that answers as theirs does, and nothing ever waits."""

import gzip
import json
import os
import re
import subprocess
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
import yaml
from torchvision.transforms.v2.functional import pil_to_tensor

from main import main
from project import __version__
from project.data import ImageData
from project.datasets.glyphs import Glyphs
from project.training import wandb_run
from project.training.command_line import run

WANDB = str(Path(sys.executable).parent / "wandb")
TINY = [
    *("--data.source.train=60", "--data.source.val=20", "--data.source.test=10", "--data.batch_size=20"),
    *("--model.network.width=2", "--trainer.max_epochs=2", "--trainer.enable_checkpointing=false"),
]


class Server(ThreadingHTTPServer):
    """Answers what `wandb sync` and online runs ask, and keeps what they send."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.streamed: dict[str, list[str]] = defaultdict(list)  # file -> lines
        self.uploaded: set[str] = set()
        self.run: dict = {}


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def body(self) -> bytes:
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return gzip.decompress(sent) if self.headers.get("Content-Encoding") == "gzip" else sent

    def answer(self, document: dict) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def do_PUT(self):
        self.body()
        self.server.uploaded.add(self.path.removeprefix("/upload/"))
        self.answer({})

    def do_POST(self):
        body = self.body()
        if self.path == "/graphql":
            asked = json.loads(body)
            self.answer({"data": self.graphql(asked["query"], asked.get("variables") or {})})
            return
        if self.path.endswith("/file_stream"):
            for name, part in json.loads(body).get("files", {}).items():
                self.server.streamed[name][part["offset"] :] = part["content"]  # what was there is written over
        self.answer({"limits": {}})

    def graphql(self, query: str, given: dict) -> dict:
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)[1]
        if operation == "UpsertBucket":
            self.server.run.update({name: value for name, value in given.items() if value is not None})
            project = {"id": "p", "name": "fifteen-epochs", "entity": {"id": "e", "name": "student"}}
            bucket = {"id": "b", "name": given.get("name") or "b", "displayName": given.get("displayName")}
            bucket |= {"description": "", "config": "{}", "sweepName": None, "historyLineCount": 0, "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if operation == "RunResumeStatus":
            history = self.server.streamed["wandb-history.jsonl"]
            bucket = {"id": "b", "name": given["name"], "historyLineCount": len(history), "logLineCount": 0}
            bucket |= {
                "eventsLineCount": 0,
                "historyTail": json.dumps(history[-1:]),
                "eventsTail": "[]",
                "config": "{}",
            }
            bucket |= {"summaryMetrics": "{}", "displayName": "", "tags": [], "notes": "", "wandbConfig": '{"t": 1}'}
            project = {"id": "p", "name": "fifteen-epochs", "entity": {"id": "e", "name": "student"}}
            return {"model": {**project, "bucket": bucket if history else None}}
        if operation == "CreateRunFiles":
            files = [{"name": name, "uploadUrl": f"{self.server.url}/upload/{name}"} for name in given["files"]]
            return {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
        if operation == "Viewer":
            return {
                "viewer": {"id": "v", "entity": "student", "username": "student", "flags": "{}", "teams": {"edges": []}}
            }
        return {"serverInfo": {"features": []}}


@pytest.fixture
def server(monkeypatch):
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        yield server
        server.shutdown()


def inspected(folder, *options):
    """What W&B's own reader finds in a run's file."""
    (file,) = folder.glob("wandb/offline-run-*/run-*.wandb")
    read = subprocess.run(
        [WANDB, "leet", "inspect", "--json", *options, file], capture_output=True, text=True, timeout=60
    )
    assert read.returncode == 0, read.stderr
    return read.stdout


def sync(*recorded):
    synced = subprocess.run([WANDB, "sync", *recorded], capture_output=True, text=True, timeout=120)
    assert synced.returncode == 0, synced.stderr


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return run(["fit", "--config", "configs/quickstart.yaml", *TINY, f"--run.folder={folder}"]).folder


@pytest.mark.slow
def test_an_offline_run_goes_up_later_with_metrics_config_census_and_figures(offline, server):
    sync(*offline.glob("wandb/offline-run-*"))
    history = [json.loads(line) for line in server.streamed["wandb-history.jsonl"]]
    logged = {name for row in history for name in row}
    assert {"train/loss", "val/accuracy", "lr", "gradient_norm/stem.0"} <= logged
    for name in ("train/loss", "val/accuracy"):
        assert [row["epoch"] for row in history if name in row] == [1, 2]
    config = {key: value["value"] for key, value in json.loads(server.run["config"]).items() if key != "_wandb"}
    assert config["strategies"]["normalization"] == ["batch normalization"]
    assert config["model"]["optimizer"]["init_args"]["lr"] == 0.1
    figures = {re.sub(r"_\d+_\w+", "", Path(name).name) for name in server.uploaded if name.startswith("media/images")}
    of_the_folder = {path.name for path in offline.glob("figures/*.png")}
    assert len(of_the_folder) == 4 and figures == of_the_folder | {"training.png", "mistakes.png"}
    assert server.run["displayName"] == offline.name
    assert {"He", "batch normalization", "weight decay", "SGD with Nesterov momentum"} < set(server.run["tags"])


@pytest.mark.slow
def test_a_run_s_page_has_the_epoch_as_axis_and_all_that_a_table_needs(offline):
    axes = [json.loads(line)["metric"] for line in inspected(offline).splitlines() if '"type":"metric"' in line]
    assert any(axis.get("glob_name") == "*" and axis["step_metric"] == "epoch" for axis in axes)
    page, summary = json.loads(inspected(offline, "--summary")), json.loads((offline / "summary.json").read_text())
    reached = {"val_accuracy", "best_val_accuracy", "best_epoch", "epochs", "seconds", "parameters"}
    assert {name: page["summary"][name] for name in reached} == {name: summary[name] for name in reached}
    assert page["summary"]["val/accuracy"] == pytest.approx(summary["val_accuracy"])
    assert page["tags"] == [one["name"] for found in summary["strategies"].values() for one in found]
    assert page["config"]["code_version"] == __version__
    assert page["config"]["optimizer"] == "SGD" and page["config"]["optimizer_lr"] == 0.1


@pytest.mark.slow
def test_own_code_is_kept_as_it_was_and_a_long_name_is_cut_to_a_tag(tmp_path, server):
    (tmp_path / "submission").mkdir()
    name = "Augmentation" * 6
    code = "from project.networks import ConvNet\nfrom project.augmentation import RandomAffine\n"
    code += f"class Net(ConvNet):\n    pass\nclass {name}(RandomAffine):\n    pass\n"
    (tmp_path / "submission" / "__init__.py").touch()
    (tmp_path / "submission" / "mine.py").write_text(code)
    (tmp_path / "submission" / "student.yaml").write_text("id: 1")
    command = [sys.executable, "main.py", "fit", "--config", "configs/base.yaml", *TINY, "--run.diagnostics=false"]
    command += ["--model.network=submission.mine.Net", f"--data.augmentation+=submission.mine.{name}"]
    command += [f"--run.folder={tmp_path}", "--run.name=own"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    trained = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert trained.returncode == 0, trained.stderr
    (tmp_path / "submission" / "mine.py").write_text("changed since")
    _, kept = files = sorted(tmp_path.glob("own/wandb/offline-run-*/files/code/**/*.py"))
    assert [file.name for file in files] == ["__init__.py", "mine.py"] and kept.read_text() == code
    assert json.loads(inspected(tmp_path / "own", "--summary"))["tags"] == [name[:64]]
    sync(*tmp_path.glob("own/wandb/offline-run-*"))
    assert "code/submission/mine.py" in server.uploaded


def test_a_configuration_as_columns():
    settings = {
        "seed_everything": 3,
        "trainer": {"max_epochs": 15, "precision": None, "devices": 1},
        "model": {
            "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.1, "betas": [0.9, 0.99]}},
            "network": {
                "class_path": "project.networks.ConvNet",
                "init_args": {"activation": {"class_path": "torch.nn.ELU", "init_args": {"alpha": 2.0}}},
                "dict_kwargs": {"width": 4},
            },
            "regularization": [
                {"class_path": "project.regularization.L2", "init_args": {"strength": 0.1}},
                {"class_path": "submission.mine.Own"},
            ],
            "normalization": None,
        },
        "data": {"batch_size": 32, "augmentation": [], "mean": [0.5]},
    }
    assert wandb_run.hyperparameters(settings) == {
        **{"max_epochs": 15, "optimizer": "Adam", "optimizer_lr": 0.1, "optimizer_betas": "0.9, 0.99"},
        **{"network": "ConvNet", "network_activation": "ELU", "network_activation_alpha": 2.0, "network_width": 4},
        **{"regularization": "L2, Own", "L2_strength": 0.1, "batch_size": 32, "augmentation": "", "mean": "0.5"},
    }


def test_the_version_of_the_code(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_run, "HERE", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert wandb_run.code_version() == {"code_version": __version__}, "an archive that was unpacked"

    def git(*words):
        who = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(["git", *who, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "A")
    git("tag", "-a", "v1-beta", "-m", "A")
    commit = git("rev-parse", "HEAD").strip()
    assert wandb_run.code_version() == {"code_version": __version__, "code_commit": commit, "code_changed": False}
    (tmp_path / "file").write_text("2")
    assert wandb_run.code_version()["code_changed"] is True
    monkeypatch.setenv("PATH", "")
    assert wandb_run.code_version() == {"code_version": __version__}


@pytest.mark.parametrize("mean", [[0.5, 0.4, 0.3], None])
def test_a_grid_shows_the_images_as_they_are(mean):
    data = ImageData(Glyphs(train=20, val=10, test=10), mean=mean)
    data.setup("fit")
    shown = pil_to_tensor(wandb_run.grid(data.sample(20), data)).permute(1, 2, 0).int()
    assert shown.shape == (3 * 66 + 2, 8 * 66 + 2, 3)
    chosen = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    for place in (0, 7, 19):
        top, left = 2 + place // 8 * 66, 2 + place % 8 * 66
        image = data.split("train").images_NHWC[chosen[place]].int()
        assert (shown[top : top + 64 : 2, left : left + 64 : 2] - image).abs().max() <= 1


def test_the_images_shown_are_those_that_the_network_gets(tmp_path, monkeypatch):
    """After the strategies that change a batch."""
    shown = []
    monkeypatch.setattr(wandb_run, "grid", lambda images_NCHW, data: shown.append(images_NCHW))
    monkeypatch.setattr(
        "project.regularization.Mixup.change_batch", lambda self, images, targets: (0 * images, targets)
    )
    small = [*TINY, "--trainer.max_epochs=1", "--run.diagnostics=false", f"--run.folder={tmp_path}"]
    assert main(["fit", "--config", "configs/base.yaml", "--config", "configs/regularization/mixup.yaml", *small]) == 0
    trained_on, mistakes = shown
    assert trained_on.shape == (20, 3, 32, 32) and not trained_on.any() and mistakes.any()


def test_what_wandb_cannot_take_is_told_once_and_ends_no_training(tmp_path, monkeypatch, capsys):
    def fail(*args, **kwargs):
        raise OSError("no space is left for it")

    monkeypatch.setattr("wandb.Image", fail)
    monkeypatch.setattr("wandb.Run.log", fail)
    monkeypatch.setattr("wandb.Run.define_metric", fail)
    small = [*TINY, "--run.diagnostics=false", f"--run.folder={tmp_path}"]
    assert main(["fit", "--config", "configs/base.yaml", *small]) == 0
    said = capsys.readouterr()
    assert said.err.count("W&B lacks a part of this run (no space is left for it)") == 1
    assert "2 epochs" in said.out and "error" not in said.err


def test_a_checkpoint_is_written_where_wandb_has_ended():
    class Ended:
        @property
        def step(self):
            raise TimeoutError

    page = wandb_run.WandbPage(None)
    page.step, page.logger = 107, wandb_run.EpochLogger(experiment=Ended())
    assert page.state_dict() == {"step": 107}, "the last that is known"


def test_without_a_wandb_that_starts_a_run_trains(tmp_path, monkeypatch, capsys):
    import wandb

    def fail(**given):
        raise wandb.errors.Error("its process does not start")

    monkeypatch.setattr("wandb.init", fail)
    assert main(["fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}"]) == 0
    assert "note: run.wandb: its process does not start; this run does without W&B" in capsys.readouterr().err


def test_online_without_a_key_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    online = ["fit", "--config", "configs/base.yaml", "--config", "configs/logger/wandb.yaml", *TINY]
    assert main([*online, f"--run.folder={tmp_path / 'runs'}"]) == 2
    said = capsys.readouterr().err
    assert "run.wandb: online needs a key" in said and said.count("\n") == 1
    assert not (tmp_path / "runs").exists(), "no folder is left behind"


def test_online_with_a_key_and_no_network_is_one_line_at_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setattr("wandb.init", None)  # which would try for a minute and a half
    online = ["fit", "--config", "configs/base.yaml", "--config", "configs/logger/wandb.yaml", *TINY]
    assert main([*online, f"--run.folder={tmp_path}"]) == 2
    said = capsys.readouterr().err
    assert "127.0.0.1 does not answer" in said and said.count("\n") == 1


@pytest.mark.slow
def test_an_online_run_reaches_the_server(server, tmp_path):
    environment = {**os.environ, "WANDB_MODE": "online"}
    command = [sys.executable, "main.py", "fit", "--config", "configs/base.yaml", *TINY, f"--run.folder={tmp_path}"]
    trained = subprocess.run(
        [*command, "--run.wandb=online"], env=environment, capture_output=True, text=True, timeout=120
    )
    assert trained.returncode == 0, trained.stderr
    assert any("val/accuracy" in line for line in server.streamed["wandb-history.jsonl"])


@pytest.mark.parametrize("path", sorted(Path("configs/sweeps").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_run_of_a_sweep_is_a_command_line_that_parses(path):
    from itertools import product

    from project.training.command_line import complete_config

    sweep = yaml.safe_load(path.read_text())
    assert sweep["method"] in ("grid", "random") and sweep["metric"] == {"name": "val/accuracy", "goal": "maximize"}
    words = sweep["command"]
    assert words[:3] == ["${env}", "python", "main.py"] and "${args}" in words
    grid = {name: setting["values"] for name, setting in sweep["parameters"].items()}
    fixed = [word for word in words[4:] if word != "${args}"]
    for values in product(*grid.values()):
        args = [f"--{name}={value}" for name, value in zip(grid, values)]
        settings = yaml.safe_load(complete_config([*fixed, *args]))
        for name, value in zip(grid, values):
            section, key, *setting = name.split(".")
            found = settings[section][key]
            found = found["init_args"][setting[0]] if setting else found
            if isinstance(found, dict):
                assert found["class_path"] == value
            elif isinstance(found, list):
                assert [chosen["class_path"] for chosen in found] == [c["class_path"] for c in yaml.safe_load(value)]
            else:
                assert found == (None if value == "null" else value)


@pytest.mark.slow
def test_a_run_that_goes_on_is_the_same_one_in_wandb(tmp_path, server):
    small = ["--data.source.train=20", "--data.source.val=10", "--data.source.test=10", "--model.network=MLP"]
    small += ["--trainer.accelerator=cpu", "--run.figures=false", "--run.diagnostics=false", f"--run.folder={tmp_path}"]
    assert main(["fit", "--config", "configs/base.yaml", *small, "--trainer.max_epochs=1", "--run.name=one"]) == 0
    config = str(tmp_path / "one" / "config.yaml")
    assert main(["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_epochs=2"]) == 0
    ids = [path.stem for path in tmp_path.glob("one/wandb/offline-run-*/run-*.wandb")]
    assert len(ids) == 2 and len(set(ids)) == 1
    sync(*sorted(tmp_path.glob("one/wandb/offline-run-*")))
    history = [json.loads(line) for line in server.streamed["wandb-history.jsonl"]]
    for name in ("train/loss", "val/accuracy"):
        assert [row["epoch"] for row in history if name in row] == [1, 2], "none is written over"
    steps = [row["_step"] for row in history]
    assert steps == sorted(set(steps))


@pytest.mark.slow
def test_what_wandb_runs_for_a_sweep_trains(tmp_path):
    """`wandb agent` fills ${env} with /usr/bin/env and ${args} with --name=value for each parameter."""
    sweep = yaml.safe_load(Path("configs/sweeps/normalization.yaml").read_text())
    values = {name: setting["values"][1] for name, setting in sweep["parameters"].items()}
    filled = {
        "${env}": ["/usr/bin/env"],
        "python": [sys.executable],
        "${args}": [f"--{k}={v}" for k, v in values.items()],
    }
    command = [part for word in sweep["command"] for part in filled.get(word, [word])]
    command += [*TINY, f"--run.folder={tmp_path}", "--run.wandb=offline"]
    trained = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert trained.returncode == 0, trained.stderr
    assert list(tmp_path.glob("*/wandb/offline-run-*"))
