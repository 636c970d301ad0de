"""The pieces of the contract that tasks call."""

import dataclasses
from pathlib import Path

from toy_task import TRAINING, ToyData, ToySettings

from lvae.tasks.task import with_data


def test_the_input_of_a_mode_takes_the_place_of_the_training_data_alone():
    settings = ToySettings(TRAINING, ToyData("there"), seed=8)
    assert with_data(settings, None) is settings
    assert with_data(settings, Path("here")) == dataclasses.replace(settings, data=ToyData("here"))
    assert settings.data.path == "there"
