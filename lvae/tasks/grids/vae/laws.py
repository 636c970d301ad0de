"""The laws of what samples get beside what their codes decode to, found from the training frames.

Points: codes that are drawn already move points about, by the posterior's width and by what a mixture
of codes makes of frames, so that the likelihood's noise in full would count that part twice, and how
much of it is left depends on the run, on x and y, and on the recording. The noise's factors and the
spread of its level are set so that drawn frames are as rough as real training frames, and differ as
much in it.

Missing points: the decoder's logits say where points are usually seen. Codes that are drawn know less
of a frame than those that were encoded from it, and augmentation hides points that no frame lacks, so
that the logits alone are neither right on average nor right about neighbours. The law's four numbers
are set so that masks of drawn codes come as near as they can to five shares of real training frames:
how many points are missing, and with how many missing neighbours.

Both are the method of simulated moments ([mcfadden1989]).
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import least_squares, minimize
from scipy.special import expit, log_ndtr

from lvae.grids.encoding import rounded
from lvae.metrics.grid_texture import roughness
from lvae.metrics.missing_runs import missing_runs, usual_places
from lvae.models.missing_runs import INDEPENDENT, MissingLaw, correlated
from lvae.tasks.grids.scale import decimals_of
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.design import Laws, NoiseLaw
from lvae.tasks.grids.vae.settings import OrderedSamplingSettings, Settings
from lvae.tasks.task import Run, Split

SAMPLES = 192  # codes that laws are found with: three blocks, 62,000 points of 18 x 18
_MOST_POINTS = 64_000  # of the masks that are compared: a share of 1 % is right to 4 % of itself
_MOST_CORRELATED = 0.98
_START = (0.0, 0.6, 0.5, 0.5)
_MOST_FACTOR, _MOST_SPREAD = 2.0, 0.5


def laws_of(
    run: Run[Settings], codes: Float[np.ndarray, "samples latents"], frames: Split | None = None
) -> Laws:
    """The laws of a run's samples; those of `Laws` where the design has no likelihood to draw from.

    Args:
      codes: some, as the samples' are drawn.
      frames: filled, visible and real, which samples should be like; None: the run's own.
    """
    if not isinstance(run.settings.sampling, OrderedSamplingSettings):
        return Laws()
    source = run.variables["buffers"]["frames"] if frames is None else frames
    points, visible = (np.asarray(source[name])[np.asarray(source["real"])] for name in _FIELDS)
    decoded, logits, factors = map(np.asarray, drawing.decode_likelihood(run, codes))
    noise = fit_noise_law(decoded, factors, decimals_of(run.spec), roughness(points, visible))
    return Laws(noise, fit_missing_law(logits, visible))


_FIELDS = ("filled", "visible")


def fit_noise_law(
    points: Float[np.ndarray, "samples rows columns 2"],
    factors: Float[np.ndarray, "samples rows columns 2 2"],
    decimals: int,
    wanted: Float[np.ndarray, "frames 2"],
) -> NoiseLaw:
    """The law under which grids are as rough as real frames.

    Args:
      points: decoded from codes as they are drawn, px.
      factors: lower Cholesky factors of the likelihood's covariances, px.
      decimals: of the coordinates of frames.
      wanted: `roughness` of real frames.

    Returns:
      The law; the likelihood's own noise where no frame has four neighbours in a line.
    """
    if not np.isfinite(wanted).all(axis=1).any():
        return Laws().noise
    random = np.random.default_rng(0)
    shaken = np.einsum("nrcde,nrce->nrcd", factors, random.standard_normal(points.shape))
    level = random.standard_normal((len(points), 1, 1, 1))
    everywhere = np.ones(points.shape[:3], bool)

    def moments(rough: Float[np.ndarray, "frames 2"]) -> Float[np.ndarray, "4"]:
        logarithm = np.log(np.maximum(rough[np.isfinite(rough).all(axis=1)], 1e-6))
        return np.concatenate([logarithm.mean(axis=0), logarithm.std(axis=0)])

    def missed(numbers: np.ndarray) -> Float[np.ndarray, "4"]:
        moved = points + numbers[:2] * np.exp(numbers[2] * level) * shaken
        return moments(roughness(rounded(moved, decimals), everywhere)) - target

    target = moments(wanted)
    bounds = ([0.0, 0.0, 0.0], [_MOST_FACTOR, _MOST_FACTOR, _MOST_SPREAD])
    # Rounding makes steps: slopes are taken over differences wider than those.
    found = least_squares(missed, [0.7, 0.7, 0.2], bounds=bounds, diff_step=0.05, xtol=1e-3)
    return NoiseLaw(*(float(number) for number in found.x))


def fit_missing_law(
    logits: Float[np.ndarray, "samples rows columns"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> MissingLaw:
    """The law under which masks of `logits` are as those of real frames.

    Args:
      logits: of codes as they are drawn.
      visible: of the real frames.

    Returns:
      The law; `INDEPENDENT` where no frame lacks a point.
    """
    if visible.all():
        return INDEPENDENT
    samples, rows, columns = logits.shape
    logits = logits[: max(1, min(samples, _MOST_POINTS // (rows * columns)))].astype(np.float64)
    normal = np.random.default_rng(0).standard_normal(logits.shape)
    usual = usual_places(visible)
    wanted = _log_odds(missing_runs(visible, usual))

    def miss(numbers: np.ndarray) -> float:
        law = _law(numbers)
        factors = (np.asarray(correlated(c, n)) for c, n in ((law[3], rows), (law[2], columns)))
        upward, across = factors
        field = upward @ normal @ across.T
        scores = logits + law.offset + law.spread * (log_ndtr(field) - log_ndtr(-field))
        found = _log_odds(missing_runs(scores > 0.0, usual))
        return float(np.sum((found - wanted) ** 2))

    # Masks are steps of the numbers: a simplex search needs no slope, and its first simplex is wide.
    start = _numbers(_START)
    simplex = start + np.vstack([np.zeros(4), np.diag([1.0, 0.7, 1.5, 1.5])])
    options = {"initial_simplex": simplex, "maxfev": 120, "xatol": 0.01, "fatol": 1e-4}
    return _law(minimize(miss, start, method="Nelder-Mead", options=options).x)


def _law(numbers: np.ndarray) -> MissingLaw:
    """Any four numbers as a law."""
    row, column = _MOST_CORRELATED * expit(numbers[2:])
    return MissingLaw(float(numbers[0]), float(np.exp(numbers[1])), float(row), float(column))


def _numbers(law: tuple[float, float, float, float]) -> np.ndarray:
    """The inverse of `_law`."""
    share = np.array(law[2:]) / _MOST_CORRELATED
    return np.array([law[0], np.log(law[1]), *np.log(share / (1 - share))])


def _log_odds(shares: tuple[float, ...]) -> np.ndarray:
    values = np.array(shares)
    return np.log(values / (1 - values))
