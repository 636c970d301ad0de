"""The ways to draw: digits of a class from the prior, and held-out digits rebuilt."""

import dataclasses

import numpy as np
from jaxtyping import Int

from conditional_digits.data import load_data
from conditional_digits.network import apply
from conditional_digits.settings import Settings
from lvae.errors import UserError
from lvae.keys import stream
from lvae.models.gaussian import normal_codes
from lvae.tasks.images.files import SUFFIX, drawn, restored
from lvae.tasks.images.scores import HostImages, to_images
from lvae.tasks.task import Mode, Numbered, Plan, Request, Run, Sample, option, with_data

SAMPLES = 60  # where --num_samples does not say so
FORMATS = ("files", "webdataset")
Indices = Int[np.ndarray, " n"]


@dataclasses.dataclass(frozen=True)
class PriorOptions:
    """Of the mode `prior`."""

    label: int | None = option(None, "Digit to draw; None: each in turn.", minimum=0)


def draws(run: Run[Settings], seed: int, indices: Indices, labels: Indices) -> HostImages:
    """New images of these classes; each of the seed, its index and its class alone."""
    codes = normal_codes(stream(seed, "prior"), indices, run.settings.model.latents)
    return apply(run, codes, labels, method="decode")


def prior(run: Run[Settings], request: Request) -> Plan:
    """New digits. Raises a UserError if no training digit had that label."""
    chosen, classes = request.options.label, run.spec.facts["classes"]
    if chosen is not None and chosen >= classes:
        raise UserError(f"--label={chosen}: {run.workdir} was trained on 0 to {classes - 1}")

    def draw(indices: Indices) -> list[Sample]:
        labels = indices % classes if chosen is None else np.full_like(indices, chosen)
        images = draws(run, request.seed, indices, labels)
        return [drawn(image, {"label": int(label)}) for image, label in zip(images, labels)]

    return Plan(Numbered(request.num_samples or SAMPLES), (SUFFIX,), draw)


def reconstruct(run: Run[Settings], request: Request) -> Plan:
    """Test digits, of --data laid out as the training data or of these; rebuilt."""
    test = load_data(with_data(run.settings, request.data))["test"]

    def draw(indices: Indices) -> list[Sample]:
        images, labels = to_images(test["image"][indices]), test["label"][indices]
        notes = [{"label": int(label)} for label in labels]
        return [restored(*each) for each in zip(images, apply(run, images, labels), notes)]

    return Plan(Numbered(min(request.num_samples or SAMPLES, len(test["image"]))), (SUFFIX,), draw)


MODES = {
    "prior": Mode(prior, "New digits, of one class or of all.", PriorOptions, FORMATS),
    "reconstruct": Mode(reconstruct, "Held-out digits, rebuilt.", formats=FORMATS),
}
