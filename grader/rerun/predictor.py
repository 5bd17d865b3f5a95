"""Runs inside a sandbox of its own: logits of a trained submission on images without labels. `predictor.py JOB.json`.

The job file has `code` (folders to import from), `config`, `limits`, `out`, and `weights`, null for a network as it is built.
"""

import json
import resource
import sys
from pathlib import Path

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.path[:0] = job["code"]
    sys.argv[1:] = []  # LightningCLI would look at it

    import torch
    from safetensors.torch import load_file, save_file

    from project.cli import CommandLine, run

    class Predictor(CommandLine):
        @staticmethod
        def subcommands() -> dict[str, set[str]]:
            """This one alone: each has a parser of its own, which takes its time."""
            return {"predict": CommandLine.subcommands()["predict"]}

        def before_predict(self) -> None:
            if job["weights"]:
                self.model.network.load_state_dict(load_file(job["weights"]), strict=True)

        def after_predict(self) -> None:
            logits_NK = torch.cat(self.trainer.predict_loop.predictions).float().cpu().contiguous()
            save_file({"logits": logits_NK}, Path(job["out"], "logits.safetensors"))

    run(["predict", "--config", job["config"]], Predictor)
