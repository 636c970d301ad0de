"""`python -m benchmarks.image_kinds --kind ultrasound --out DIR`: a folder of clean gray images.

Ultrasound-like or X-ray-like, 256 x 256 px, in the folders train, val and test, for
configs/denoise_images.py. They are made from photographs that scikit-image ships, by SciPy and
scikit-image; those of `test` are from other photographs than those of `train`. They have what
matters to a denoiser, not anatomy: ultrasound a fan on black, layers blurred across the beam,
cysts, a logarithmic scale; X-rays things that overlap, shells as bones have, fine structure.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from skimage import color, data, transform

from lvae.imaging.levels import to_levels
from lvae.imaging.sheets import png

SIDE = 256  # px
COUNTS = {"train": 160, "val": 16, "test": 40}
TRAINING = ("camera", "astronaut", "chelsea", "coffee", "rocket", "grass", "gravel", "retina")
HELD_OUT = ("moon", "coins", "brick", "microaneurysms", "immunohistochemistry", "cell")

Image = Float[np.ndarray, "side side"]


def photograph(name: str) -> Float[np.ndarray, "height width"]:
    """One of scikit-image's, gray, in [0, 1]."""
    image = getattr(data, name)()
    if image.ndim == 3:
        return color.rgb2gray(image[..., :3])
    return image / 255.0


def patch(photographs: list[np.ndarray], random: np.random.Generator) -> Image:
    """A square of a photograph, turned, mirrored, between 0.7 and 1.6 times its size."""
    image = photographs[random.integers(len(photographs))]
    if random.random() < 0.5:
        image = image[:, ::-1]
    turn = transform.SimilarityTransform(
        scale=1 / random.uniform(0.7, 1.6), rotation=random.uniform(-np.pi, np.pi)
    )
    place = random.uniform(0, 1, 2) * image.shape[::-1]
    centre = transform.SimilarityTransform(translation=(-SIDE / 2, -SIDE / 2))
    move = centre + turn + transform.SimilarityTransform(translation=place)
    return transform.warp(image, move, output_shape=(SIDE, SIDE), order=1, mode="reflect")


def ellipse(random: np.random.Generator, least: float, most: float, longer: float) -> Image:
    """Squared distance from the middle of a random ellipse, 1 at its edge. least, most: its short
    half axis as a share of the side. longer: most of the ratio of its axes."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE - random.uniform(0.15, 0.85, (2, 1, 1))
    angle, short = random.uniform(0, np.pi), random.uniform(least, most)
    along = (x * np.cos(angle) + y * np.sin(angle)) / (short * random.uniform(1, longer))
    across = (y * np.cos(angle) - x * np.sin(angle)) / short
    return along**2 + across**2


def ultrasound(photographs: list[np.ndarray], random: np.random.Generator) -> Image:
    """Echoes in a fan: two photographs mixed, cysts cut out, a scale of 50 dB."""
    # Echoes span more decades than light does.
    echoes = (patch(photographs, random) * (0.3 + patch(photographs, random))) ** 3
    for _ in range(random.integers(0, 4)):
        inside = ellipse(random, 0.03, 0.12, 2) < 1
        echoes = np.where(inside, 1e-4, echoes)
        below = np.maximum.accumulate(inside, axis=0) & ~inside
        echoes = np.where(below, 1.5 * echoes, echoes)  # what lies below a cyst is brighter
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    depth = y + random.uniform(0.1, 0.3)  # the tip of the fan lies above the image
    echoes = ndimage.gaussian_filter(echoes, (0.7, 1.5)) * np.exp(-random.uniform(0, 1.5) * y)
    decibels = 20 * np.log10(echoes / np.percentile(echoes, 99) + 1e-4)
    radius, angle = np.hypot(depth, x - 0.5), np.arctan2(x - 0.5, depth)
    fan = (np.abs(angle) < random.uniform(0.5, 0.75)) & (radius < depth.max())
    return np.where(
        fan, 0.8 * np.clip(1 + decibels / 50, 0, 1), 0.0
    )  # brighter specks are not clipped


def xray(photographs: list[np.ndarray], random: np.random.Generator) -> Image:
    """Absorption by soft tissue, shells of bone, and fine structure inside, all laid over another."""
    density = 0.3 * ndimage.gaussian_filter(patch(photographs, random), 3)
    for _ in range(random.integers(3, 7)):
        density += random.uniform(0.1, 0.5) * _thickness(ellipse(random, 0.1, 0.4, 2))
    for _ in range(random.integers(2, 7)):
        bone = ellipse(random, 0.03, 0.08, 6)
        shell = _thickness(bone) - 0.7 * _thickness(bone / 0.7)
        fine = patch(photographs, random) - 0.5
        density += random.uniform(0.5, 1.2) * (shell + 0.3 * fine * (bone < 0.8))
    shown = 1 - np.exp(-np.maximum(ndimage.gaussian_filter(density, 0.6), 0))
    low, high = np.percentile(shown, (0.5, 99.8))
    return np.clip(0.03 + 0.94 * (shown - low) / (high - low), 0, 1)


def _thickness(squared: Image) -> Image:
    """Of an ellipsoid along the ray, 1 in its middle."""
    return np.sqrt(np.maximum(1 - squared, 0))


KINDS: dict[str, Callable[[list[np.ndarray], np.random.Generator], Image]] = {
    "ultrasound": ultrasound,
    "xray": xray,
}


def write(kind: str, out: Path, counts: dict[str, int], seed: int) -> None:
    """The folders of one kind; each image depends on the seed, its folder and its number alone."""
    for place, (split, count) in enumerate(counts.items()):
        photographs = [photograph(name) for name in (HELD_OUT if split == "test" else TRAINING)]
        (out / split).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            random = np.random.default_rng([seed, place, number])
            image = KINDS[kind](photographs, random)
            (out / split / f"{number:03d}.png").write_bytes(png(to_levels(np.float32(image))))


def main() -> None:
    """Writes one folder."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.image_kinds", description=__doc__)
    parser.add_argument("--kind", required=True, choices=sorted(KINDS))
    parser.add_argument("--out", required=True, type=Path, help="folder to be written")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    write(arguments.kind, arguments.out, COUNTS, arguments.seed)


if __name__ == "__main__":
    main()
