"""Unit 1: optimization. Any optimizer of `torch.optim` can be named in the YAML; the schedules are here.

A schedule takes its peak from the optimizer's `lr` and its length from the run, so any optimizer pairs with
any schedule and no number is written twice. Both step once an optimizer step (`interval`).
"""

from torch.optim import Optimizer, lr_scheduler


class Cosine(lr_scheduler.CosineAnnealingLR):
    """From the optimizer's lr down to `final_lr` along half a cosine.

    lr_t = final_lr + (lr - final_lr) (1 + cos(pi t / total_steps)) / 2.
    Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5, without restarts.

    Args:
        total_steps: Steps of the whole run; filled in by the Classifier.
        final_lr: The rate after the last step, >= 0.
    """

    interval = "step"

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, final_lr: float = 0.0):
        super().__init__(optimizer, T_max=total_steps or 1, eta_min=final_lr)


class OneCycle(lr_scheduler.OneCycleLR):
    """A warm-up from lr / div_factor to the optimizer's lr, then down to nearly nothing, both along half a cosine.

    Smith and Topin 2018 (arXiv:1708.07120). The momentum stays as it is: cycling it would add momentum to an
    optimizer that has none.

    Args:
        total_steps: Steps of the whole run; filled in by the Classifier.
        pct_start: Share of the run spent warming up, in (0, 1).
        div_factor: Peak rate / first rate, >= 1.
        final_div_factor: First rate / last rate, >= 1.
    """

    interval = "step"

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int | None = None,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ):
        super().__init__(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total_steps or 1,
            pct_start=pct_start,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            cycle_momentum=False,
        )
