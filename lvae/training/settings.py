"""The `training` group of every config, and the optimiser that it describes."""

import dataclasses

import optax

from lvae.errors import UserError


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; every field is explained in the config files.

    Rows of metrics, evaluations and checkpoints fall on multiples of their `_every` fields and on
    the last step. Evaluations and checkpoints must fall on rows of metrics: then a resumed run has
    no half-finished average to restore.
    """

    steps: int
    epochs: int
    batch_size: int
    steps_per_dispatch: int
    optimizer: str
    learning_rate: float
    schedule: str
    warmup_steps: int
    adam_epsilon: float
    weight_decay: float
    gradient_clip: float
    ema_decay: float
    log_every: int
    evaluate_every: int
    checkpoint_every: int
    keep_checkpoints: int

    def __post_init__(self):
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError(
                f"steps={self.steps} and epochs={self.epochs}: exactly one of them must be above 0"
            )
        for name in ("batch_size", "steps_per_dispatch", "log_every", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: must be at least 1")
        if self.keep_checkpoints < 1:
            raise ValueError(f"keep_checkpoints={self.keep_checkpoints}: must be at least 1")
        for name in ("evaluate_every", "checkpoint_every"):
            if getattr(self, name) % self.log_every:
                raise ValueError(
                    f"{name}={getattr(self, name)}: must be a multiple of log_every={self.log_every}"
                )
        if self.optimizer not in ("adam", "adamw", "sgd"):
            raise ValueError(f"optimizer={self.optimizer!r}: must be adam, adamw or sgd")
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule={self.schedule!r}: must be constant or cosine")
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay={self.ema_decay}: must be in [0, 1)")
        if self.learning_rate <= 0.0:
            raise ValueError(f"learning_rate={self.learning_rate}: must be above 0")

    def total_steps(self, examples: int) -> int:
        """Optimiser steps in all, for a training split of that many examples."""
        if self.steps:
            return self.steps
        if examples < 1:
            raise UserError("the training split is empty: name a folder with recordings in it")
        return max(1, self.epochs * examples // self.batch_size)


def learning_rate(settings: TrainingSettings, total_steps: int) -> optax.Schedule:
    """The learning rate by step."""
    peak = settings.learning_rate
    if settings.schedule == "cosine":
        main = optax.cosine_decay_schedule(peak, max(1, total_steps - settings.warmup_steps))
    else:
        main = optax.constant_schedule(peak)
    if not settings.warmup_steps:
        return main
    warmup = optax.linear_schedule(0.0, peak, settings.warmup_steps)
    return optax.join_schedules([warmup, main], [settings.warmup_steps])


def make_optimizer(settings: TrainingSettings, total_steps: int) -> optax.GradientTransformation:
    """Clipping, then the optimiser."""
    rate = learning_rate(settings, total_steps)
    if settings.optimizer == "sgd":
        chain = [optax.add_decayed_weights(settings.weight_decay), optax.sgd(rate)]
    elif settings.optimizer == "adamw":
        chain = [optax.adamw(rate, eps=settings.adam_epsilon, weight_decay=settings.weight_decay)]
    else:
        chain = [optax.adam(rate, eps=settings.adam_epsilon)]
    if settings.gradient_clip:
        chain.insert(0, optax.clip_by_global_norm(settings.gradient_clip))
    return optax.chain(*chain)
