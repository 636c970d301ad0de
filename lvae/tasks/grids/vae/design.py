"""What tells one design of the laser-grid VAE from another: a value that holds pure functions."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Key

from lvae.models.encoder_decoder import EncoderDecoder
from lvae.models.missing_runs import INDEPENDENT, MissingLaw
from lvae.tasks.grids.scale import Scale
from lvae.tasks.grids.vae.settings import Settings
from lvae.tasks.task import LossFunction, Spec, Splits, Variables

Points = Float[Array, "frames rows columns 2"]
Visible = Bool[Array, "frames rows columns"]
Codes = Float[Array, "frames latents"]
Logits = Float[Array, "frames rows columns"]


class Decoded(NamedTuple):
    """What codes mean. points: px, in order where the design keeps one. logits: above 0 where a
    point is seen. noise: lower Cholesky factors of the covariances that the likelihood adds to
    points, px; None where the design has no such likelihood."""

    points: Points
    logits: Logits
    noise: Float[Array, "frames rows columns 2 2"] | None


class NoiseLaw(NamedTuple):
    """Of the noise of samples. along_x, along_y: factors of the likelihood's noise. spread: deviation
    over samples of the logarithm of a sample's own level."""

    along_x: float
    along_y: float
    spread: float


class Laws(NamedTuple):
    """What samples get beside what their codes decode to."""

    noise: NoiseLaw = NoiseLaw(1.0, 1.0, 0.0)
    missing: MissingLaw = INDEPENDENT


class Design(NamedTuple):
    """The functions of a design.

    encode: points and visibility -> mean and log-variance of the codes. decode: codes ->
    grids. constrain: points that noise was added to -> points as the design has them. The others
    are as in `lvae.tasks.task.Task`.
    """

    network: Callable[[Settings], EncoderDecoder]
    init: Callable[[Settings, Spec, Key[Array, ""]], Variables]
    prepare: Callable[[Settings, Variables, Splits], Variables]
    loss: Callable[[Settings, Spec], LossFunction]
    encode: Callable[[Settings, Scale, Variables, Points, Visible], tuple[Codes, Codes]]
    decode: Callable[[Settings, Scale, Variables, Codes], Decoded]
    constrain: Callable[[Settings, Scale, Points], Points]
