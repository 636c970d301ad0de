"""The utility benchmark's table and training sets, without training."""

import argparse
import dataclasses

import pytest

from benchmarks import utility
from lvae import configuration
from lvae.errors import UserError
from lvae.tasks.grids.registration.settings import Settings


def options(**changes):
    values = {"data": "", "rows": "", "generated": [], "full": False, "smoke": False}
    return argparse.Namespace(**(values | changes))


@pytest.mark.parametrize("full", [False, True])
def test_every_row_is_a_valid_config_and_differs_in_its_training_set_only(full):
    configs = [
        utility._config(row, ["a", "b"] if row.drawn else [], options(full=full), 3, 2e-3, 70)
        for row in utility.ROWS.values()
    ]
    kinds = set()
    for config, row in zip(configs, utility.ROWS.values()):
        settings = configuration.parse(Settings, config)
        assert settings.training_set.folders() == (["a", "b"] if row.drawn else [])
        assert settings.augmentation.share == (1.0 if row.posed else row.classical)
        assert (settings.augmentation.warp_x == 0.0) == row.posed  # shapes stay as they were drawn
        assert (config.seed, config.training.steps, config.training.learning_rate) == (3, 70, 2e-3)
        assert config.training == configs[0].training
        assert config.model == configs[0].model
        kinds.add(dataclasses.astuple(row))
    assert len(kinds) == len(utility.ROWS)


def test_rows_are_chosen_and_added():
    asked = options(rows="mine, real", generated=["mine=x,y"])
    rows = utility._rows(asked)
    assert list(rows) == ["real", "mine"]
    assert rows["mine"].folders == ("x", "y")
    with pytest.raises(UserError, match="no row"):
        utility._rows(options(rows="reel"))
    with pytest.raises(UserError, match="NAME=DIR"):
        utility._rows(options(generated=["x"]))


def test_table_compares_wrong_matches_with_classical():
    def run(accuracy):
        return {
            "error_px": 2.0,
            "accuracy": accuracy,
            "repaired_accuracy": 1.0,
            "faultless_frames": 0.5,
            "worst": accuracy - 0.1,
        }

    lines = utility._table(
        {
            "classical": {"learning_rate": 1e-3, "runs": [run(0.88), run(0.92)]},
            "mine": {"learning_rate": 2e-3, "runs": [run(0.96), run(0.98)]},
        }
    )
    assert [line["wrong / classical's"] for line in lines] == ["1.00", "0.30"]
    assert lines[0]["accuracy"] == "0.9000 ± 0.0283"
    assert lines[1]["worst recording"] == "0.870 ± 0.014"
