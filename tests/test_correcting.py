"""Labels corrected by hand: the mode, the page that copies its command, and what is written back."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from explorer_page import browser_path, chromium, opened, settled
from test_explorer_systems import drawn_by, serve_in_thread

from configs.registration_points import get_config
from lvae import configuration
from lvae.data.recordings.lasten import write_frames
from lvae.errors import UserError
from lvae.explorer import session as sessions
from lvae.explorer.session import Opened, Place, Session
from lvae.grids.labelling import UNMATCHED
from lvae.runs import modes
from lvae.tasks.grids.registration_points.correcting import CorrectOptions, known_rays, named_points
from lvae.tasks.grids.registration_points.modes import MatchOptions
from lvae.tasks.grids.registration_points.settings import Settings
from lvae.tasks.grids.registration_points.task import TASK
from lvae.tasks.grids.scale import scale_of
from lvae.tasks.restoring import Loaded
from lvae.tasks.task import Request, Run


@pytest.fixture(scope="module")
def loaded():
    """Untrained: points get the nearest row and column of a regular grid."""
    config = get_config("smoke")
    settings = configuration.parse(Settings, config)
    splits = TASK.load_data(settings)
    spec = TASK.spec(settings, splits)
    init = jax.jit(
        lambda key: TASK.init(settings, spec, key),
        compiler_options={"xla_backend_optimization_level": 0},
    )
    variables = jax.device_get(init(jax.random.key(0)))
    return Loaded(TASK, config, Run(settings, spec, variables, Path("run")))


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Two labelled frames of a regular grid, and the first one's points as a list."""
    folder = tmp_path_factory.mktemp("frames")
    row, column = np.mgrid[:18, :18]
    points = np.stack([20.0 * column + 180, 560 - 22.0 * row], -1)[None]
    points = np.concatenate([points, points + 1])
    seen = np.random.default_rng(0).random((2, 18, 18)) < 0.95
    seen[:, [0, 0, -1, -1], [0, -1, 0, -1]] = True  # corners: the network counts from them
    write_frames(folder, [1, 2], points, seen)
    (folder / "3.json").write_text(json.dumps(points[0][seen[0]].tolist()))
    return folder


@pytest.fixture
def page(loaded, frames, monkeypatch, tmp_path):
    shown = Opened(loaded, TASK.page(loaded.run, frames), None)
    monkeypatch.setattr(sessions, "opened", lambda place: shown)
    return Session(Place(tmp_path / "run", frames, tmp_path / "saved"))


def labels_of(folder, name):
    content = json.loads((folder / f"{name}.json").read_text())
    return {int(ray): tuple(point) for ray, point in content.items()}


def test_what_is_named_stays_and_the_label_that_had_its_ray_gives_way():
    kept = np.array([4, 5, 6, UNMATCHED])
    assert known_rays(None, {2: 5}) == {2: 5}
    assert known_rays(kept, {2: 5}) == {0: 4, 2: 5, 3: UNMATCHED}
    assert known_rays(kept, {0: UNMATCHED}) == {0: UNMATCHED, 1: 5, 2: 6, 3: UNMATCHED}


def test_names_are_read(loaded):
    scale = scale_of(loaded.run.spec)
    assert named_points("", 9, scale) == {}
    assert named_points("5:3:12,7:none", 9, scale) == {5: 3 * 18 + 12, 7: UNMATCHED}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5", "not of the form"),
        ("5:x:1", "not of the form"),
        ("5:3", "lacks a column"),
        ("9:3:1", "the frame has 9 points"),
        ("5:18:0", "18 rows"),
        ("5:3:1,6:3:1", "another point has this ray"),
    ],
)
def test_names_of_nothing_are_refused(loaded, text, said):
    with pytest.raises(UserError, match=said):
        named_points(text, 9, scale_of(loaded.run.spec))


