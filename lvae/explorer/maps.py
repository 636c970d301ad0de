"""The codes of all examples in two dimensions: by PCA at once, by t-SNE in the background."""

import contextlib
import os
import threading
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from lvae.metrics.clusters import t_sne
from lvae.tasks.exploring import Space

MOST = 1500  # examples on the map; more are thinned out evenly
DRAWN = 40  # samples of the prior on the map
PERPLEXITY = 20.0  # neighbours, about: as many frames as a recording has
NICE = 10  # of the thread that computes in the background: sliders come first

Places = Float[np.ndarray, "n 2"]


class Maps:
    """The maps of one latent space; `answer` says what is ready."""

    def __init__(self, space: Space | None):
        self._space = space
        self._maps: dict[str, Any] = {}
        self._failed = ""
        if space is None or len(space.names) < 3:
            return
        self._rows = np.unique(
            np.linspace(0, len(space.names) - 1, min(MOST, len(space.names))).astype(int)
        )
        self._codes = space.codes[self._rows]
        self._maps["pca"] = {"examples": _plain(principal(self._codes, self._codes))}

    def start(self) -> None:
        """Begins with the samples of the prior and t-SNE."""
        if self._maps:
            threading.Thread(target=self._background, daemon=True, name="maps").start()

    def answer(self) -> dict[str, Any]:
        """Places of the examples (by their index) and of the prior's samples (by their number)."""
        ready = bool(self._failed) or not self._maps or "tsne" in self._maps
        rows = self._rows.tolist() if self._maps else []
        return {"rows": rows, "maps": self._maps, "ready": ready, "message": self._failed}

    def _background(self) -> None:
        with contextlib.suppress(OSError):
            os.nice(NICE)  # of this thread alone, on Linux
        try:
            with threadpool_limits(1):
                self._compute()
        except Exception as error:  # the page goes on without
            self._failed = f"the map of codes could not be computed ({error})"

    def _compute(self) -> None:
        assert self._space is not None
        codes, drawn = self._codes, self._codes[:0]
        if self._space.drawn is not None:
            drawn = self._space.drawn(np.arange(DRAWN))
            self._maps["pca"] |= {"drawn": _plain(principal(codes, drawn))}
        both = t_sne(np.concatenate([codes, drawn]), perplexity=PERPLEXITY)
        self._maps["tsne"] = {
            "examples": _plain(both[: len(codes)]),
            "drawn": _plain(both[len(codes) :]),
        }


def principal(codes: Float[np.ndarray, "n latents"], places: np.ndarray) -> Places:
    """Codes along the two directions in which `codes` vary most."""
    centre = codes.mean(axis=0)
    axes = np.linalg.svd(codes - centre, full_matrices=False)[2][:2]
    found = (places - centre) @ axes.T
    return np.pad(found, ((0, 0), (0, 2 - found.shape[1])))


def _plain(places: Places) -> list[list[float]]:
    return np.round(places.astype(np.float64), 4).tolist()
