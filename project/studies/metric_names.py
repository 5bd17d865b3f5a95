"""What a study can compare, by name. Nothing heavy is imported here."""

from typing import Literal, get_args

Always = Literal["accuracy", "loss", "gap", "epochs"]  # in every study
Named = Literal[  # where a study names them
    "train_loss", "signal", "saturated", "gradient", "mean_over_batch", "mean_over_image", "mean_over_channel",
    "mean_over_group", "drift_before", "drift_after", "near_zero", "weight_size", "alike", "one_mask", "many_masks",
    "closed_form", "sharpness",
]  # fmt: skip
MetricName = Literal[Always, Named]
METRIC_NAMES: tuple[MetricName, ...] = get_args(Always)
MORE_METRICS: tuple[MetricName, ...] = get_args(Named)
