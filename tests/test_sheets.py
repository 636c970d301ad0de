import io

import numpy as np
import pytest
from PIL import Image

from lvae.imaging.sheets import contact_sheet, png, stacked


def flat(value, height=2, width=2):
    return np.full((height, width), value, np.uint8)


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (64, 200)])
def test_a_png_holds_the_image(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png(image))) as read:
        assert read.mode == "L"
        assert np.array_equal(np.asarray(read), image)


def test_large_images_are_shrunk_and_each_is_in_its_place():
    images = [flat(value, 40, 60) for value in (10, 20, 30, 40)]
    sheet = contact_sheet(images, columns=3, largest=30)
    assert sheet.shape == (2 * (20 + 4) + 4, 3 * (30 + 4) + 4)
    assert [sheet[14, 4 + 34 * column + 15] for column in range(3)] == [10, 20, 30]
    assert sheet[38, 19] == 40
    assert sheet[38, 60] == 255


def test_shrinking_takes_means_and_lifts_them():
    image = np.zeros((4, 4), np.uint8)
    image[0, 0] = 200
    image[2:, 2:] = 180
    options = {"largest": 2, "gap": 0}
    assert contact_sheet([image], **options).tolist() == [[50, 0], [0, 180]]
    assert contact_sheet([image], **options, lift=1.6).tolist() == [[80, 0], [0, 255]]
    # what is not shrunk is not lifted
    assert contact_sheet([image], gap=0, lift=1.6).tolist() == image.tolist()


def test_small_images_are_enlarged_by_one_whole_factor():
    images = [np.array([[1, 2, 3]], np.uint8), flat(9)]
    sheet = contact_sheet(images, columns=2, smallest=8, gap=1, ground=0)  # 8 // 3 = 2
    expected = [
        [0] * 12,
        [0, 1, 1, 2, 2, 3, 3, 0, 9, 9, 9, 9],
        [0, 1, 1, 2, 2, 3, 3, 0, 9, 9, 9, 9],
        [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9],
        [0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9],
        [0] * 12,
    ]
    assert sheet[:, :12].tolist() == expected
    assert sheet.shape == (6, 13)


def test_edge_to_edge_is_a_plain_table():
    patches = np.random.default_rng(1).integers(0, 256, (5, 3, 3), dtype=np.uint8)
    sheet = contact_sheet(list(patches), columns=2, gap=0, ground=0)
    expected = np.block(
        [[patches[0], patches[1]], [patches[2], patches[3]], [patches[4], patches[4]]]
    )
    expected[6:, 3:] = 0
    np.testing.assert_array_equal(sheet, expected)


def test_columns_and_rows_are_as_large_as_their_largest_image():
    images = [flat(1, 2, 5), flat(2, 4, 1), flat(3, 1, 2), flat(4, 1, 3)]
    sheet = contact_sheet(images, columns=2, gap=1, ground=0)
    assert sheet.shape == (1 + 4 + 1 + 1 + 1, 1 + 5 + 1 + 3 + 1)
    for value, top, left, height, width in (
        (1, 1, 1, 2, 5),
        (2, 1, 7, 4, 1),
        (3, 6, 1, 1, 2),
        (4, 6, 7, 1, 3),
    ):
        np.testing.assert_array_equal(
            np.argwhere(sheet == value)[[0, -1]],
            [[top, left], [top + height - 1, left + width - 1]],
        )


def test_groups_stand_one_below_the_other_in_bands():
    pairs = [(flat(10 * n, 1, 1), flat(10 * n + 1, 1, 1)) for n in range(1, 6)]
    sheet = contact_sheet(stacked(pairs, columns=3), columns=3, gap=0, ground=7)
    assert sheet.tolist() == [[10, 20, 30], [11, 21, 31], [40, 50, 7], [41, 51, 7]]


def test_no_images_give_a_sheet_that_is_a_png():
    for sheet in (contact_sheet([]), contact_sheet(stacked([]))):
        with Image.open(io.BytesIO(png(sheet))) as read:
            assert np.asarray(read).min() == 255
