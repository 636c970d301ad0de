"""The `training` group, the same in the settings of every task."""

import dataclasses
from typing import Literal

from lvae.configuration import check_at_least


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained.

    Rows of metrics, evaluations and checkpoints fall on multiples of their `_every` fields and on
    the last step. Evaluations and checkpoints must fall on rows of metrics: then a resumed run has
    no half-finished average to restore.
    """

    steps: int = 0  # optimiser steps; 0: epochs decide
    epochs: int = 0  # passes over the training split; 0: steps decide
    batch_size: int = 64  # examples per step
    steps_per_dispatch: int = 1  # steps in one lax.scan; 1 where XLA:CPU is slow on convolutions
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = 1e-3  # the highest
    schedule: Literal["constant", "cosine"] = "cosine"  # cosine: to zero at the last step
    warmup_steps: int = 0  # over which the learning rate rises from zero
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0  # decoupled (adamw) or L2 (sgd)
    gradient_clip: float = 0.0  # global norm; 0: off
    ema_decay: float = 0.0  # of an average of params for evaluation and sampling; 0: off
    log_every: int = 100  # steps between rows of metrics
    evaluate_every: int = 1000  # steps between evaluations; 0: at the end only
    checkpoint_every: int = 1000  # steps
    keep_checkpoints: int = 2  # the newest ones

    def __post_init__(self) -> None:
        if (self.steps > 0) == (self.epochs > 0):
            raise ValueError(
                f"steps={self.steps} and epochs={self.epochs}: exactly one of them must be above 0"
            )
        at_least_one = ("batch_size", "steps_per_dispatch", "log_every", "checkpoint_every")
        check_at_least(self, 1, *at_least_one, "keep_checkpoints")
        check_at_least(self, 0, "evaluate_every", "warmup_steps", "weight_decay", "gradient_clip")
        for name in ("evaluate_every", "checkpoint_every"):
            if getattr(self, name) % self.log_every:
                raise ValueError(
                    f"{name}={getattr(self, name)}: must be a multiple of log_every={self.log_every}"
                )
        if not 0.0 <= self.ema_decay < 1.0:
            raise ValueError(f"ema_decay={self.ema_decay}: must be in [0, 1)")
        if self.learning_rate <= 0.0 or self.adam_epsilon <= 0.0:
            raise ValueError("learning_rate and adam_epsilon must be above 0")

    def total_steps(self, examples: int) -> int:
        """Optimiser steps in all, for a training split of that many examples."""
        return self.steps or max(1, self.epochs * examples // self.batch_size)
