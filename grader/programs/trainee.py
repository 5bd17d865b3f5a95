"""Runs inside a sandbox: trains one submission and leaves its weights. `trainee.py JOB.json`.

The job file has `code` (folders to import from), `config`, `classes` (that it names), `families` (each must be used), `limits` (of the process, by
their names in the module `resource`), `audited`, `trial`, `gpu`, `own` and `project` (see `crash.told`) and `out`. Once
everything is imported, it prints PREPARES: from here on its time counts. Then it prints READY, and waits for a line on
its standard input: its turn on the device has come. With a student's own code it does so before the first line of that;
otherwise before the first batch. What is in effect then is in `out/census.json`; exit status MISSING_FAMILY: a family is
missing there. A trial ends here, too. Exit status 2: the configuration is wrong. What else ended it is in
`out/crash.json`. Beside the run's own files it leaves `weights.safetensors`, `cost.json` and, of an audited training,
`fresh.safetensors`, which are the weights before its first batch, and `evidence.json`.
"""

import json
import resource
import sys
from contextlib import suppress
from pathlib import Path

MISSING_FAMILY = 3
PREPARES, READY = "preparing", "ready to train"


def wait_for_turn() -> None:
    print(READY, flush=True)
    sys.stdin.readline()


def main() -> None:
    """Train. All names are local: a student's code can import this module."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.path[:0] = job["code"]
    sys.argv[1:] = []  # LightningCLI would look at it

    import torch
    from class_wall import allow_only
    from crash import told
    from operations import operations

    from project.strategies import Census, gone
    from project.support.errors import UserError
    from project.training.command_line import made
    from project.training.configuration import read_overlay

    torch.multiprocessing.set_sharing_strategy("file_system")  # by names: no descriptor can be passed on in a sandbox
    if not job["audited"]:
        allow_only(job["classes"])
    config, evidence = read_overlay(job["config"]), None
    if job["audited"]:
        from evidence import Evidence, compiles, other_images

        del sys.modules["evidence"]  # whoever imports it gets another one
        evidence = Evidence(bool(config["model"].get("compile")) or compiles(Path(job["own"])))

    def on_census(found: Census) -> None:
        """A missing family costs seconds, not a training."""
        if evidence:
            evidence.look()
        strategies = {family: [one._asdict() for one in used] for family, used in found.strategies.items()}
        parameters = sum(p.numel() for p in command_line.model.network.parameters())
        census = {"strategies": strategies, "remarks": found.remarks, "parameters": parameters}
        Path(job["out"], "census.json").write_text(json.dumps(census), encoding="utf-8")
        if not all(strategies[family] for family in job["families"]):
            sys.exit(MISSING_FAMILY)
        if job["trial"]:
            leave_weights("weights.safetensors")
            sys.exit()
        if evidence:
            leave_weights("fresh.safetensors")
            evidence.watch(command_line.model.network, command_line.model)
        else:
            wait_for_turn()

    def leave_weights(name: str) -> None:
        from safetensors.torch import save_file

        weights = {  # clones, since safetensors refuses tensors that share memory
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in command_line.model.network.state_dict().items()
            if isinstance(tensor, torch.Tensor)  # get_extra_state may return anything else
        }
        save_file(weights, Path(job["out"], name))

    if job["gpu"]:
        torch.zeros(1, device="cuda")  # CUDA takes a second to start, in which another program can compute
    print(PREPARES, flush=True)
    if job["audited"]:
        wait_for_turn()
    try:
        with told(Path(job["out"]), job["own"], job["project"]):
            command_line = made(config, on_census=on_census)
            if evidence:  # before the census as behind it, for what a student's code puts back
                evidence.look()
            command_line.fit()

            network = command_line.model.network
            leave_weights("weights.safetensors")  # first: whatever comes of it belongs to the evidence
            if evidence and command_line.record:
                counts = evidence.counts()  # before it looks at the network once more
                record, data = command_line.record, command_line.datamodule
                lost = gone(record.census, command_line.model, data, record.epochs, record.steps)
                helped = bool(data.why_streamed("train", command_line.model.device))
                others = other_images(data.training_batches, config["data"]["source"]["init_args"]["path"])
                evidence.write(Path(job["out"], "evidence.json"), counts, lost, helped, others)
            with suppress(Exception):  # a network that refuses two images outside its training has done nothing wrong
                cost = {"operations": operations(network.cpu(), command_line.datamodule.sample(2))}
                Path(job["out"], "cost.json").write_text(json.dumps(cost), encoding="utf-8")
    except UserError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
