"""What code maps cost without a network: tables of counts, in nats per code."""

import numpy as np


def unigram_nats(train: np.ndarray, held_out: np.ndarray, size: int) -> float:
    """Nats a held-out code by the shares in the training maps, one added to every count."""
    counts = np.bincount(train.ravel(), minlength=size) + 1.0
    return float(-np.log(counts / counts.sum())[held_out].mean())


def context_nats(train: np.ndarray, held_out: np.ndarray, size: int) -> np.ndarray:
    """Nats of every held-out code by a table of its left and its upper neighbour.

    Counts of (left, above, code) fall back on the mean of (left, code) and (above, code), these on
    the single shares: p = (n(context, code) + strength p_below(code)) / (n(context) + strength).
    The strengths are the best of a few for each table, chosen on the held-out maps themselves: the
    baseline gets every advantage.
    """
    strengths = (1.0, 4.0, 16.0, 64.0, 256.0)
    (left, above, code), (left_h, above_h, code_h) = (
        _contexts(train, size),
        _contexts(held_out, size),
    )
    counts = np.bincount(code, minlength=size) + 1.0
    base = (counts / counts.sum())[code_h]

    def backed_off(context: np.ndarray, context_h: np.ndarray, below: np.ndarray) -> np.ndarray:
        pairs, pair_counts = np.unique(context * size + code, return_counts=True)
        contexts, context_counts = np.unique(context, return_counts=True)
        joint = _looked_up(pairs, pair_counts, context_h * size + code_h)
        total = _looked_up(contexts, context_counts, context_h)
        tables = [(joint + s * below) / (total + s) for s in strengths]
        return max(tables, key=lambda table: np.log(table).mean())

    single = 0.5 * (backed_off(left, left_h, base) + backed_off(above, above_h, base))
    both = backed_off(left * (size + 1) + above, left_h * (size + 1) + above_h, single)
    return -np.log(both).reshape(held_out.shape)


def _contexts(codes: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Left neighbour, upper neighbour (`size` outside the map) and code, flat int64."""
    around = np.full((len(codes), codes.shape[1] + 1, codes.shape[2] + 1), size, np.int64)
    around[:, 1:, 1:] = codes
    return around[:, 1:, :-1].ravel(), around[:, :-1, 1:].ravel(), codes.astype(np.int64).ravel()


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The value of each wanted key; 0 where there is none. `keys` ascend."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0).astype(np.float64)
