"""The explorer as its users have it: the command in a process of its own, the page in Chromium."""

import base64
import contextlib
import io
import json
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from commands import ROOT, command, environment
from PIL import Image

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
FLAGS += ("--disable-background-networking", "--disable-component-update", "--disable-sync")
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 120  # s, until the page's server listens


def browser_path() -> str:
    """Chromium; the test is skipped where there is none."""
    pytest.importorskip("playwright", reason="playwright drives the browser")
    pytest.importorskip("starlette", reason="the extra explore is not installed")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    return found


@contextlib.contextmanager
def serving(*words: str | Path) -> Iterator[str]:
    """`lvae explore` with these flags; yields the address that it prints."""
    with tempfile.NamedTemporaryFile("w+") as said:
        process = subprocess.Popen(
            command("-m", "lvae.explore", *words),
            cwd=ROOT,
            env=environment(),
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _address(process, Path(said.name))
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen, said: Path) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for word in said.read_text().split():
            if word.startswith("http://") and "#token=" in word:
                return word
        time.sleep(0.05)
    raise AssertionError(f"no address: {said.read_text()}")


@contextlib.contextmanager
def chromium() -> Iterator:
    """A browser of Playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path(), args=list(FLAGS))
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address: str, width: int = 1280, scheme: str = "light", **options) -> Iterator:
    """The page. At the end: it has asked this machine alone, and met no error of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        permissions=["clipboard-read", "clipboard-write"],
        **options,
    )
    page = context.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    settled(page)
    yield page
    context.close()
    origin = address.split("#")[0]
    assert [url for url in asked if not url.startswith((origin, "data:"))] == []
    assert errors == []


def settled(page) -> None:
    """Waits until the pictures are those of the values."""
    page.wait_for_selector("main[aria-busy=false][data-shown=newest]", timeout=60_000)


def shown_png(page, place: int = 0) -> bytes:
    """The bytes of the picture on the page."""
    source = page.evaluate(
        "place => document.querySelectorAll('figure image')[place].getAttribute('href')", place
    )
    return base64.b64decode(source.split(",", 1)[1])


def shown_pixels(page, place: int = 0) -> np.ndarray:
    """What the browser makes of that picture, (height, width, 3)."""
    source = """async place => {
      const image = new Image();
      image.src = document.querySelectorAll('figure image')[place].getAttribute('href');
      await image.decode();
      const canvas = new OffscreenCanvas(image.width, image.height);
      const context = canvas.getContext('2d');
      context.drawImage(image, 0, 0);
      const data = context.getImageData(0, 0, image.width, image.height).data;
      let text = '';
      for (let at = 0; at < data.length; at += 8192)
        text += String.fromCharCode(...data.subarray(at, at + 8192));
      return [image.height, image.width, btoa(text)];
    }"""
    height, width, text = page.evaluate(source, place)
    levels = np.frombuffer(base64.b64decode(text), np.uint8)
    return levels.reshape(height, width, 4)[..., :3]


def pixels(content: bytes) -> np.ndarray:
    """Of a PNG, (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def ask(address: str, path: str, values: dict | None = None, **headers: str) -> tuple[int, bytes]:
    """Status and body of one question, with the page's token unless `headers` say otherwise."""
    origin, _, token = address.partition("#token=")
    given = {"Authorization": f"Bearer {token}", **headers}
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(origin + path, data, given)
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
