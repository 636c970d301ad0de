"""The explorer's page of every system: what it shows is what its command draws; untrained networks."""

import argparse
import contextlib
import shlex
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pytest
from explorer_page import browser_path, chromium, opened, settled, shown_png

from configs import autoencoder, denoise_mlp, patches, pixelcnn_brain, registration, vqvae_brain
from lvae import configuration
from lvae.commands import arguments
from lvae.data.volumes import nifti_bytes
from lvae.errors import UserError
from lvae.explorer import session as sessions
from lvae.explorer.session import Opened, Place, Session
from lvae.tasks import registry
from lvae.tasks.brain.prior import below
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request, Run

CONFIGS = {
    "autoencoder": (autoencoder, "variational:smoke"),
    "denoise": (denoise_mlp, "smoke"),
    "patches": (patches, "smoke"),
    "prior": (pixelcnn_brain, "smoke"),
    "registration": (registration, "smoke"),
    "vqvae": (vqvae_brain, "smoke"),
}
MOVES = {
    "autoencoder": {"z0": 1.5, "factor": 0.5},
    "denoise": {"noise": "speckle", "strength": 0.4, "example": 3},
    "patches": {"z0": -2.0},
    "prior": {"painted": "3:3,3:4,4:3", "factor": 0.5, "seed": 3},
    "registration": {"moved": "5:300:310"},
    "vqvae": {"painted": "3:3,4:4", "code": 7},
}


@pytest.fixture(scope="module")
def loaded():
    """Untrained runs by name, made once."""
    made: dict[str, Loaded] = {}

    def load(name: str) -> Loaded:
        if name not in made:
            module, variant = CONFIGS[name]
            made[name] = untrained(module.get_config(variant), made_codec=load)
        return made[name]

    return load


def untrained(config, made_codec) -> Loaded:
    """A run as its task begins it; a prior above an untrained codec."""
    task = registry.find(config.task)
    with pytest.MonkeyPatch.context() as patch:
        if config.task == "pixelcnn":
            codec = made_codec("vqvae")
            found = below.Below(Path("codec"), codec.config, codec.run.settings)
            patch.setattr(below, "find", lambda settings: found)
            patch.setattr(below, "trained", lambda settings: below.codec_of(codec.run))
        settings = configuration.parse(task.settings, config)
        splits = task.load_data(settings)
        spec = task.spec(settings, splits)
        variables = jax.device_get(task.init(settings, spec, jax.random.key(0)))
        variables = task.prepare(settings, variables, splits)
    return Loaded(task, config, Run(settings, spec, variables, Path("run")))


@pytest.fixture
def explored(loaded, monkeypatch, tmp_path):
    """A session of an untrained run."""

    def explore(name: str, data: Path | None = None) -> Session:
        run = loaded(name)
        page = Opened(run, run.task.page(run.run, data), None)
        monkeypatch.setattr(sessions, "opened", lambda place: page)
        return Session(Place(tmp_path / "run", data, tmp_path / "saved"))

    return explore


def drawn_by(loaded: Loaded, command: str) -> dict[str, bytes]:
    """The files of the sample that a copied command asks for."""
    words = [word for word in shlex.split(command)[2:] if not word.startswith("--out=")]
    parser = argparse.ArgumentParser()
    for flag, kind in (("--workdir", str), ("--mode", str), ("--data", Path), ("--seed", int)):
        parser.add_argument(flag, type=kind)
    parser.add_argument("--num_samples", type=int)
    chosen, rest = parser.parse_known_args(words)
    mode = loaded.task.modes[chosen.mode]
    options = arguments.mode_options(chosen.mode, mode.options, rest, mode.help)
    request = Request(chosen.mode, chosen.seed, chosen.num_samples, chosen.data, options)
    plan = mode.plan(loaded.run, request)
    (sample,) = plan.draw(np.arange(len(plan.names)))
    files = sample.encode().files
    assert tuple(files) == tuple(plan.suffixes)
    return dict(files)


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_saved_is_what_the_command_draws(loaded, explored, tmp_path, name):
    session = explored(name)
    before, after = session.show({}), session.show(MOVES[name])
    sources = [[picture["source"] for picture in shown["pictures"]] for shown in (before, after)]
    assert sources[0][0] != sources[1][0]
    session.save({})
    session.save(MOVES[name])
    written = sorted((tmp_path / "saved").glob("[0-9]*"))
    for number, shown in enumerate((before, after)):
        files = drawn_by(loaded(name), shown["command"])
        names = written[number * len(files) : (number + 1) * len(files)]
        assert {path.read_bytes() for path in names} == set(files.values())


