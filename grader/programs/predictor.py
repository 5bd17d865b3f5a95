"""Runs inside a sandbox of its own: computes a submission's logits on images without labels. `predictor.py JOB.json`.

The job file has `code` (folders to import from), `config`, `classes`, `limits`, `own`, `project`, `out` (see trainee.py), and
`weights`: null for an untrained network, which predicts the first `images` of them only, once as it is and `redraws`
times with its weights shuffled: logits (1 + redraws, N, K) instead of (N, K). Once everything is imported, it prints
PREPARES: only then comes what is a student's.
"""

import json
import resource
import sys
from pathlib import Path

PREPARES = "preparing"

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.path[:0] = job["code"]
    sys.argv[1:] = []  # LightningCLI would look at it

    import torch
    from class_wall import allow_only
    from crash import told
    from safetensors.torch import load_file, save_file
    from untrained import redraw

    from project.datasets.source import Split
    from project.training.command_line import made
    from project.training.configuration import read_overlay

    if not job["audited"]:
        allow_only(job["classes"])
    print(PREPARES, flush=True)
    with told(Path(job["out"]), job["own"], job["project"]):
        command_line = made(read_overlay(job["config"]), "predict")
        network, data = command_line.model.network, command_line.datamodule
        if job["weights"]:
            network.load_state_dict(load_file(job["weights"]), strict=True)
            logits = command_line.logits()
        else:
            data.loaded["test"] = Split(*(tensor_N[: job["images"]] for tensor_N in data.split("test")))
            draws, generator = [command_line.logits()], torch.Generator().manual_seed(0)
            for _ in range(job["redraws"]):
                redraw(network, generator)
                draws.append(command_line.logits())
            logits = torch.stack(draws)
        save_file({"logits": logits.cpu().contiguous()}, Path(job["out"], "logits.safetensors"))
