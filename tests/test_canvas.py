"""What the matcher sees of frames that are not square, and the fixed grid in them."""

import numpy as np
import pytest

from configs import registration
from lvae import configuration
from lvae.errors import UserError
from lvae.tasks.grids.registration.canvas import canvas_of
from lvae.tasks.grids.registration.modes import on_canvas
from lvae.tasks.grids.registration.settings import Settings
from lvae.tasks.task import Spec

LASTEN = ((768, 768), (18, 18), (18.66, 22.91))
OTHERS = [
    ((256, 256), (18, 18), (6.22, 7.64)),
    ((256, 512), (18, 18), (6.22, 7.64)),
    ((512, 256), (7, 7), (24.0, 24.0)),
    ((1920, 1080), (10, 14), (70.0, 75.0)),
    ((640, 480), (14, 14), (20.0, 20.0)),
]


def canvas(frame, grid, pitch, **changes):
    settings = configuration.parse(
        Settings, configuration.changed(registration.get_config(), changes)
    )
    fields = {"visible": np.zeros(grid, bool)}
    return canvas_of(settings, Spec(fields, 1, {"frame": list(frame), "pitch": list(pitch)}))


def test_lastens_canvas_is_the_frame_itself():
    found = canvas(*LASTEN)
    assert (found.factor, found.size, found.pool, found.images) == (1.0, (768, 768), 4, (192, 192))
    assert found.rendering == 1.0
    assert found.unit == pytest.approx(32.0, abs=0.05)  # px, as before there were pitches
    rays = found.rays()
    # fix.json: point 0 at [112, 656], 32 px apart; the pitch's own rounding is 0.05 %.
    np.testing.assert_allclose(rays[0, 0], [112, 656], atol=0.2)
    np.testing.assert_allclose(np.diff(rays[0, :, 0]), 32, rtol=2e-3)


@pytest.mark.parametrize(("frame", "grid", "pitch"), OTHERS)
def test_any_frame_fills_its_canvas_and_holds_its_fixed_grid(frame, grid, pitch):
    found = canvas(frame, grid, pitch)
    width, height = frame
    assert max(width, height) * found.factor == pytest.approx(768)
    for side, shown in zip(found.size, frame):
        assert side % (found.pool * 2**4) == 0  # the network halves an image four times
        # Whole blocks of pixels, and no block more than needed.
        assert 0 <= side - round(shown * found.factor) < found.pool * 2**4
    high, wide = found.images
    assert (wide * found.pool, high * found.pool) == found.size
    rays = found.rays()
    assert rays.shape == (*grid, 2)
    assert (rays.min((0, 1)) > 0).all()
    assert (rays.max((0, 1)) < frame).all()
    np.testing.assert_allclose(rays.mean((0, 1)), np.array(frame) / 2, atol=1e-3)
    assert (np.diff(rays[..., 0], axis=1) > 0).all()
    assert (np.diff(rays[..., 1], axis=0) < 0).all()  # row 0 is the lowest


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(("frame", "grid", "pitch"), [LASTEN, *OTHERS])
def test_an_image_lies_in_the_upper_left_corner_at_the_canvas_scale(frame, grid, pitch, axis):
    """A ramp stays a ramp: of value v at the share v of the frame's width or height."""
    found = canvas(frame, grid, pitch)
    width, height = frame
    length = (height, width)[axis]
    ramp = (np.arange(length) + 0.5) / length
    image = np.floor(256 * np.broadcast_to(ramp if axis else ramp[:, None], (height, width)))
    seen = on_canvas(image.astype(np.uint8), found)
    assert seen.shape == found.images
    high, wide = (round(side * found.factor / found.pool) for side in (height, width))
    assert not seen[high:].any()
    assert not seen[:, wide:].any()
    count = (high, wide)[axis]
    wanted = (np.arange(count) + 0.5) / count
    # A grey level is 1 / 256 wide; Pillow's box takes whole pixels, so half a pixel at either end.
    inside = np.moveaxis(seen[:high, :wide], axis, -1)
    np.testing.assert_allclose(
        inside, np.broadcast_to(wanted, inside.shape), atol=1 / 255 + 0.5 / length
    )


def test_a_set_a_third_as_large_is_seen_the_same():
    large, small = canvas(*LASTEN), canvas((256, 256), (18, 18), (18.66 / 3, 22.91 / 3))
    assert small.factor == pytest.approx(3 * large.factor)
    assert (small.size, small.pool, small.rendering) == (large.size, large.pool, large.rendering)
    assert small.unit == pytest.approx(large.unit)
    np.testing.assert_allclose(3 * small.rays(), large.rays(), rtol=1e-5)


def test_points_closer_than_pixels_are_refused():
    with pytest.raises(UserError, match=r"config\.model\.size=16: 64 x 64 points .* raise it"):
        canvas((256, 256), (64, 64), (3.0, 3.0), **{"model.size": 16})
