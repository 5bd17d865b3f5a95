"""Lightning's Trainer with this course's defaults."""

from typing import Any, Literal

import pytorch_lightning
from pytorch_lightning.strategies import SingleDeviceStrategy

from project.support.devices import accelerators, precision_for
from project.support.errors import UserError, blamed_on, in_range

Precision = Literal[
    "auto", "32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true", 16, 32, 64, "16", "32", "64", "bf16"
]

INTERVALS = {  # that Lightning does not check, or only when the training is under way
    "accumulate_grad_batches": "[1, inf)",
    "check_val_every_n_epoch": "[1, inf)",
    "gradient_clip_val": "[0, inf)",
    "log_every_n_steps": "[0, inf)",
}


class Trainer(pytorch_lightning.Trainer):
    """One device, and the precision that it computes well.

    Args:
        accelerator: auto, cpu, gpu or mps.
        devices: 1. More are refused: each would see all batches, and nothing would be gained.
        precision: As Lightning's; `auto` takes bfloat16 where the hardware computes it.
        limit_train_batches, limit_val_batches, limit_test_batches, limit_predict_batches: A number of batches, or a share.
        overfit_batches: A number of batches, or a share, to train and validate on alone.
        val_check_interval: Validate after so many batches, or after a share of an epoch.
        more: As Lightning's.
    """

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        devices: int | str | list[int] = 1,
        precision: Precision | None = None,
        # In this order a count stays a count: 1 is one batch, and 1.0 all of them.
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        val_check_interval: int | float | None = None,
        enable_model_summary: bool = False,
        **more: Any,
    ):
        if devices not in (1, "1", "auto", [0]) or more.get("num_nodes", 1) != 1:
            raise UserError(
                "trainer.devices: a run trains on one device; leave it at 1 (CUDA_VISIBLE_DEVICES chooses a GPU)"
            )
        strategy = more.get("strategy", "auto")
        if strategy not in ("auto", "single_device") and not isinstance(strategy, SingleDeviceStrategy):
            raise UserError(f"trainer.strategy: a run trains on one device; leave it at auto, not {strategy}")
        if accelerator not in (there := accelerators()):
            raise UserError(f"trainer.accelerator: {accelerator} is not here; there is {', '.join(there)}")
        for name, interval in INTERVALS.items():
            if (value := more.get(name)) is not None:
                in_range(f"trainer.{name}:", value, interval)
        if val_check_interval is not None:
            in_range("trainer.val_check_interval:", val_check_interval, "(0, inf)")
        with blamed_on("trainer"):
            super().__init__(
                accelerator=accelerator,
                devices=1,
                precision=precision_for(accelerator) if precision == "auto" else precision,
                limit_train_batches=limit_train_batches,
                limit_val_batches=limit_val_batches,
                limit_test_batches=limit_test_batches,
                limit_predict_batches=limit_predict_batches,
                overfit_batches=overfit_batches,
                val_check_interval=val_check_interval,
                enable_model_summary=enable_model_summary,
                **more,
            )
