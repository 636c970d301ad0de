"""Damaged and odd input at everything that reads, a few hundred cases of one seed."""

from benchmarks import fuzz


def test_a_right_result_or_one_line(tmp_path):
    assert fuzz.faults(250, 7, tmp_path) == {}
