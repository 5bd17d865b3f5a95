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
import yaml

from main import main
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
                self.server.streamed[name] += part["content"]
        self.answer({"limits": {}})

    def graphql(self, query: str, given: dict) -> dict:
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)[1]
        if operation == "UpsertBucket":
            self.server.run.update({name: value for name, value in given.items() if value is not None})
            project = {"id": "p", "name": "fifteen-epochs", "entity": {"id": "e", "name": "student"}}
            bucket = {"id": "b", "name": given.get("name") or "b", "displayName": given.get("displayName")}
            bucket |= {"description": "", "config": "{}", "sweepName": None, "historyLineCount": 0, "project": project}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
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


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    return run(["fit", "--config", "configs/quickstart.yaml", *TINY, f"--run.folder={folder}"]).folder


@pytest.mark.slow
def test_an_offline_run_goes_up_later_with_metrics_config_census_and_figures(offline, server):
    (recorded,) = offline.glob("wandb/offline-run-*")
    synced = subprocess.run([WANDB, "sync", recorded], capture_output=True, text=True, timeout=120)
    assert synced.returncode == 0, synced.stderr
    history = [json.loads(line) for line in server.streamed["wandb-history.jsonl"]]
    logged = {name for row in history for name in row}
    assert {"train/loss", "val/accuracy", "lr", "gradient_norm/stem.0"} <= logged
    assert sum("val/accuracy" in row for row in history) == 2
    config = {key: value["value"] for key, value in json.loads(server.run["config"]).items() if key != "_wandb"}
    assert config["strategies"]["normalization"] == ["batch normalization"]
    assert config["model"]["optimizer"]["init_args"]["lr"] == 0.1
    figures = {re.sub(r"_\d+_\w+", "", Path(name).name) for name in server.uploaded if name.startswith("media/images")}
    assert figures == {"curves.png", "learning_rate.png", "gradients.png", "activations.png"}
    assert server.run["displayName"] == "quickstart"


@pytest.mark.slow
def test_an_offline_run_can_be_read_without_network(offline):
    (recorded,) = offline.glob("wandb/offline-run-*/run-*.wandb")
    read = subprocess.run([WANDB, "leet", "inspect", "--json", recorded], capture_output=True, text=True, timeout=60)
    assert read.returncode == 0, read.stderr
    assert "val/accuracy" in read.stdout


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


def test_a_run_that_goes_on_is_the_same_one_in_wandb(tmp_path):
    small = ["--data.source.train=20", "--data.source.val=10", "--data.source.test=10", "--model.network=MLP"]
    small += ["--trainer.accelerator=cpu", "--run.figures=false", "--run.diagnostics=false", f"--run.folder={tmp_path}"]
    assert main(["fit", "--config", "configs/base.yaml", *small, "--trainer.max_epochs=1", "--run.name=one"]) == 0
    config = str(tmp_path / "one" / "config.yaml")
    assert main(["fit", "--config", config, "--ckpt_path", "last", "--trainer.max_epochs=2"]) == 0
    ids = [path.stem for path in tmp_path.glob("one/wandb/offline-run-*/run-*.wandb")]
    assert len(ids) == 2 and len(set(ids)) == 1


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
