"""The hardware: its name, and the precision that suits it (`--trainer.precision auto`)."""

from typing import Any, Literal

import torch

from project.support.wording import counted


def accelerators() -> list[str]:
    """The Trainer's names of what this machine computes on."""
    others = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return ["auto", "cpu", *(name for kind, there in others.items() if there for name in ("gpu", kind))]


def precision_for(accelerator: Any) -> Literal["bf16-mixed", "32-true"]:
    """`bf16-mixed` where the accelerator has instructions that compute with bfloat16, else `32-true`.

    Args:
        accelerator: As the Trainer takes it, such as `auto`, `cpu` or `gpu`.
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        computes = torch.cuda.is_bf16_supported(including_emulation=False)
    elif accelerator == "cpu" or accelerator == "auto" and not torch.backends.mps.is_available():
        computes = cpu_computes_bfloat16()
    else:
        computes = False
    return "bf16-mixed" if computes else "32-true"


def cpu_computes_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16. One that must convert it to float32 first is faster with float32."""
    capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def device_name(device: torch.device) -> str:
    """The GPU's name, or the kind of processor with the number of threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} ({counted(torch.get_num_threads(), 'thread')})"
