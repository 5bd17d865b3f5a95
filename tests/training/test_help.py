"""Help: first what most runs change; all on request. And completion, by the same list of settings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import main
from project.training.completion import SCRIPTS, completions
from project.training.help_text import USUAL, settings_page
from project.training.known_settings import COMMANDS, editor_line, known_settings


def test_help_begins_with_twenty_settings_and_ends_with_where_the_rest_is(capsys):
    assert len(USUAL) == 20 and set(USUAL) - {"model.optimizer.lr"} <= set(known_settings())
    for command in COMMANDS:
        for asked in (["--help"], ["-h"], ["--config", "configs/base.yaml", "--help"]):
            assert main.main([command, *asked]) == 0
            page = capsys.readouterr().out
            assert page.count("\n  --") < 30 and len(page.splitlines()) < 90 and f"main.py {command} " in page
            assert all(f"\n  --{name}\n" in page for name in USUAL) and "--help all" in page
            assert max(map(len, page.splitlines())) <= 120


@pytest.mark.parametrize(
    ("line", "waits"),
    [
        ("fit --config configs/base.yaml --print_config", True),
        ("fit --config configs/base.yaml --seeds 2", True),
        ("study runs/absent", True),
        ("look --config configs/base.yaml", True),
        ("gallery --only absent", True),
        ("fit --help", False),
        ("completion -- fit --tr", False),
        ("fit --config absent.yaml", False),
    ],
)
def test_a_terminal_is_told_at_once_that_torch_is_imported_and_nothing_else_is(line, waits):
    for terminal in (True, False):
        program = f"import sys, main; sys.modules['torch'] = None; sys.stderr.isatty = lambda: {terminal}; main.main(sys.argv[1:])"
        said = subprocess.run([sys.executable, "-c", program, *line.split()], capture_output=True, text=True)
        assert ("Traceback" in said.stderr) == waits, said.stderr  # there is no torch here
        assert said.stderr.startswith("importing torch") == (waits and terminal) and "importing" not in said.stdout


def test_each_setting_says_what_it_is_and_may_be():
    page = settings_page("fit")
    for said in ("By default 128.", "One of disabled, offline, online. By default offline.", "WarmupCosine", "Unit 4."):
        assert said in page


def test_help_comes_without_torch():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "main.py", "fit", "--help"], capture_output=True, text=True, check=True
    )
    assert "help_text" in done.stderr and "torch" not in done.stderr and "pydantic" not in done.stderr


def test_every_setting_is_there_on_request(capsys):
    with pytest.raises(SystemExit) as ended:
        main.main(["fit", "--help", "all"])
    assert not ended.value.code
    told = capsys.readouterr().out
    assert "--trainer.inference_mode" in told and "--model.network" in told and len(told.splitlines()) > 300


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("f", {"fit"}),
        ("fit --", {"--config", "--trainer.", "--model.", "--seed_everything", "--help"}),
        ("fit --config a.yaml --trainer.max_e", {"--trainer.max_epochs"}),
        ("fit --model.sch", {"--model.scheduler"}),
        ("fit --model.scheduler One", {"OneCycle", "OneCycleLR"}),
        ("fit --model.regularization+ Drop", {"Dropout"}),
        ("fit --run.wandb ", {"disabled", "offline", "online"}),
        ("fit --model.compile t", {"true"}),
        ("fit --model.optimizer.mom", {"--model.optimizer.momentum", "--model.optimizer.momentum_decay"}),
        ("fit --model.optimizer SGD --model.optimizer.mom", {"--model.optimizer.momentum"}),
        ("fit --model.optimizer.help Mu", {"Muon"}),
        ("fit --help ", {"all"}),
        ("study --model.sch", {"--model.scheduler"}),
        ("fit --config ", set()),  # a file: the shell's to complete
        ("fit --no", set()),
        ("unknown --", set()),
    ],
)
def test_words_are_completed(line, expected):
    found = completions(line.split(" "))
    assert set(found) == expected or expected < set(found) and line == "fit --"


def test_every_completed_setting_is_one_that_the_parser_takes():
    from project.training.command_line import complete_config

    complete_config(
        ["--config", "configs/quickstart.yaml", "--trainer.max_epochs", "3", "--model.scheduler", "OneCycle"]
    )
    assert all(completions(["fit", f"--{name}"])[:1] == [f"--{name}"] for name in known_settings())


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
def test_bash_completes_by_the_script():
    def typed(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        lines = (
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _fifteen_epochs; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        )
        done = subprocess.run(
            ["bash", "-c", SCRIPTS["bash"] + lines], capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.split()

    assert typed(sys.executable, "main.py", "fi") == ["fit"]
    assert typed(sys.executable, "main.py", "fit", "--trainer.max_e") == ["--trainer.max_epochs"]
    assert typed(sys.executable, "main.py", "fit", "--config", "") == []
    assert typed("python", "other.py", "f") == []


@pytest.mark.skipif(not shutil.which("zsh"), reason="zsh")
def test_zsh_completes_by_the_script():
    def typed(*words: str) -> list[str]:
        quoted = " ".join(f"'{word}'" for word in words)
        shell = "compdef() {}; _files() {}; compadd() { shift ${@[(i)--]}; print -l -- $@ }\n"
        lines = f"{shell}{SCRIPTS['zsh']}words=({quoted}); CURRENT={len(words)}; _fifteen_epochs"
        done = subprocess.run(["zsh", "-f", "-c", lines], capture_output=True, text=True, check=True, timeout=60)
        return done.stdout.split()

    assert typed(sys.executable, "main.py", "fi") == ["fit"]
    assert typed(sys.executable, "main.py", "fit", "--mod") == ["--model."]
    assert typed(sys.executable, "main.py", "fit", "--config", "") == []
    assert typed("python", "other.py", "f") == []


@pytest.mark.skipif(not shutil.which("fish"), reason="fish")
def test_fish_completes_by_the_script():
    def typed(line: str) -> list[str]:
        lines = f"{SCRIPTS['fish']}complete -C '{line}'"
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = ["fish", "--no-config", "-c", lines]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=environment)
        return done.stdout.split()

    assert typed("python main.py val") == ["validate"]
    assert typed("python main.py fit --trainer.max_e") == ["--trainer.max_epochs"]
    assert typed("python main.py fit --config config") == ["configs/"]


def test_a_run_s_file_names_the_schema_where_the_run_lies_in_the_repository(tmp_path):
    from project.training.known_settings import REPOSITORY

    assert editor_line(REPOSITORY / "runs" / "a" / "config.yaml").endswith("=../../configs/schemas/settings.json\n")
    assert editor_line(tmp_path / "config.yaml") == ""
