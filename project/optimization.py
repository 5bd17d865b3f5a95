"""Unit 1: optimization. Any optimizer and schedule of `torch.optim` can be named in the YAML; here are those it lacks.

What to see: how fast the training loss falls, and where it ends. A schedule takes its peak from the optimizer's `lr`
and its length from the run, so any schedule works with any optimizer and no number is written twice. A checkpoint keeps
that length, as `total_steps`; WarmupCosine alone takes the run's anew.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer, lr_scheduler

from project.support.errors import UserError, in_range


class Muon(Optimizer):
    """Momentum, with the update of each weight matrix made orthogonal: all its directions move equally far.

    M = momentum M + (1 - momentum) g; W = W - lr sqrt(max(1, rows / columns)) UV^T, where U S V^T is the singular value
    decomposition of (1 - momentum) g + momentum M, approximated by five Newton-Schulz iterations. A convolution's
    weights are a matrix with a row for each output channel. The head (the last of several matrices), biases and the
    parameters of normalization layers are updated by Adam. Jordan et al. 2024, "Muon: An optimizer for hidden layers in
    neural networks". `torch.optim.Muon` does the same, but takes nothing but matrices.

    Args:
        lr: Learning rate of the matrices, >= 0.
        momentum: In [0, 1).
        weight_decay: Decoupled, >= 0.
        adam_lr: Learning rate of all other parameters, >= 0. A schedule changes both by the same factor.
        betas: Adam's, each in [0, 1).
        eps: Adam's, > 0.
        bfloat16: Iterate in bfloat16, which is precise enough, and faster on hardware that computes with it.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        adam_lr: float = 0.002,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        bfloat16: bool = False,
    ):
        self.precision = torch.bfloat16 if bfloat16 else torch.float32
        for name, value in (("lr", lr), ("adam_lr", adam_lr), ("weight_decay", weight_decay)):
            in_range(f"model.optimizer: {name}", value, "[0, inf)")
        for value in (momentum, *betas):
            in_range("model.optimizer: momentum or beta", value, "[0, 1)")
        in_range("model.optimizer: eps", eps, "(0, inf)")
        params = list(params)
        groups = params if params and isinstance(params[0], dict) else [{"params": params}]
        groups = [{**group, "params": list(group["params"])} for group in groups]  # a generator can be read once only
        matrices = [p for group in groups for p in group["params"] if is_matrix(p)]
        head = matrices[-1] if len(matrices) > 1 else None
        split = []
        for group in groups:
            for orthogonal in (True, False):
                chosen = [p for p in group["params"] if (is_matrix(p) and p is not head) == orthogonal]
                if chosen:
                    rate = group.get("lr", lr) if orthogonal else adam_lr
                    split.append({**group, "params": chosen, "orthogonal": orthogonal, "lr": rate})
        super().__init__(split, {"momentum": momentum, "weight_decay": weight_decay, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]  # torch overloads it
        """Update every parameter that has a gradient; `closure`, if given, computes the gradients first."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    update = self._orthogonal_update if group["orthogonal"] else self._adam_update
                    parameter.add_(update(parameter, parameter.grad, group), alpha=-group["lr"])
        return loss

    def _orthogonal_update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        average = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        matrix = gradient.lerp(average, group["momentum"]).flatten(1)
        rows, columns = matrix.shape
        orthogonal = orthogonalized(matrix.to(self.precision)).to(parameter.dtype)
        return orthogonal.view_as(parameter) * math.sqrt(max(1, rows / columns))

    def _adam_update(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state, (beta1, beta2) = self.state[parameter], group["betas"]
        if not state:
            state.update(step=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["step"] += 1
        mean = state["mean"].lerp_(gradient, 1 - beta1)
        square = state["square"].lerp_(gradient.square(), 1 - beta2)
        root = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])
        return mean / (1 - beta1 ** state["step"]) / root


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter has several rows and columns; the lengths of weight normalization, (O, 1, 1, 1), have not."""
    return parameter.ndim >= 2 and parameter.numel() > max(parameter.shape)


def orthogonalized(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearly U V^T of a matrix U S V^T: its singular values end between about 0.7 and 1.2."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class SAM(SGD):
    """Sharpness-aware minimization: SGD with the gradient at the worst point nearby. Each step costs two.

    w' = w + rho g(w) / |g(w)|, then SGD's step from w with g(w'). Minima whose surroundings are low, too, generalize
    better. Foret et al. 2021 (arXiv:2010.01412), equation 2 and algorithm 1. Both gradients are of the same batch, mixed and
    dropped alike. The running averages of batch normalization take in both points.

    Args:
        lr: >= 0.
        rho: Radius of the neighbourhood, >= 0.
        momentum: In [0, 1).
        weight_decay: >= 0.
        nesterov: Nesterov's form of momentum.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.05,
        rho: float = 0.05,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ):
        in_range("model.optimizer: rho", rho, "[0, inf)")
        in_range("model.optimizer: momentum", momentum, "[0, 1)")
        super().__init__(params, lr=lr, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
        self.rho = rho

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float:  # type: ignore[override]  # never without a loss
        """`closure` computes loss and gradients; it is called at both points. The first loss is returned.

        Raises UserError where there is none: half precision needs a loss scaler, which hands over gradients alone.
        """
        if closure is None:
            raise UserError(
                "model.optimizer: SAM needs each gradient twice, trainer.precision 16-mixed gives it once; take bf16-mixed"
            )
        with torch.enable_grad():
            loss = closure()
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        if not parameters:
            return loss
        start = [p.clone() for p in parameters]
        radius = self.rho / torch.nn.utils.get_total_norm(p.grad for p in parameters).clamp(min=1e-12)
        for parameter in parameters:
            parameter.add_(parameter.grad * radius)
        with torch.enable_grad():
            closure()
        for parameter, before in zip(parameters, start):
            parameter.copy_(before)
        super().step()
        return loss


class Cosine(lr_scheduler.CosineAnnealingLR):
    """From the optimizer's lr down to `final_lr` along half a cosine.

    lr_t = final_lr + (lr - final_lr) (1 + cos(pi t / total_steps)) / 2.
    Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5, without restarts.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in.
        final_lr: The rate after the last step, >= 0.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, final_lr: float = 0.0):
        in_range("model.scheduler: final_lr", final_lr, "[0, inf)")
        self.total_steps = total_steps or 1
        super().__init__(optimizer, T_max=self.total_steps, eta_min=final_lr)


class CosineRestarts(lr_scheduler.CosineAnnealingWarmRestarts):
    """Half a cosine from the optimizer's lr to zero, again and again, each one longer than the last.

    lr_t = lr (1 + cos(pi t_i / T_i)) / 2, where t_i counts from the last restart and T_(i+1) = growth T_i.
    Loshchilov and Hutter 2017 (arXiv:1608.03983), equation 5.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in. Cycles are whole numbers of steps, rounded up, so
            the run may end before the last one does.
        cycles: Number of cycles, >= 1.
        growth: Length of a cycle / length of the one before, >= 1.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, cycles: int = 3, growth: int = 2):
        in_range("model.scheduler: cycles", cycles, "[1, inf)")
        in_range("model.scheduler: growth", growth, "[1, inf)")
        parts = sum(growth**cycle for cycle in range(cycles))
        self.total_steps = total_steps or 1
        super().__init__(optimizer, T_0=-(-self.total_steps // parts), T_mult=growth)


class WarmupCosine(lr_scheduler.LambdaLR):
    """Linearly up to the optimizer's lr, then down to zero along half a cosine.

    lr_t = lr (t + 1) / w in the first w = warmup * total_steps steps, then lr (1 + cos(pi (t - w) / (total_steps - w))) / 2.
    The warm-up is Goyal et al.'s 2017 (arXiv:1706.02677), section 2.2.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in.
        warmup: Share of the run spent warming up, in [0, 1).
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, warmup: float = 0.1):
        total = total_steps or 1
        first = round(in_range("model.scheduler: warmup", warmup, "[0, 1)") * total)

        def factor(step: int) -> float:
            if step < first:
                return (step + 1) / first
            return (1 + math.cos(math.pi * (step - first) / max(1, total - first))) / 2

        super().__init__(optimizer, factor)


