"""What an audit must know of patches: whose they are, and what the model says of them."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from lvae.tasks.auditor import Examples
from lvae.tasks.image_auditing import image_auditor
from lvae.tasks.patches.data import load_data
from lvae.tasks.patches.examining import code
from lvae.tasks.patches.pictures import as_trained, upright
from lvae.tasks.patches.settings import Settings
from lvae.tasks.task import Run, Splits, with_data


def real(run: Run[Settings], split: Examples) -> Examples:
    """All patches of a split as drawn ones are written: image, upright, and case."""
    return {"image": upright(run.settings, split["image"]), "case": split["case"]}


def load(run: Run[Settings], path: Path) -> Splits:
    """The cases of a folder, or digits; every digit is its own case.

    Raises:
      UserError: see `lvae.data.isles` and `lvae.data.digits`.
    """
    return load_data(with_data(run.settings, path))


def scores(run: Run[Settings], patches: Examples) -> dict[str, Float[np.ndarray, " n"]]:
    """Minus the mean squared error, and the evidence lower bound at the mean code, nats, of the
    network that learned from all patches."""
    images = as_trained(run.settings, patches["image"])
    seen = code(run.settings, run.variables["params"]["all"], images)
    error = ((images / 255.0 - seen.rebuilt) ** 2).mean((1, 2))
    return {"reconstruction": -error, "elbo": -seen.elbo}


AUDITOR = image_auditor("case", "case", real, load, scores)
