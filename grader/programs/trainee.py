"""Runs inside a sandbox: trains one submission and leaves its weights. `trainee.py JOB.json`.

The job file has `code` (folders to import from), `config`, `families` (of which each must be used), `limits` (of the
process itself, by their names in `resource`), `audited`, `gpu` and `out`. Once everything is imported, it says PREPARES: from
here on its time counts. Then it says READY, and waits for a line on the standard input, which says that its turn on the device
has come: with code of a student's, before the first line of that; without, before the first batch. Exit status 3 says that a
family is missing: `out/missing.json` says which; 2 that the configuration is wrong.
"""

import json
import resource
import sys
from pathlib import Path

MISSING_FAMILY = 3
PREPARES, READY = "preparing", "ready to train"


def wait_for_turn() -> None:
    print(READY, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.path[:0] = job["code"]
    sys.argv[1:] = []  # LightningCLI would look at it

    import torch

    from project.strategies import Census
    from project.support.errors import UserError
    from project.training.command_line import made
    from project.training.configuration import read_overlay

    evidence = None
    if job["audited"]:
        from evidence import Evidence

        evidence = Evidence()

    def on_census(found: Census) -> None:
        """A family that is missing costs seconds, not a training."""
        missing = [family for family in job["families"] if not found.get(family)]
        if missing:
            Path(job["out"], "missing.json").write_text(json.dumps(missing), encoding="utf-8")
            sys.exit(MISSING_FAMILY)
        if not job["audited"]:
            wait_for_turn()

    if job["gpu"]:
        torch.zeros(1, device="cuda")  # its start takes a second, in which another program can compute
    print(PREPARES, flush=True)
    if job["audited"]:
        wait_for_turn()
    try:
        command_line = made(read_overlay(job["config"]), on_census=on_census)
        command_line.fit()
    except UserError as error:
        sys.stdout.flush()  # or what was printed before would come after
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)

    from safetensors.torch import save_file

    trainer = command_line.trainer
    if evidence:
        steps = -(-trainer.num_training_batches // trainer.accumulate_grad_batches) * trainer.current_epoch
        evidence.write(Path(job["out"], "evidence.json"), expected_steps=int(steps))
    state = command_line.model.network.state_dict()  # cloned, since safetensors refuses tensors that share memory
    state = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in state.items()}
    save_file(state, Path(job["out"], "weights.safetensors"))
