"""Precision auto: bfloat16 where the hardware computes it, and nowhere else."""

import pytest
import torch

from project.support.devices import precision_for
from project.training.command_line import run


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ({"avx512_f": True, "avx512_bf16": True}, "bf16-mixed"),
        ({"amx_bf16": True}, "bf16-mixed"),
        ({"avx512_f": True, "avx512_bf16": False}, "32-true"),
        ({}, "32-true"),
    ],
)
def test_a_processor_s_instructions_decide(monkeypatch, tmp_path, capabilities, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert precision_for("cpu") == expected
    tiny = ["--data.source", "Glyphs", "--data.source.train", "40", "--data.source.val", "20"]
    args = ["--config", "configs/base.yaml", *tiny, "--trainer.precision", "auto", "--trainer.accelerator", "cpu"]
    fitted = run(["fit", *args, "--trainer.max_epochs=1", f"--run.folder={tmp_path}", "--run.wandb=disabled"])
    assert fitted.trainer.precision == expected
    assert "precision: auto" in (fitted.folder / "config.yaml").read_text()
    assert f'"precision": "{expected}"' in (fitted.folder / "summary.json").read_text()


@pytest.mark.parametrize(("computes", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_gpu_is_asked_whether_it_computes_or_emulates(monkeypatch, computes, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: computes)
    assert precision_for("auto") == precision_for("gpu") == expected
