"""The law by which points of samples go missing, found from the run's training frames.

The decoder's logits say where points are usually seen. Codes that are drawn know less of a frame
than those that were encoded from it, and augmentation hides points that no frame lacks, so that the
logits alone are neither right on average nor right about neighbours. The law's four numbers are set
so that masks of drawn codes come as near as they can to five shares of real training frames: how
many points are missing, and with how many missing neighbours. This is the method of simulated
moments ([mcfadden1989]).
"""

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit, log_ndtr

from lvae.metrics.missing_runs import missing_runs, usual_places
from lvae.models.missing_runs import INDEPENDENT, MissingLaw, correlated
from lvae.tasks.grids.vae import drawing
from lvae.tasks.grids.vae.settings import OrderedSamplingSettings, Settings
from lvae.tasks.task import Run, Split

_MOST_POINTS = 64_000  # of the masks that are compared: a share of 1 % is right to 4 % of itself
SAMPLES = 192  # codes that the law is found with: three blocks, 62,000 points of 18 x 18
_MOST_CORRELATED = 0.98
_START = (0.0, 0.6, 0.5, 0.5)


def missing_law(
    run: Run[Settings], codes: Float[np.ndarray, "samples latents"], frames: Split | None = None
) -> MissingLaw:
    """The law of a run's samples; `INDEPENDENT` where the design has no likelihood to draw from.

    Args:
      codes: some, as the samples' are drawn.
      frames: visible and real, whose missing points are taken; None: the run's own.
    """
    if not isinstance(run.settings.sampling, OrderedSamplingSettings):
        return INDEPENDENT
    source = run.variables["buffers"]["frames"] if frames is None else frames
    visible = np.asarray(source["visible"])[np.asarray(source["real"])]
    return fit_missing_law(drawing.visibility_logits(run, codes), visible)


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
