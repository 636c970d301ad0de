"""Configs: typed sections, JSON round trips, differences."""

import dataclasses

import ml_collections
import pytest

from lvae import configuration
from lvae.errors import UserError


@dataclasses.dataclass(frozen=True)
class Section:
    width: int
    rate: float
    sizes: tuple
    name: str = "x"


def test_section_converts_lists_and_whole_floats():
    section = configuration.section(Section, {"width": 3, "rate": 1, "sizes": [1, 2]}, "model")
    assert section == Section(3, 1.0, (1, 2))
    assert isinstance(section.rate, float)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"width": 3, "rate": 1.0, "sizes": (), "widht": 4}, "config.model.widht: no such field"),
        ({"width": 3, "sizes": ()}, "config.model.rate: missing"),
        ({"width": 2.5, "rate": 1.0, "sizes": ()}, "config.model.width: 2.5 is a float"),
        ({"width": True, "rate": 1.0, "sizes": ()}, "config.model.width: True is a bool"),
    ],
)
def test_mistakes_name_the_field(values, words):
    with pytest.raises(UserError) as error:
        configuration.section(Section, values, "model")
    assert words in str(error.value)


def test_json_round_trip_and_differences():
    config = ml_collections.ConfigDict({"a": {"b": 1, "c": (1, 2)}, "d": "x"})
    again = configuration.from_json(configuration.to_json(config))
    assert configuration.differences(config, again) == []
    with again.unlocked():
        again.a.b = 2
        again.e = 0
    assert configuration.differences(config, again) == ["a.b: 1 -> 2", "e: absent -> 0"]
