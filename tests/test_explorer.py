"""The explorer of a laser-grid run, in a real browser and without one."""

import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, complaint, run
from explorer_page import (
    ask,
    browser_path,
    chromium,
    opened,
    pixels,
    serving,
    settled,
    shown_pixels,
    shown_png,
)

from configs import default
from lvae.data.lasten import GridGeometry, read_frames
from lvae.errors import UserError
from lvae.explorer.session import Place, Session
from lvae.runs import loop, modes
from lvae.tasks import registry, restoring
from lvae.tasks.grids.vae.modes import NoiseOptions
from lvae.tasks.task import Request

LATENTS = 12  # of :smoke


@pytest.fixture(scope="module")
def workdir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("explorer") / "run"
    loop.train(registry.find("laser_grid"), default.get_config("smoke"), folder)
    return folder


@pytest.fixture(scope="module")
def address(workdir):
    browser_path()
    with serving(f"--workdir={workdir}", f"--out={workdir.parent / 'saved'}") as printed:
        yield printed


@pytest.fixture(scope="module")
def browser(address):
    with chromium() as started:
        yield started


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_slider_changes_the_picture_to_the_bytes_of_the_copied_command(browser, address):
    with opened(browser, address) as page:
        before = shown_png(page)
        page.locator("#z3").focus()
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        page.locator("#factor").focus()
        page.keyboard.press("ArrowRight")
        settled(page)
        assert page.locator("#z3").input_value() == "1.5"
        picture, shown = shown_png(page), shown_pixels(page)
        page.locator("#copy").click()
        page.get_by_text("copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
    assert picture != before
    words = shlex.split(copied)
    assert words[:2] == ["lvae", "sample"]
    done = run(ROOT / "sample.py", *words[2:])
    assert done.returncode == 0, done.stderr
    written = files(Path(words[-1].removeprefix("--out=")))
    assert written["40000_mov.png"] == picture
    np.testing.assert_array_equal(shown, pixels(written["40000_mov.png"]))
    (sample,) = json.loads(written["manifest.json"])["samples"]
    assert len(sample["code"]) == LATENTS


def test_saved_samples_are_a_set_that_readers_take(browser, address, workdir):
    pictures = []
    with opened(browser, address + "&z1=1&seed=4") as page:
        for place in ("0", "4"):  # of two recordings
            page.locator("#group").select_option(label="0" if place == "0" else "1")
            settled(page)
            pictures.append(shown_png(page))
            page.locator("#save").click()
            page.get_by_text("in all").wait_for()
            page.evaluate("document.getElementById('message').textContent = ''")
    saved = workdir.parent / "saved"
    manifest = json.loads((saved / ".lvae" / "manifest.json").read_text())
    assert manifest["counts"] == {"samples": 2}
    assert [sample["name"] for sample in manifest["samples"]] == ["40000", "40001"]
    for sample, picture in zip(manifest["samples"], pictures):
        assert (saved / f"{sample['id']}_mov.png").read_bytes() == picture
        assert (sample["seed"], sample["options"]["shift"]) == (4, "1:1")
        assert len(sample["code"]) == LATENTS
    assert manifest["samples"][1]["options"]["example"] == "4"
    frames = read_frames(saved, GridGeometry(minimum_visible=0, recording_length=2))
    assert frames.ids.tolist() == [40000, 40001]
    assert [int(seen.sum()) for seen in frames.visible] == [
        sample["points"] for sample in manifest["samples"]
    ]


def marks(page):
    """Places of the map's marks on the screen."""
    return page.evaluate(
        """() => [...document.querySelectorAll('#map .mark, #map .drawn')].map(mark => {
          const box = mark.getBoundingClientRect();
          return [box.x + box.width / 2, box.y + box.height / 2, mark.classList[0]];
        })"""
    )


def test_a_click_loads_a_frame_and_a_second_one_shows_the_way(browser, address):
    with opened(browser, address + "&z2=1") as page:
        page.wait_for_selector("#map .drawn")
        places = marks(page)
        assert [kind for *_, kind in places].count("mark") == 8  # two recordings of four frames
        assert [kind for *_, kind in places].count("drawn") > 8
        page.mouse.click(*places[2][:2])
        settled(page)
        first = page.locator("#example").input_value()
        assert page.locator("#z2").input_value() == "0"
        page.mouse.click(*places[7][:2])
        settled(page)
        second = page.locator("#example").input_value()
        assert first != second
        strip = page.locator("#strip button")
        strip.nth(6).wait_for()
        strip.nth(3).click()
        settled(page)
        command = page.locator("#command").inner_text()
        assert f"--example={first} --toward={second} --share=0.5" in command
        page.mouse.click(*next(place[:2] for place in places if place[2] == "drawn"))
        settled(page)
        assert "--example" not in page.locator("#command").inner_text()
        assert page.locator("figure").count() == 1  # no true frame beside it


def test_t_sne_comes_when_it_is_ready(browser, address):
    with opened(browser, address + "&map=tsne") as page:
        page.wait_for_selector("#map-tsne:not(:disabled)", timeout=60_000)
        page.wait_for_selector("#map-tsne:checked")
        tsne = marks(page)
        page.locator("#map-pca").check()
        assert marks(page) != tsne


def test_the_keyboard_alone_is_enough(browser, address, workdir):
    with opened(browser, address) as page:
        page.wait_for_selector("#map .drawn")
        reached = []
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.append(
                page.evaluate("document.activeElement.id || document.activeElement.tagName")
            )
        wanted = {"reset", "group", "example", "factor", "postprocess", "seed", "z0"}
        assert wanted | {"save", "copy", "closer", "svg", "layer-lines", "map"} <= set(reached)

        before = page.locator("#example").input_value()
        page.locator("#map").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        settled(page)
        loaded = page.locator("#command").inner_text()
        assert f"--example={before} " not in loaded
        page.keyboard.press("Control+z")
        settled(page)
        assert page.locator("#example").input_value() == before

        page.locator("figure svg").first.focus()
        page.keyboard.press("ArrowLeft")
        said = page.locator("#pointed").inner_text()
        page.keyboard.press("ArrowRight")
        assert "row" in said
        assert "column" in said
        assert page.locator("#pointed").inner_text() != said


def test_pointing_says_row_column_and_place(browser, address, workdir):
    with opened(browser, address) as page:
        frame = page.locator("figure svg").nth(1)  # the true frame
        box = frame.bounding_box()
        label = json.loads(ask(address, "api/show", {})[1])["pictures"][1]["layers"][0]
        x, y = label["places"][100]
        page.mouse.move(box["x"] + x / 768 * box["width"], box["y"] + y / 768 * box["height"])
        assert label["texts"][100] in page.locator("#pointed").inner_text()
        assert label["texts"][100].endswith(f"x {x:.0f}, y {y:.0f}")
        page.locator("#closer").click()
        left, top, wide, high = map(float, frame.get_attribute("viewBox").split())
        assert wide == high == pytest.approx(768 / 1.4)
        assert left == top > 0


def test_layers_are_switched_on_and_off(browser, address):
    with opened(browser, address) as page:
        assert page.locator("figure .key-lines").count() == 0
        page.locator("#layer-lines").check()
        assert page.locator("figure .key-lines").count() == 2
        page.reload()
        settled(page)
        assert page.locator("figure .key-lines").count() == 2
        page.locator("#layer-lines").uncheck()
        assert page.locator("figure .key-lines").count() == 0


def test_reloading_keeps_the_values_and_reset_and_undo_work(browser, address):
    with opened(browser, address) as page:
        first = shown_png(page)
        page.locator("#group").select_option(label="the prior")
        page.locator("#number").fill("3")
        page.locator("#number").press("Enter")
        page.locator("#z5").fill("-2")
        settled(page)
        changed = shown_png(page)
        assert changed != first
        page.reload()
        settled(page)
        assert shown_png(page) == changed
        assert page.locator("#number").input_value() == "3"
        page.locator("#reset").click()
        settled(page)
        assert shown_png(page) == first
        page.locator("#undo").click()
        settled(page)
        assert shown_png(page) == changed


def test_only_the_newest_of_many_moves_is_asked_for(browser, address):
    with opened(browser, address) as page:
        asked = []
        page.on("request", lambda request: asked.append(request.url.endswith("/api/show")))
        page.evaluate(
            """async () => {
              const slider = document.getElementById('z4');
              for (let step = 1; step <= 60; step++) {
                slider.value = step / 20;
                slider.dispatchEvent(new Event('input', { bubbles: true }));
                await new Promise(done => setTimeout(done, 1));
              }
              slider.dispatchEvent(new Event('change', { bubbles: true }));
            }"""
        )
        settled(page)
        assert sum(asked) < 40
        picture = shown_png(page)
        page.reload()
        settled(page)
        assert page.locator("#z4").input_value() == "3"
        assert shown_png(page) == picture


@pytest.mark.parametrize("width", [800, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_can_be_read(browser, address, width, scheme):
    with opened(browser, address + "&strip=0+4", width, scheme) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for button in page.locator("button:visible, figure:visible, #map").all():
            box = button.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        ground, text, faint = page.evaluate(
            """() => ['body', 'body', '#nearest'].map((name, place) => {
              const style = getComputedStyle(document.querySelector(name));
              return (place ? style.color : style.backgroundColor).match(/\\d+/g).map(Number);
            })"""
        )
        assert (luminance(ground) < 0.5) == (scheme == "dark")
        for colour in (text, faint):  # WCAG 2.2, 1.4.3
            dark, light = sorted([luminance(ground), luminance(colour)])
            assert (light + 0.05) / (dark + 0.05) > 4.5


def luminance(colour: list[int]) -> float:
    """Relative luminance by WCAG."""
    linear = [
        level / 12.92 if level <= 0.03928 else ((level + 0.055) / 1.055) ** 2.4
        for level in (channel / 255 for channel in colour[:3])
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_page_cannot_load_from_elsewhere(browser, address):
    with opened(browser, address) as page:
        refused = page.evaluate(
            "fetch('http://192.0.2.1/').then(() => 'loaded', error => String(error))"
        )
        assert refused.startswith("TypeError")


def test_others_are_refused(address, workdir):
    port = address.split(":")[2].split("/")[0]
    saved = workdir.parent / "saved"
    before = files(saved) if saved.exists() else None
    assert ask(address, "")[0] == 200
    assert ask(address, "", Host=f"example.org:{port}")[0] == 403
    assert ask(address, "api/show", {}, Host="example.org")[0] == 403
    assert ask(address, "api/save", {}, Origin="http://example.org")[0] == 403
    assert ask(address, "api/save", {}, Origin="null")[0] == 403
    for token in ("", "Bearer ", "Bearer wrong"):
        status, body = ask(address, "api/save", {}, Authorization=token)
        assert status == 401
        assert "earlier start" in json.loads(body)["error"]
    for path in ("static/..%2fserver.py", "static/../server.py", "static/missing.js"):
        assert ask(address, path)[0] == 404
    assert ask(address, "api/show", {"z0": 99})[0] == 422
    assert ask(address, "api/show", {"z0": "1"})[0] == 422
    assert ask(address, "api/show", {"x": "1" * 2**21})[0] == 422
    assert ask(address, "api/between", {"first": "0"})[0] == 400
    assert (files(saved) if saved.exists() else None) == before


def test_a_run_that_goes_away_or_trains_on_is_told_of(workdir, tmp_path):
    moved = tmp_path / "run"
    shutil.copytree(workdir, moved)
    session = Session(Place(moved, None, tmp_path / "saved"))
    assert session.status() == {"message": "", "newer": False}
    (moved / "summary.json").unlink()
    assert session.status()["message"] == "training is not finished: step 4"
    shutil.copytree(moved / "checkpoints" / "4", moved / "checkpoints" / "6")
    assert session.status() == {
        "message": "training is not finished: this page shows step 4, step 6 is there",
        "newer": True,
    }
    session.reload()
    assert not session.status()["newer"]
    before = session.show({"z0": 1.0})
    shutil.rmtree(moved)
    assert "is gone" in session.status()["message"]
    assert session.show({"z0": 1.0}) == before
    with pytest.raises(UserError, match="no trained run"):
        session.reload()
    assert session.show({"z0": 1.0}) == before


def test_saving_refuses_a_folder_that_holds_something_else(workdir, tmp_path):
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "40000.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds 40000\.json but no manifest"):
        Session(Place(workdir, None, strange)).save({})
    assert files(strange) == {"40000.json": b"{}"}
    drawn = tmp_path / "drawn"
    request = Request("prior", num_samples=1, options=NoiseOptions())
    modes.draw(restoring.load(workdir), request, drawn)
    before = files(drawn)
    with pytest.raises(UserError, match="holds another data set"):
        Session(Place(workdir, None, drawn)).save({})
    assert files(drawn) == before


def test_mistakes_are_one_line(workdir, tmp_path):
    said = complaint(run("-m", "lvae.explore", f"--workdir={workdir}", "--host=0.0.0.0"))
    assert "--host=0.0.0.0" in said
    assert "--open_to_network=true" in said
    assert "no trained run" in complaint(run("-m", "lvae.explore", f"--workdir={tmp_path}"))
