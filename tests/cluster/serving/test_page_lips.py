"""The page in Chromium, against a service with a lip reader that reads drawn signs, beside a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page, expect

from cluster.serving.config import ServeOptions
from tests.support.browser import chromium
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_stream
from tests.support.lips import reading_lips, signing, write_lips
from tests.support.served_page import TIME, TOKEN, check_view, launched, page_of, slider, upload, wait_for
from tests.support.serving import served_here
from tests.support.talking import write_frames
from tests.support.videos import Clip, write_video

pytestmark = pytest.mark.heavy
expect.set_options(timeout=30_000)

TEXT = "ab ba a bab"  # five frames of 1/25 s for each character
CUES = """[...document.querySelector('#picture').textTracks].map((one) =>
  [one.mode, [...(one.cues ?? [])].map((cue) => cue.text)])"""
SHOWN = {  # titles of the page and of the text, and what is said of cameras
    "es-ES": ("Leer los labios en un vídeo", "Lo que se dice", "los lectores de labios solo leen vídeos"),
    "en-US": ("Read lips in a video", "What is said", "lip readers read videos alone"),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("videos")
    frames = signing(f"  {TEXT}  ")
    write_frames(folder / "speech.mp4", frames, codec="libx264")
    write_frames(folder / "old.avi", frames)
    write_frames(folder / "grey.mp4", [np.full((288, 360, 3), 100, np.uint8)] * 30, codec="libx264")
    write_video(folder / "clip.mp4", Clip(frames=30, rate=10, width=160, height=96))
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    chromium()  # without one, nothing needs to start
    folder = tmp_path_factory.mktemp("service")
    places = write_trained(folder / "stream", trained_stream()), write_lips(folder / "reader", reading_lips())
    options = ServeOptions.of(checkpoint=places)
    with served_here(options, folder / "uploads", TOKEN) as (url, _):
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with page_of(browser, service) as opened:
        yield opened


def read(page: Page, path: Path) -> None:
    """Have a video read by the lip reader alone."""
    page.get_by_role("checkbox", name="stream").uncheck()
    upload(page, path)


def test_words_seek_and_are_marked_while_the_player_shows_subtitles(page: Page, videos: Path, tmp_path: Path) -> None:
    read(page, videos / "speech.mp4")
    words = page.locator("#said-text .word")
    expect(words).to_have_text(TEXT.split())
    assert page.locator("#said-text").inner_text() == TEXT
    wait_for(page, f"{CUES}[0]?.[1].length > 0")
    assert page.evaluate(CUES) == [["showing", [TEXT]]]
    expect(page.locator("#subtitle")).to_be_hidden()
    words.nth(3).click()
    wait_for(page, f"Math.abs({TIME} - 2) < 0.09")  # after two spaces and eight characters
    expect(words.nth(3)).to_have_attribute("aria-current", "true")
    expect(page.locator("#moment-scores tbody tr")).to_contain_text("bab")
    page.keyboard.press("ArrowLeft")  # to the word before
    page.keyboard.press("Enter")
    wait_for(page, f"Math.abs({TIME} - 1.6) < 0.09")
    strip = slider(page, "reader")
    strip.focus()
    strip.press("n")
    wait_for(page, f"Math.abs({TIME} - 2) < 0.09")
    assert "bab" in (strip.get_attribute("aria-valuetext") or "")
    strip.press("Home")
    expect(page.locator("#moment-scores .note")).to_have_text("No word at this time.")
    expect(page.locator("#said-text [aria-current]")).to_have_count(0)
    page.evaluate("(picture => { picture.playbackRate = 0.1; picture.play() })(document.querySelector('#picture'))")
    expect(words.first).to_have_attribute("aria-current", "true")
    # Corrections and events are of labels.
    expect(page.get_by_text("the words of a lip reader cannot be corrected here")).to_be_visible()
    for name in ("#correct", "#events", "#whole"):
        expect(page.locator(name)).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="SubRip", exact=True).click()
    download.value.save_as(tmp_path / "s.srt")
    assert TEXT in (tmp_path / "s.srt").read_text()


def test_of_many_words_a_strip_names_those_that_have_room(page: Page, service: str, videos: Path) -> None:
    read(page, videos / "speech.mp4")
    address = f"{service}/v1/videos/{page.url.partition('#video=')[2]}"
    state = page.request.get(address).json()
    words = [{"word": "a", "start": n / 50, "end": n / 50 + 0.01, "score": 1.0} for n in range(60)]
    words.append({"word": "bab", "start": 2.0, "end": 2.5, "score": 1.0})
    page.route(
        address,
        lambda route: route.fulfill(json={**state, "transcripts": [{**state["transcripts"][0], "words": words}]}),
    )
    page.reload()
    expect(page.locator(".lanes .event")).to_have_text(["bab"])
    expect(page.locator("#said-text .word")).to_have_count(61)


def test_subtitles_follow_the_pictures_of_a_video_that_the_browser_cannot_play(page: Page, videos: Path) -> None:
    read(page, videos / "old.avi")
    expect(page.get_by_role("img", name="Picture at 0:00.0")).to_be_visible()
    expect(page.locator("#subtitle")).to_be_hidden()
    words = page.locator("#said-text .word")
    words.nth(1).click()
    expect(page.locator("#subtitle")).to_have_text(" ".join(words.all_inner_texts()))
    expect(words.nth(1)).to_have_attribute("aria-current", "true")
    slider(page, "reader").press("End")
    expect(page.locator("#subtitle")).to_be_hidden()


def test_subtitles_go_with_their_video(page: Page, videos: Path) -> None:
    upload(page, videos / "speech.mp4")
    page.get_by_role("radio", name="reader").check()
    page.locator("#said-text .word").first.click()
    wait_for(page, f"{CUES}[0]?.[1].length > 0 && {TIME} > 0.3")
    page.evaluate("document.querySelector('#picture').controls = false")
    assert np.ptp(middle(page), axis=(0, 1)).max() > 100  # white on grey
    page.get_by_role("link", name="Another video").click()
    upload(page, videos / "grey.mp4")
    wait_for(page, "document.querySelector('#picture').readyState >= 2")
    assert page.evaluate(CUES) == []
    assert np.ptp(middle(page), axis=(0, 1)).max() < 20


def middle(page: Page) -> NDArray[np.uint8]:
    """The lower middle of the picture, where a line stands, (H, W, 3)."""
    shot = cv2.imdecode(np.frombuffer(page.locator("#picture").screenshot(), np.uint8), cv2.IMREAD_COLOR)
    height, width = shot.shape[:2]
    return shot[height * 3 // 4 : height * 19 // 20, width // 3 : width * 2 // 3]  # type: ignore[no-any-return]


def test_a_reader_beside_a_classifier_and_one_that_finds_no_face(page: Page, videos: Path) -> None:
    upload(page, videos / "speech.mp4")
    expect(page.get_by_role("slider")).to_have_count(2)
    expect(page.get_by_role("heading", name="Events")).to_be_visible()
    page.get_by_role("radio", name="reader").check()
    expect(page.get_by_role("heading", name="What is said")).to_be_visible()
    expect(page.get_by_role("heading", name="Events")).to_be_hidden()
    page.get_by_role("link", name="Another video").click()
    upload(page, videos / "clip.mp4")
    expect(page.get_by_text("reader has read nothing in this video.")).to_be_visible()
    page.get_by_role("radio", name="reader").check()
    expect(page.locator("#said-note")).to_contain_text("No face was found in the video")
    expect(page.get_by_role("heading", name="Download")).to_be_hidden()
    strip = slider(page, "stream")
    strip.hover()
    strip.press("End")  # though the page is about a reader that has failed
    expect(strip).to_have_attribute("aria-valuenow", "3.0")
    expect(page.get_by_role("radio", name="stream")).to_be_checked()
    expect(page.get_by_role("button", name="Correct this label")).to_be_visible()
    page.get_by_role("link", name="Another video").click()
    page.get_by_role("checkbox", name="stream").uncheck()
    page.set_input_files("#file", videos / "clip.mp4")
    expect(page.get_by_role("alert")).to_contain_text("No face was found in the video")


@pytest.mark.parametrize(("width", "scheme", "locale"), [(360, "dark", "es-ES"), (1280, "light", "en-US")])
def test_every_view_is_accessible_and_fits(
    browser: Browser, service: str, videos: Path, width: int, scheme: str, locale: str
) -> None:
    with page_of(
        browser, service, viewport={"width": width, "height": 800}, color_scheme=scheme, locale=locale
    ) as page:
        models = [one for one in page.request.get(f"{service}/v1/models").json() if one["kind"] == "lips"]
        page.route("**/v1/models", lambda route: route.fulfill(json=models))  # as a service of lip readers alone
        page.reload()
        start, said, camera = SHOWN[locale]
        expect(page.get_by_role("heading", level=1)).to_have_text(start)
        check_view(page, "start")
        for name in ("speech.mp4", "old.avi"):
            upload(page, videos / name)
            expect(page.get_by_role("heading", name=said)).to_be_visible()
            page.locator("#said-text .word").nth(1).click()
            expect(page.locator("#said-text [aria-current]")).to_have_count(1)
            check_view(page, name)
            page.locator("#video .actions a").click()
        page.goto(f"{service}/#camera")
        expect(page.locator("#camera-off")).to_contain_text(camera)
        check_view(page, "camera")
