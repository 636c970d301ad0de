"""The optimiser that a `training` group describes."""

import optax

from lvae.tasks.training_settings import TrainingSettings


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
