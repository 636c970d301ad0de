"""Points in mm as files, read back by what others read them with."""

import io

import numpy as np
import pytest

from lvae.grids.point_clouds import npz, ply

POSITIONS = np.array([[[1.5, -2.25, 30.0], [0.125, 4.0, 31.5]], [[np.nan] * 3, [7.0, 8.0, 33.0]]])
ERRORS = np.array([[0.01, 0.02], [np.nan, 0.5]])
PIXELS = np.array([[[10.0, 20.0], [30.0, 20.5]], [[np.nan] * 2, [30.0, 5.0]]])


def test_the_archive_has_the_order_of_rays_and_gaps():
    with np.load(io.BytesIO(npz(POSITIONS, ERRORS, PIXELS))) as found:
        assert sorted(found) == ["error_mm", "points_mm", "points_px"]
        np.testing.assert_array_equal(found["points_mm"], POSITIONS)
        np.testing.assert_array_equal(found["error_mm"], ERRORS)
        np.testing.assert_array_equal(found["points_px"], PIXELS)


@pytest.mark.parametrize("count", [3, 0])
def test_the_cloud_is_a_binary_ply(count):
    """By the format's description: header lines, then the vertices' properties in their order."""
    seen = np.isfinite(ERRORS)
    positions, errors = POSITIONS[seen][:count], ERRORS[seen][:count]
    content = ply(positions, errors)
    header, data = content.split(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    assert f"element vertex {count}" in lines
    properties = [line.split()[1:] for line in lines if line.startswith("property")]
    assert properties == [["float", name] for name in ("x", "y", "z", "error")]
    table = np.frombuffer(data, np.dtype([(name, "<f4") for _, name in properties]))
    assert len(table) == count
    for axis, name in enumerate("xyz"):
        np.testing.assert_array_equal(table[name], positions[:, axis].astype(np.float32))
    np.testing.assert_array_equal(table["error"], errors.astype(np.float32))


def test_a_viewer_s_library_reads_the_cloud(tmp_path):
    meshio = pytest.importorskip("meshio")
    seen = np.isfinite(ERRORS)
    (tmp_path / "1.ply").write_bytes(ply(POSITIONS[seen], ERRORS[seen]))
    cloud = meshio.read(tmp_path / "1.ply")
    np.testing.assert_array_equal(cloud.points, POSITIONS[seen].astype(np.float32))
    np.testing.assert_array_equal(cloud.point_data["error"], ERRORS[seen].astype(np.float32))
