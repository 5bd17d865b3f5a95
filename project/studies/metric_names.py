"""What a study can compare, by name. Nothing heavy is imported here."""

from typing import Literal, get_args

MetricName = Literal[
    "accuracy", "loss", "gap", "epochs",
    "train_loss", "signal", "saturated", "gradient", "mean_over_batch", "mean_over_image", "mean_over_channel",
    "mean_over_group", "drift_before", "drift_after", "near_zero", "weight_size", "alike", "one_mask", "many_masks",
    "closed_form", "sharpness",
]  # fmt: skip
METRIC_NAMES: tuple[MetricName, ...] = (
    "accuracy",
    "loss",
    "gap",
    "epochs",
)  # of every study; others where it names them
MORE_METRICS: tuple[MetricName, ...] = get_args(MetricName)[len(METRIC_NAMES) :]