def test_a_correction_is_written_under_the_frames_name_and_replaces_the_one_before(
    page, loaded, frames, tmp_path
):
    before = labels_of(frames, "1")
    order = list(before)
    point, row, column = 7, *divmod(order[9], 18)  # 7 takes the ray of 9, which has to go elsewhere
    first = page.show({"named": f"{point}:none"})
    page.save({"named": f"{point}:none"})
    saved = labels_of(tmp_path / "saved", "1")
    assert saved == {ray: at for ray, at in before.items() if ray != order[point]}
    state = {"named": f"{point}:{row}:{column}"}
    shown = page.show(state)
    assert "replaced" not in page.save(state)["message"]
    saved = labels_of(tmp_path / "saved", "1")
    assert saved[order[9]] == before[order[point]]
    rest = set(order) - {order[point], order[9]}
    assert {ray: saved[ray] for ray in rest} == {ray: before[ray] for ray in rest}
    manifest = json.loads((tmp_path / "saved" / ".lvae" / "manifest.json").read_text())
    assert [one["name"] for one in manifest["samples"]] == ["1"]
    files = drawn_by(loaded, shown["command"])
    assert files[".json"] == (tmp_path / "saved" / "1.json").read_bytes()
    assert first["command"] != shown["command"]
    page.save({"example": "2"})
    assert labels_of(tmp_path / "saved", "2") == labels_of(frames, "2")


def test_labels_are_made_anew_where_there_are_none_or_they_are_not_kept(page):
    for state in ({"example": "3"}, {"example": "1", "keep": False}):
        facts = dict(page.show(state)["facts"])
        assert int(facts["matched"]) > 100
    assert "as in the file" in facts
    assert "as in the file" not in dict(page.show({"example": "3"})["facts"])


def test_match_takes_corrections_and_says_where_they_do_not_fit(page, loaded, frames, tmp_path):
    page.save({"named": "5:none"})
    saved, out = tmp_path / "saved", tmp_path / "out"
    options = MatchOptions(video=True, corrections=str(saved))
    modes.draw(loaded, Request("match", data=frames, options=options), out)
    point = list(labels_of(frames, "1").values())[5]
    assert point not in labels_of(out, "1").values()
    manifest = json.loads((saved / ".lvae" / "manifest.json").read_text())
    manifest["samples"][0]["named"] = {"900": 1}
    (saved / ".lvae" / "manifest.json").write_text(json.dumps(manifest))
    options = dataclasses.replace(options, video=False)
    with pytest.raises(UserError, match="point 900 was named"):
        modes.draw(loaded, Request("match", data=frames, options=options), tmp_path / "other")
    (saved / ".lvae" / "manifest.json").write_text("{}")
    with pytest.raises(UserError, match="no frames that were corrected"):
        modes.draw(loaded, Request("match", data=frames, options=options), tmp_path / "other")


def test_a_frame_without_data_is_a_held_out_one(loaded):
    plan = TASK.modes["correct"].plan(loaded.run, Request("correct", options=CorrectOptions()))
    (sample,) = plan.draw(np.arange(1))
    held_out = TASK.load_data(loaded.run.settings)["validation"]
    assert plan.names == [str(held_out["id"][0])]
    assert len(sample.arrays["rays"]) == held_out["visible"][0].sum()


def test_a_point_is_clicked_and_named(page, tmp_path):
    """In Chromium: click, type, Enter, save; by keyboard, too; undo takes it back."""
    browser_path()
    with serve_in_thread(page) as address, chromium() as browser, opened(browser, address) as shown:
        svg = shown.locator("figure svg")
        box = svg.bounding_box()
        text = shown.locator(".key-points path").first.get_attribute("d")
        x, y = map(float, text[1:].split("h")[0].split())
        scale = box["width"] / svg.evaluate("svg => svg.viewBox.baseVal.width")
        shown.mouse.click(box["x"] + x * scale, box["y"] + y * scale)
        assert "point 0" in shown.locator("#naming label").inner_text()
        shown.keyboard.type("nonsense")
        shown.keyboard.press("Enter")
        assert "--named" not in shown.locator("#command").inner_text()
        shown.locator("#ray").fill("none")
        shown.keyboard.press("Enter")
        settled(shown)
        assert "--named=0:none" in shown.locator("#command").inner_text()
        assert shown.locator(".key-named path").first.get_attribute("d").startswith(f"M{x:g} {y:g}")
        assert shown.locator("#naming").is_hidden()
        shown.locator("#save").click()
        shown.get_by_text("saved as 1").wait_for()
        assert 0 not in labels_of(tmp_path / "saved", "1")
        svg.focus()
        shown.keyboard.press("ArrowRight")
        shown.keyboard.press("Enter")
        assert shown.locator("#ray").evaluate("input => input === document.activeElement")
        shown.keyboard.press("Escape")
        shown.locator("#undo").click()
        settled(shown)
        assert "--named" not in shown.locator("#command").inner_text()
        shown.locator("#example").select_option("2")
        settled(shown)
        assert "--example=2" in shown.locator("#command").inner_text()
