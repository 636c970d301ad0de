"""Large images through a network of one size: cut into tiles that overlap, and blended again.

NumPy: the tiles of one image are a batch, whatever its size. A pixel that several tiles cover is
their mean, weighted by how far inside each tile it lies; weights fall to almost nothing at a tile's
edge, so that no edge is seen.
"""

import numpy as np
from jaxtyping import Float, Int


def cut(
    image: Float[np.ndarray, "height width channel"], size: int, overlap: int
) -> tuple[Float[np.ndarray, "tile size size channel"], Int[np.ndarray, "tile 2"]]:
    """Tiles that cover the image, and the row and column of each one's corner.

    Neighbours share `overlap` pixels or more. An image shorter than `size` is mirrored at the right
    and at the bottom; `blend` cuts that off again.

    Raises:
      ValueError: overlap is not in [0, size).
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap {overlap}: expected 0 to {size - 1} for tiles of {size} pixels")
    height, width = image.shape[:2]
    missing = ((0, max(0, size - height)), (0, max(0, size - width)), (0, 0))
    image = np.pad(image, missing, mode="symmetric")
    corners = np.array(
        [
            (row, column)
            for row in _starts(image.shape[0], size, overlap)
            for column in _starts(image.shape[1], size, overlap)
        ]
    )
    tiles = np.stack([image[row : row + size, column : column + size] for row, column in corners])
    return tiles, corners


def blend(
    tiles: Float[np.ndarray, "tile size size channel"],
    corners: Int[np.ndarray, "tile 2"],
    height: int,
    width: int,
) -> Float[np.ndarray, "height width channel"]:
    """The image whose tiles these are; the inverse of `cut` if nothing was done to them."""
    size = tiles.shape[1]
    far_row, far_column = corners.max(axis=0) + size
    total = np.zeros((far_row, far_column, tiles.shape[3]))
    weights = np.zeros((far_row, far_column, 1))
    profile = window(size)
    for tile, (row, column) in zip(tiles, corners):
        place = np.s_[row : row + size, column : column + size]
        total[place] += profile * tile
        weights[place] += profile
    return (total / weights)[:height, :width].astype(tiles.dtype)


def _starts(length: int, size: int, overlap: int) -> list[int]:
    """Evenly spread first pixels of tiles that cover `length`."""
    count = 1 + -(-(length - size) // (size - overlap))
    return [round(index * (length - size) / max(1, count - 1)) for index in range(count)]


def window(size: int) -> np.ndarray:
    """(size, size, 1): the product of two raised cosines, above 0 everywhere."""
    position = (np.arange(size) + 0.5) / size
    profile = np.sin(np.pi * position) ** 2
    return (profile[:, None] * profile[None, :])[..., None]
