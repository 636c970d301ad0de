"""Every shipped config and variant: what it resolves to, and that its task takes it."""

import importlib
import json
from pathlib import Path

import pytest

from lvae import configuration
from lvae.tasks import registry

ROOT = Path(__file__).parent.parent
# What each config resolved to when configs still spelled every field out. A value that changes
# here changes results: say so in the changelog.
RESOLVED = json.loads((ROOT / "tests" / "resolved_configs.json").read_text())
NAMES = sorted(path.stem for path in (ROOT / "configs").glob("[!_]*.py"))


def flat(config, prefix=""):
    fields = {}
    for name, value in config.items():
        if isinstance(value, dict):
            fields |= flat(value, f"{prefix}{name}.")
        else:
            fields[f"{prefix}{name}"] = value
    return fields


def resolved(name):
    file, _, variant = name.partition(":")
    config = importlib.import_module(f"configs.{file}").get_config(variant or None)
    return configuration.to_dict(config)


@pytest.mark.parametrize("name", sorted(RESOLVED))
def test_values_are_what_they_were(name):
    """Fields that a design ignores are gone; the others have the value they had."""
    before, now = flat(RESOLVED[name]), flat(resolved(name))
    assert {field: before.get(field) for field in now} == now


@pytest.mark.parametrize("name", NAMES)
def test_every_variant_is_one_that_the_task_takes(name):
    module = importlib.import_module(f"configs.{name}")
    for variant in (None, *module.VARIANTS):
        config = module.get_config(variant)
        task = registry.find(config.task)
        settings = configuration.parse(task.settings, config)
        assert configuration.to_dict(configuration.to_config(config.task, settings)) == (
            configuration.to_dict(config)
        )
    assert any("smoke" in variant for variant in module.VARIANTS)
    with pytest.raises(ValueError, match="'no': no such variant; there are"):
        module.get_config("no")


def test_a_config_file_states_what_its_experiment_sets():
    """Short, since defaults stand in the settings' dataclasses."""
    for name in NAMES:
        lines = (ROOT / "configs" / f"{name}.py").read_text().splitlines()
        assert len(lines) <= 120, name