class OneCycle(lr_scheduler.OneCycleLR):
    """Up from lr / div_factor to the optimizer's lr, then down to almost zero, both along half a cosine.

    Smith and Topin 2018 (arXiv:1708.07120). The momentum is left as it is: cycling it would add momentum to an optimizer
    that has none.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in.
        pct_start: Share of the run spent warming up, in (0, 1).
        div_factor: Peak rate / first rate, >= 1.
        final_div_factor: First rate / last rate, >= 1.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        total_steps: int | None = None,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ):
        in_range("model.scheduler: pct_start", pct_start, "(0, 1)")
        in_range("model.scheduler: div_factor", div_factor, "[1, inf)")
        in_range("model.scheduler: final_div_factor", final_div_factor, "[1, inf)")
        if pct_start * (total_steps or 1) == 1:  # torch divides by the steps between the first one and the peak
            raise UserError(f"model.scheduler: pct_start {pct_start:g} of {total_steps} steps is 1 step; take more")
        super().__init__(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total_steps or 1,
            pct_start=pct_start,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            cycle_momentum=False,
        )


class Cyclic(lr_scheduler.CyclicLR):
    """Linearly up from lr / div_factor to the optimizer's lr and down again, several times.

    Smith 2017 (arXiv:1506.01186), the triangular policy.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in. The last cycle ends with it.
        cycles: Number of triangles, >= 1.
        div_factor: Highest rate / lowest rate, >= 1.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, cycles: int = 3, div_factor: float = 10.0):
        in_range("model.scheduler: cycles", cycles, "[1, inf)")
        in_range("model.scheduler: div_factor", div_factor, "[1, inf)")
        highest = [group["lr"] for group in optimizer.param_groups]
        lowest = [rate / div_factor for rate in highest]
        self.total_steps = total_steps or 1
        half = self.total_steps / cycles / 2
        # Half a cycle need not be a whole number of steps, whatever torch's annotation says.
        super().__init__(optimizer, lowest, highest, step_size_up=half, cycle_momentum=False)  # type: ignore[arg-type]


class Polynomial(lr_scheduler.PolynomialLR):
    """From the optimizer's lr down to zero: lr_t = lr (1 - t / total_steps)^power. Power 1 is a straight line.

    Args:
        total_steps: Steps of the whole run; the Classifier fills it in.
        power: > 0; the higher, the earlier the rate becomes small.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, power: float = 1.0):
        in_range("model.scheduler: power", power, "(0, inf)")
        self.total_steps = total_steps or 1
        super().__init__(optimizer, total_iters=self.total_steps, power=power)


class Plateau(lr_scheduler.ReduceLROnPlateau):
    """Multiplies the rate by `factor` where a metric has not improved for more than `patience` epochs.

    Args:
        monitor: The metric, such as val/loss or val/accuracy.
        factor: In (0, 1).
        patience: As many epochs in a row without an improvement leave the rate as it is, and one more lowers it; >= 0.
    """

    def __init__(self, optimizer: Optimizer, monitor: str = "val/loss", factor: float = 0.3, patience: int = 1):
        self.monitor = monitor
        in_range("model.scheduler: factor", factor, "(0, 1)")
        in_range("model.scheduler: patience", patience, "[0, inf)")
        super().__init__(optimizer, "max" if monitor.endswith("accuracy") else "min", factor, patience)
