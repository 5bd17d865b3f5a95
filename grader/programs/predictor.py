"""Runs inside a sandbox of its own: answers with a submission's logits, batch by batch. `predictor.py JOB.json`.

The job file has `code` (folders to import from), `config`, `classes`, `limits`, `own`, `project`, `out` (see trainee.py),
`shape` (H, W, C) of an image, and the pipes `questions` and `answers`. A question is a letter, a size in 8 bytes, and as
many bytes: W, weights as safetensors; I, a batch of uint8 images, to be answered by a size in 8 bytes and as many bytes of
float32 logits. It ends when the questions end. Whether weights are trained, and how many images are to come, is said
nowhere. Once everything is imported, it prints PREPARES: only then comes what is a student's.
"""

import json
import resource
import sys
from pathlib import Path

PREPARES = "preparing"
WEIGHTS, IMAGES = b"W", b"I"

if __name__ == "__main__":
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for name, value in job["limits"].items():
        resource.setrlimit(getattr(resource, name), (value, value))
    sys.path[:0] = job["code"]
    sys.argv[1:] = []  # LightningCLI would look at it

    import torch
    from class_wall import allow_only
    from crash import told
    from safetensors.torch import load

    from project.datasets.source import Split
    from project.training.command_line import made
    from project.training.configuration import read_overlay

    torch.multiprocessing.set_sharing_strategy("file_system")  # by names: no descriptor can be passed on in a sandbox
    if not job["audited"]:
        allow_only(job["classes"])
    print(PREPARES, flush=True)
    with told(Path(job["out"]), job["own"], job["project"]):
        command_line = made(read_overlay(job["config"]), "predict")
        network = command_line.model.network
        # What get_extra_state returns instead of a tensor does not come along: the network keeps its own.
        others = {name: state for name, state in network.state_dict().items() if not isinstance(state, torch.Tensor)}
        with open(job["questions"], "rb") as questions, open(job["answers"], "wb") as answers:
            while kind := questions.read(1):
                content = questions.read(int.from_bytes(questions.read(8), "big"))
                if kind == WEIGHTS:
                    network.load_state_dict({**others, **load(content)}, strict=True)
                    continue
                images_NHWC = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, *job["shape"])
                unknown_N = torch.full((len(images_NHWC),), -1)
                command_line.datamodule.loaded["test"] = Split(images_NHWC, unknown_N)
                answer = command_line.logits().cpu().numpy().tobytes()
                answers.write(len(answer).to_bytes(8, "big") + answer)
                answers.flush()