def test_a_volume_is_shown_slice_by_slice(loaded, explored, tmp_path):
    side = np.linspace(-1, 1, 64)
    x, y = np.meshgrid(side, side, indexing="ij")
    head = (x**2 + y**2 < 0.8)[..., None] * (1 + 0.2 * np.cos(9 * x)[..., None])
    volume = np.repeat(head, 5, axis=2).astype(np.float32)
    volume[20:26, 30:36, 3] *= 4
    path = tmp_path / "scan.nii.gz"
    path.with_suffix("").write_bytes(nifti_bytes(volume, np.diag([1.0, 1.0, 5.0, 1.0])))
    session = explored("patches", path.with_suffix(""))
    (control,) = session.describe()["controls"]
    assert (control["least"], control["most"], control["kind"]) == (0, 4, "whole")
    shown = [session.show({"slice": place})["pictures"] for place in (0, 3)]
    assert [picture["title"] for picture in shown[0]] == ["slice", "heat"]
    assert shown[0][0]["source"] != shown[1][0]["source"]
    assert "--mode=anomaly" in session.show({})["command"]


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("vqvae", {"painted": "3:99"}, "the map has"),
        ("prior", {"painted": "x"}, "not of the form"),
        ("registration", {"moved": "0:9999:0"}, "768 x 768"),
        ("denoise", {"noise": "fog"}, "no such choice"),
    ],
)
def test_values_of_a_strange_address_are_refused(explored, name, state, said):
    with pytest.raises(UserError, match=said):
        explored(name).show(state)


@pytest.fixture(scope="module")
def browser():
    browser_path()
    with chromium() as started:
        yield started


@contextlib.contextmanager
def serve_in_thread(session: Session) -> Iterator[str]:
    """The address of a page that is answered by a thread of this process."""
    uvicorn = pytest.importorskip("uvicorn")
    from lvae.explorer import server

    listening = server.listen("127.0.0.1", None, 18717, 100)
    app = server.application(session, "token", frozenset())
    served = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=served.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/#token=token"
    finally:
        served.should_exit = True
        thread.join()
        listening.close()


@pytest.fixture
def served(explored):
    with contextlib.ExitStack() as running:
        yield lambda name: running.enter_context(serve_in_thread(explored(name)))


def middle(page, row: int, column: int) -> tuple[float, float]:
    """A cell of the first picture, on the screen."""
    box = page.locator("figure svg").first.bounding_box()
    edge = box["width"] / 8
    return box["x"] + (column + 0.5) * edge, box["y"] + (row + 0.5) * edge


def test_a_painted_region_is_drawn_anew(browser, served):
    with opened(browser, served("prior")) as page:
        before = shown_png(page)
        page.mouse.move(*middle(page, 3, 2))
        page.mouse.down()
        page.mouse.move(*middle(page, 3, 5), steps=8)
        page.mouse.up()
        settled(page)
        assert page.locator("rect.painted").count() == 4
        assert "--painted=3:2,3:3,3:4,3:5" in page.locator("#command").inner_text()
        painted = shown_png(page)
        assert painted != before
        page.locator("figure svg").first.focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Space")
        settled(page)
        assert page.locator("rect.painted").count() == 5
        page.locator("#undo").click()
        settled(page)
        assert shown_png(page) == painted
        page.locator("#reset").click()
        settled(page)
        assert shown_png(page) == before
        assert page.locator("rect.painted").count() == 0


def test_a_dragged_point_is_matched_anew(browser, served):
    with opened(browser, served("registration")) as page:
        before = shown_png(page)
        svg = page.locator("figure svg")
        box = svg.bounding_box()
        path = page.locator(".key-points path").get_attribute("d")
        x, y = map(float, path[1:].split("h")[0].split())
        scale = box["width"] / 768
        page.mouse.move(box["x"] + x * scale, box["y"] + y * scale)
        assert f"x {x:.0f}, y {y:.0f}" in page.locator("#pointed").inner_text()
        page.mouse.down()
        page.mouse.move(box["x"] + (x + 40) * scale, box["y"] + y * scale, steps=4)
        page.mouse.up()
        settled(page)
        assert shown_png(page) != before
        moved = page.locator("#command").inner_text().split("--moved=")[1].split()[0]
        index, left, top = map(int, moved.split(":"))
        assert index == 0
        assert abs(left - x - 40) <= 1
        assert abs(top - y) <= 1
        page.locator("#undo").click()
        settled(page)
        assert shown_png(page) == before


def test_a_port_that_is_taken_is_said():
    server = pytest.importorskip("lvae.explorer.server")
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(UserError, match="cannot be listened on"),
    ):
        server.listen("127.0.0.1", taken.getsockname()[1], 0, 0)
