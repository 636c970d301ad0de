"""What all figures share: sheets of images, curves, one style that leaves nothing behind."""

import io

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

from lvae.figures import canvas


def pixels(figure) -> np.ndarray:
    """The figure as it is saved, (height, width, 3)."""
    buffer = io.BytesIO()
    figure.savefig(buffer)
    return np.asarray(Image.open(buffer).convert("RGB"))


def test_every_image_of_a_sheet_stands_in_its_row_and_column():
    """Of another size in each row, and one fewer in the second."""
    shades = [[0.0, 0.4, 0.8], [1.0, 0.2]]
    rows = [[np.full((8, 8), shade) for shade in shades[0]]]
    rows.append([np.full((10, 5), shade) for shade in shades[1]])
    figure = canvas.image_rows(rows, ["one", "another"], ["a", "b", "c"], limits=(0, 1))
    (axis,) = figure.axes
    shown = pixels(figure)
    assert [text.get_text() for text in axis.get_yticklabels()] == ["one", "another"]
    assert [text.get_text() for text in axis.get_xticklabels()] == ["a", "b", "c"]
    for place, wanted in zip(axis.get_yticks(), [[*shades[0]], [*shades[1], 1.0]]):
        for middle, shade in zip(axis.get_xticks(), wanted):
            x, y = axis.transData.transform((middle, place))
            found = shown[shown.shape[0] - 1 - round(y), round(x)]
            np.testing.assert_allclose(found, 255 * shade, atol=1)


def test_without_limits_each_image_has_its_own():
    ramp = np.linspace(3, 4, 16).reshape(4, 4)
    figure = canvas.image_rows([[ramp, 50 * ramp]], [""])
    first, second = (image.get_clim() for image in figure.axes[0].images)
    assert (first, second) == ((3, 4), (150, 200))


@pytest.mark.parametrize(("values", "scale"), [([1, 5], "linear"), ([1, 50], "log")])
def test_a_panel_is_logarithmic_where_its_values_span_a_factor_of_ten(values, scale):
    rows = [{"kind": "train", "step": i, "loss": value} for i, value in enumerate(values)]
    (axis,) = canvas.loss_curves(rows, ["loss", "absent"]).axes
    assert axis.get_yscale() == scale


def test_drawing_leaves_the_callers_settings_of_matplotlib(tmp_path):
    """A notebook's own plots look as before, and still appear."""
    before = dict(mpl.rcParams)
    with canvas.styled():
        figure = canvas.image_rows([[np.eye(3)]], ["a"])
        assert mpl.rcParams["axes.prop_cycle"].by_key()["color"] == [*canvas.COLOURS]
    canvas.save(figure, tmp_path / "a.png")
    canvas.save(figure, tmp_path / "b.png")
    assert dict(mpl.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
