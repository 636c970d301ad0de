"""The page of a run: everything in one file, nothing from the network."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from commands import complaint, run
from PIL import Image

import lvae
from lvae.runs import report


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with a name that HTML must not take for a tag."""
    workdir = tmp_path_factory.mktemp("report") / "a <b> run"
    trained = lvae.train("denoise_mlp:smoke", workdir=workdir)
    return trained, workdir


def test_the_page_holds_numbers_figures_and_config(trained):
    _, workdir = trained
    text = report.page(workdir)
    page = Reader(text)
    assert "a <b> run" in page.text
    assert ("b", {}) not in page.tags
    assert "validation_psnr" in page.text
    assert '"batch_size": 8' in page.text
    images = [attributes["src"] for tag, attributes in page.tags if tag == "img"]
    figures = [path for path in (workdir / "figures").iterdir() if path.stem != "losses"]
    assert len(images) == len(figures) + 1  # the curves
    for source in images:
        content = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        with Image.open(io.BytesIO(content)) as picture:
            picture.verify()


def test_the_page_asks_for_nothing(trained):
    page = Reader(report.page(trained[1]))
    assert not [tag for tag, _ in page.tags if tag in ("script", "link", "iframe")]
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    policies = [attributes.get("content", "") for tag, attributes in page.tags if tag == "meta"]
    assert any("default-src 'none'" in policy for policy in policies)
    assert not re.search(r"url\(|@import", report.page(trained[1]))


def test_mistakes(tmp_path):
    words = ("-c", "from lvae.commands.main import main; main()", "report")
    assert "no such run directory" in complaint(run(*words, tmp_path / "absent"))
    assert "no trained run" in complaint(run(*words, tmp_path))


def test_the_run_gives_its_data_and_arrays_on_a_device(trained):
    import jax
    import numpy as np

    splits = trained[0].load_data()
    assert set(splits) == {"train", "validation", "test"}
    assert splits["train"]["image"].dtype == np.uint8
    device = jax.devices()[0]
    host, placed = (trained[0].draw("corrupt", 3, device=place) for place in (None, device))
    assert placed["image"].devices() == {device}
    np.testing.assert_array_equal(placed["image"], host["image"])
    assert isinstance(placed["name"], np.ndarray)
