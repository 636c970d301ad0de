"""Classical denoisers with their parameters tuned: what a learned one has to beat.

On the host: box, Gaussian and median are those of `lvae.imaging.filters`; total variation
([chambolle2004]), non-local means ([buades2005]) and wavelets ([chang2000]) are scikit-image's
([walt2014]). Every result is clipped to [0, 1], so that noise outside the range of
an image is held against none of them. `clip` does nothing else.
"""

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from lvae.imaging import filters
from lvae.imaging.levels import Images

HostImages = Float[np.ndarray, "batch height width 1"]
Parameters = dict[str, Any]

BLUR_RADIUS = 14  # pixels: 4 times the widest sigma

# What is tried for each: every combination of the values. sigma, h and weight are in units of the
# image's range, sizes in pixels.
GRIDS: dict[str, dict[str, Sequence[Any]]] = {
    "clip": {},
    "box": {"size": (3, 5, 7, 9, 11)},
    "gaussian": {"sigma": (0.4, 0.6, 0.8, 1.0, 1.3, 1.7, 2.2, 2.8, 3.5)},
    "median": {"size": (3, 5, 7)},
    "total_variation": {"weight": (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2, 3.2)},
    "non_local_means": {
        "h": (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5),
        "patch_size": (3, 5, 7),
    },
    "wavelet": {
        "sigma": (0.05, 0.1, 0.2, 0.3, 0.45, 0.7, 1.0, 1.5, 2.2),
        "wavelet": ("haar", "db2"),
        "mode": ("soft", "hard"),
    },
}


def denoise(method: str, images: HostImages, parameters: Mapping[str, Any]) -> HostImages:
    """The images cleaned by one method with one choice of parameters, clipped to [0, 1]."""
    cleaned = _METHODS[method](images, **parameters)
    return np.clip(cleaned, 0.0, 1.0).astype(np.float32)


def tune(
    method: str,
    noisy: HostImages,
    clean: HostImages,
    scores: Mapping[str, Callable[[HostImages, HostImages], float]],
) -> dict[str, Parameters]:
    """For each score the parameters that give its largest value on these images.

    Args:
      method: one of GRIDS.
      noisy, clean: pairs, of the training images.
      scores: name -> function of (cleaned, clean); larger is better.
    """
    grid = GRIDS[method]
    best: dict[str, tuple[float, Parameters]] = {}
    for values in itertools.product(*grid.values()):
        parameters = dict(zip(grid, values))
        cleaned = denoise(method, noisy, parameters)
        for name, score in scores.items():
            value = score(cleaned, clean)
            if name not in best or value > best[name][0]:
                best[name] = (value, parameters)
    return {name: parameters for name, (_, parameters) in best.items()}


def _clip(images: np.ndarray) -> np.ndarray:
    return images


@functools.partial(jax.jit, static_argnames="size")
def _box(images: Images, size: int) -> Images:
    return filters.box_filter(images, size)


def _gaussian(images: np.ndarray, sigma: float) -> Array:
    return _blur(images, jnp.full(images.shape[:1], sigma))


@jax.jit
def _blur(images: Images, sigma: Float[Array, " batch"]) -> Images:
    return filters.gaussian_blur(images, sigma, radius=BLUR_RADIUS)


@functools.partial(jax.jit, static_argnames="size")
def _median(images: Images, size: int) -> Images:
    return filters.median_filter(images, size)


def _total_variation(images: np.ndarray, weight: float) -> np.ndarray:
    from skimage.restoration import denoise_tv_chambolle

    return _one_by_one(lambda image: denoise_tv_chambolle(image, weight=weight), images)


def _non_local_means(images: np.ndarray, h: float, patch_size: int) -> np.ndarray:
    from skimage.restoration import denoise_nl_means

    return _one_by_one(
        lambda image: denoise_nl_means(image, patch_size=patch_size, patch_distance=6, h=h), images
    )


def _wavelet(images: np.ndarray, sigma: float, wavelet: str, mode: str) -> np.ndarray:
    from skimage.restoration import denoise_wavelet

    return _one_by_one(
        lambda image: denoise_wavelet(
            image, sigma=sigma, wavelet=wavelet, mode=mode, rescale_sigma=False
        ),
        images,
    )


def _one_by_one(function: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    return np.stack([function(image) for image in images[..., 0]])[..., None]


_METHODS: dict[str, Callable[..., Any]] = {
    "clip": _clip,
    "box": _box,
    "gaussian": _gaussian,
    "median": _median,
    "total_variation": _total_variation,
    "non_local_means": _non_local_means,
    "wavelet": _wavelet,
}
