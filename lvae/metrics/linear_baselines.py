"""What a grid model must beat: principal components, and a Gaussian mixture on their codes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Components(NamedTuple):
    """mean: (numbers,). basis: (components, numbers), orthonormal rows."""

    mean: np.ndarray
    basis: np.ndarray


def fit_components(
    filled: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
    components: int,
    rounds: int = 20,
) -> Components:
    """Principal components, centred, of frames with missing points: what is missing is replaced by
    its own reconstruction, round after round ([dear1959])."""
    numbers = filled.reshape(len(filled), -1).astype(np.float64)
    seen = np.repeat(visible.reshape(len(visible), -1), 2, axis=1)
    guess = numbers.copy()
    for _ in range(rounds):
        mean = guess.mean(axis=0)
        _, _, basis = np.linalg.svd(guess - mean, full_matrices=False)
        basis = basis[:components]
        guess = np.where(seen, numbers, mean + (guess - mean) @ basis.T @ basis)
    return Components(mean, basis)


def codes_of(
    model: Components,
    points: Float[np.ndarray, "frames rows columns 2"],
    visible: Bool[np.ndarray, "frames rows columns"],
) -> Float[np.ndarray, "frames components"]:
    """Least-squares codes on the visible points alone."""
    codes = []
    for grid, seen in zip(points, visible):
        chosen = np.repeat(seen.reshape(-1), 2)
        difference = grid.reshape(-1)[chosen] - model.mean[chosen]
        codes.append(np.linalg.lstsq(model.basis[:, chosen].T, difference, rcond=None)[0])
    return np.stack(codes)


def grids_of(
    model: Components, codes: Float[np.ndarray, "grids components"], rows: int, columns: int
) -> Float[np.ndarray, "grids rows columns 2"]:
    """What the codes mean, px."""
    return (model.mean + codes @ model.basis).reshape(len(codes), rows, columns, 2)


def mixture_samples(
    codes: Float[np.ndarray, "frames components"], components: int, count: int, seed: int
) -> Float[np.ndarray, "count components"]:
    """Codes drawn from a Gaussian mixture fitted to the frames' codes."""
    from sklearn.mixture import GaussianMixture  # slow to import

    mixture = GaussianMixture(components, reg_covar=1e-3, random_state=seed).fit(codes)
    return mixture.sample(count)[0]
