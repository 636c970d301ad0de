"""docs/formats.md: its training loops run as they are written, on data sets written here."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from lvae.runs.export import writer
from lvae.tasks.grids import samples
from lvae.tasks.task import Plan

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"


def loops():
    """The page's Python by the heading above it."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    found = [
        (text.splitlines()[0], re.search(r"```python\n(.*?)```", text, re.S)) for text in sections
    ]
    return {title: match.group(1) for title, match in found if match}


def draw(indices):
    """Regular grids, each a little further to the right, so that a point says which sample it
    is."""
    x = 100 + 30 * np.arange(18)[np.newaxis, :] + np.zeros((18, 1))
    y = 700 - 30 * np.arange(18)[:, np.newaxis] + np.zeros((1, 18))
    points = [np.stack([x + index, y], axis=-1) for index in indices]
    visible = np.ones((len(points), 18, 18), dtype=bool)
    visible[:, 3, 4] = False
    ids = [40_000 + index for index in indices.tolist()]
    return samples.grid_samples(ids, np.stack(points), visible, (768, 768), [{}] * len(ids))


@pytest.mark.parametrize(
    ("title", "format", "package"),
    [
        ("Reading `files` (Grain, JAX)", "files", "grain"),
        ("Reading `webdataset`", "webdataset", "webdataset"),
        ("Reading `parquet` (Grain, JAX)", "parquet", "grain"),
        ("Without images: draw them on the device", "parquet", "pyarrow"),
    ],
)
# Both packages leave their files to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_training_loop_reads_every_sample_with_its_image(tmp_path, title, format, package):
    pytest.importorskip(package)
    plan = Plan(
        *(samples.names(32), samples.SUFFIXES, draw),
        block=16,
        schema=lambda: samples.schema(18 * 18),
    )
    writer.write_data_set(tmp_path, plan, {}, writer.Layout(format, samples_per_file=16))
    seen = []

    def step(moving, points):
        assert moving.shape == (16, 384, 384)
        assert points.shape == (16, 18, 18, 2)
        for image, grid in zip(np.asarray(moving), np.asarray(points)):
            assert (grid[3, 4] == 0).all()
            x, y = (grid[9, 9] / 2).astype(int)
            # The dot of the middle point is where its label says, and the gap beside it darker.
            assert image[y - 2 : y + 3, x - 2 : x + 3].max() > 1.5 * image[y - 7, x - 7]
            assert image[y - 2 : y + 3, x - 2 : x + 3].max() > 0.6
            seen.append(int(grid[0, 0, 0]) - 100)
        return jnp.float32(0)

    exec(loops()[title], {"DIR": str(tmp_path), "EPOCHS": 1, "STEPS": 2, "step": step})
    if title.startswith("Reading"):
        assert sorted(seen) == list(range(32))
        assert seen != list(range(32))  # shuffled
    else:
        assert len(seen) == 32
