"""Configs: strict settings, defaults, designs, variants, JSON round trips, differences."""

import dataclasses
from typing import ClassVar, Literal

import ml_collections
import pytest

from lvae import configuration
from lvae.errors import UserError


@dataclasses.dataclass(frozen=True)
class DataSettings:
    path: str = ""


@dataclasses.dataclass(frozen=True)
class DenseModel:
    design: Literal["dense"]
    widths: tuple[int, ...]
    rate: float = 0.5
    activation: Literal["relu", "tanh"] = "relu"


@dataclasses.dataclass(frozen=True)
class ConvModel:
    design: Literal["conv"]
    kernel: tuple[int, int] = (3, 3)
    bias: bool = True

    def __post_init__(self) -> None:
        if min(self.kernel) < 1:
            raise ValueError(f"kernel={self.kernel}: must be at least 1")


@dataclasses.dataclass(frozen=True)
class DenseLoss:
    design: ClassVar[str] = "dense"
    weight: float = 1.0


@dataclasses.dataclass(frozen=True)
class ConvLoss:
    design: ClassVar[str] = "conv"
    margin: float = 2.0


@dataclasses.dataclass(frozen=True)
class Augmentation:
    turn: float = 0.1


@dataclasses.dataclass(frozen=True)
class Settings:
    data: DataSettings
    model: DenseModel | ConvModel
    loss: DenseLoss | ConvLoss
    augmentation: Augmentation | None = None
    seed: int = 0


BASE = {"model": {"design": "dense", "widths": (8, 4)}}
VARIANTS = {
    "conv": {"model": {"design": "conv"}, "augmentation": {}},
    "tiny": {"seed": 3},
    "conv:tiny": {"model": {"kernel": (1, 1)}},
}


def experiment(argument=None, base=BASE, variants=VARIANTS):
    return configuration.experiment("toy", Settings, base, variants, argument)


def parsed(**groups):
    return configuration.parse(Settings, {"task": "toy", **BASE, **groups})


def test_what_is_not_stated_is_the_default_of_its_dataclass():
    config = configuration.to_dict(experiment())
    assert config == {
        "task": "toy",
        "seed": 0,
        "data": {"path": ""},
        "model": {"design": "dense", "widths": [8, 4], "rate": 0.5, "activation": "relu"},
        "loss": {"weight": 1.0},
    }
    assert configuration.parse(Settings, experiment()).augmentation is None
    with pytest.raises(AttributeError):
        experiment().model.depth = 3  # locked


def test_a_design_has_its_own_groups_and_no_others_fields():
    base = {"model": {"design": "conv"}}
    settings = configuration.parse(Settings, experiment(base=base))
    assert settings.model == ConvModel("conv")
    assert settings.loss == ConvLoss()
    with pytest.raises(UserError, match=r"config.loss.weight: no such field; .*margin"):
        parsed(model={"design": "conv"}, loss={"weight": 2.0})
    with pytest.raises(UserError, match=r"config.model: nothing is known for design='deep'"):
        parsed(model={"design": "deep"})


def test_variants_combine_in_the_order_given():
    base = {"model": {"design": "conv"}}
    variants = VARIANTS | {"conv": {"model": {"bias": False}, "augmentation": {}}}
    alone = experiment("tiny", base, variants)
    assert (alone.seed, alone.model.kernel, alone.model.bias) == (3, (3, 3), True)
    both = experiment("conv:tiny", base, variants)
    assert (both.seed, both.model.kernel, both.model.bias) == (3, (1, 1), False)
    assert both.augmentation.turn == 0.1
    with pytest.raises(ValueError, match="'huge': no such variant; there are conv, tiny"):
        experiment("conv:huge", base, variants)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ({"sed": 3}, "config.sed: no such field; known fields: augmentation, data"),
        ({"seed": [3, 4]}, "config.seed: [3, 4] is a list; expected int"),
        ({"seed": True}, "config.seed: True is a bool; expected int"),
        ({"seed": 2.5}, "config.seed: 2.5 is a float; expected int"),
        ({"data": {"path": 3}}, "config.data.path: 3 is a int; expected str"),
        ({"data": "here"}, "config.data: 'here' is a str; expected a group"),
        ({"data": None}, "config.data: None is a NoneType; expected a group"),
        ({"model": {"design": "dense"}}, "config.model.widths: missing"),
        ({"model": {"design": "dense", "widths": 64}}, "64 is a int; expected a list"),
        ({"model": {"design": "dense", "widths": ["a"]}}, "config.model.widths[0]: 'a' is a str"),
        (
            {"model": {"design": "dense", "widths": (), "activation": "elu"}},
            "config.model.activation: 'elu' is none of relu, tanh",
        ),
        (
            {"model": {"design": "dense", "widths": (), "rate": float("inf")}},
            "config.model.rate: inf; expected a finite number",
        ),
        ({"model": {"design": "conv", "kernel": (3, 3, 3)}}, "has 3 entries; expected 2"),
        ({"model": {"design": "conv", "kernel": (0, 3)}}, "config.model: kernel=(0, 3): must be"),
        ({"model": {"design": "conv", "bias": 1}}, "config.model.bias: 1 is a int; expected bool"),
    ],
)
def test_mistakes_name_the_field_and_the_value(groups, words):
    with pytest.raises(UserError) as error:
        parsed(**groups)
    assert words in str(error.value)


def test_whole_numbers_are_floats_and_lists_are_tuples():
    settings = parsed(model={"design": "dense", "widths": [8, 4], "rate": 1})
    assert settings.model == DenseModel("dense", (8, 4), 1.0)
    assert isinstance(settings.model.rate, float)


def test_json_round_trip_and_differences():
    config = experiment()
    again = configuration.from_json(configuration.to_json(config))
    assert configuration.differences(config, again) == []
    assert configuration.parse(Settings, again) == configuration.parse(Settings, config)
    with again.unlocked():
        again.model.rate = 2
        again.e = 0
    assert configuration.differences(config, again) == ["e: absent -> 0", "model.rate: 0.5 -> 2.0"]
    for text in ("[]", "3", "{"):
        with pytest.raises(ValueError, match=r"object|Expecting"):
            configuration.from_json(text)


def test_a_config_and_its_settings_are_inverse():
    settings = Settings(DataSettings("x"), ConvModel("conv"), ConvLoss(), Augmentation(0.3), 7)
    config = configuration.to_config("toy", settings)
    assert isinstance(config, ml_collections.ConfigDict)
    assert configuration.parse(Settings, config) == settings


def test_the_first_field_that_is_too_small_is_named():
    settings = Augmentation(0.1)
    configuration.check_at_least(settings, 0.1, "turn")
    with pytest.raises(ValueError, match=r"^turn=0.1: must be at least 0.2$"):
        configuration.check_at_least(settings, 0.2, "turn")
