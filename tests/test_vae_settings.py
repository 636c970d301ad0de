"""Groups of a laser-grid config: each design has its own, and no field that it ignores."""

import pytest

from configs import default, notebook
from lvae import configuration
from lvae.errors import UserError
from lvae.tasks.grids.vae.settings import (
    NotebookSamplingSettings,
    OrderedSamplingSettings,
    Settings,
)

CONFIGS = {"default": default, "notebook": notebook}


def parsed(name, **changes):
    return configuration.parse(Settings, configuration.changed(CONFIGS[name].get_config(), changes))


def test_each_design_has_its_own_groups():
    ordered, plain = parsed("default"), parsed("notebook")
    assert isinstance(ordered.sampling, OrderedSamplingSettings)
    assert type(plain.sampling) is NotebookSamplingSettings
    assert plain.augmentation is None
    assert hash(ordered) != hash(plain)  # static arguments of compiled programs
    assert ordered == parsed("default")


@pytest.mark.parametrize(
    ("name", "changes", "complaint"),
    [
        ("notebook", {"data.extra_recordings": 2}, "data.extra_recordings: no such field"),
        ("notebook", {"sampling.prior": "mixture"}, "sampling.prior: no such field"),
        ("notebook", {"augmentation": {}}, "the design notebook has none; leave the group out"),
        ("notebook", {"loss.kl_weight": 1.0}, "loss.kl_weight: no such field"),
        ("default", {"augmentation": None}, "the design ordered has such a group; add it"),
        ("default", {"model.design": "disordered"}, "model: nothing is known for design='dis"),
        ("default", {"sampling.prior": "uniform"}, "sampling.prior: 'uniform' is none of mix"),
        ("default", {"model.latents": 6}, "latents must be above 6"),
        ("default", {"model.hidden": [512]}, "model.hidden: .512. is a list; expected int"),
        ("default", {"augmentation.mirror": 1.5}, "mirror=1.5: must be in"),
        ("default", {"sampling.corners": [0, 1, 2]}, "3 entries; expected 4"),
        ("default", {"data.rows": 4}, "rows=4: must be 5 to 64"),
        ("default", {"data.width": 0}, "width=0, height=768: both must be 0, or none"),
        ("default", {"data.folds": "6/5"}, "folds: .6/5. is no fold"),
        ("default", {"model.gap": [-0.1, 0.2]}, "gap must be at least 0"),
        ("default", {"data.extra_length": 0}, "extra_length=0: must be at least 1"),
        ("default", {"evaluation.samples": 0}, "samples=0: must be at least 1"),
    ],
)
def test_what_does_not_fit_is_named(name, changes, complaint):
    with pytest.raises(UserError, match=complaint):
        parsed(name, **changes)
