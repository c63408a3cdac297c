"""The page in Chromium, against a service with two tiny classifiers: what people do with it, and what goes wrong."""

from __future__ import annotations

import base64
import csv
import io
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, FileChooser, Page, expect

from cluster.datasets.manifest import read_videos
from cluster.reports.training_report import render_training_report
from cluster.serving.config import GuardOptions, ServedTimelines, ServeOptions, UploadOptions
from cluster.storage.read_policy import ReadPolicy
from cluster.training.output import RECORD_FILE, REPORT_FILE
from tests.support.browser import chromium
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_clips, trained_stream
from tests.support.job_server import wait_until
from tests.support.served_page import (
    TIME,
    TOKEN,
    WAIT_MILLISECONDS,
    check_view,
    launched,
    page_of,
    slider,
    upload,
    wait_for,
)
from tests.support.servers import http_files
from tests.support.serving import served_here
from tests.support.training_records import renamed, training_record
from tests.support.videos import Clip, write_video

THRESHOLD = 0.55  # at which the classes of `clips` change
SECONDS = 8
CLIP = Clip(frames=10 * SECONDS, rate=10, width=160, height=96, options={"movflags": "faststart"})
HOSTILE = "'><img src=x onerror=alert(1)>.mp4"
expect.set_options(timeout=30_000)
DROPPED = """(content) => {
  const dropped = new DataTransfer(), bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
  dropped.items.add(new File([bytes], "dropped.mp4"));
  return dropped;
}"""


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files to upload, and the camera's pictures."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "clip.mp4", CLIP)
    (folder / HOSTILE).write_bytes((folder / "clip.mp4").read_bytes())
    write_video(folder / "old.avi", Clip(codec="mpeg4", frames=30, rate=10, width=160, height=96))
    (folder / "words.mp4").write_text("no video at all")
    (folder / "empty.mp4").touch()
    with (folder / "large.mp4").open("wb") as file:
        file.truncate(3 << 20)
    write_video(folder / "camera.y4m", Clip(codec="wrapped_avframe", format="yuv4mpegpipe", frames=30, rate=10))
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that wants a `TOKEN`, takes 2 MiB, one video at a time, and keeps corrections."""
    chromium()  # without one, nothing needs to start
    folder = tmp_path_factory.mktemp("service")
    checkpoints = (
        write_trained(folder / "clips", trained_clips(seed=3)),
        write_trained(folder / "stream", trained_stream()),
    )
    training = renamed(training_record(4), [f"Class {number}" for number in range(4)])
    (folder / "clips" / RECORD_FILE).write_text(training.to_json())
    (folder / "clips" / REPORT_FILE).write_text(render_training_report(training))
    options = ServeOptions(
        checkpoint=checkpoints,
        corrections=str(folder / "kept"),
        timelines=ServedTimelines(event_threshold=THRESHOLD, event_end_threshold=THRESHOLD),
        uploads=UploadOptions(max_upload_mib=2, allow_uris=True, allow_private_uris=True),
        guards=GuardOptions(client_queue=1),
    )
    with served_here(options, folder / "uploads", TOKEN) as (url, _):
        yield url


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, service: str) -> Path:
    """The folder of corrections."""
    return next(tmp_path_factory.getbasetemp().glob("service*")) / "kept"


@pytest.fixture(scope="module")
def browser(videos: Path) -> Iterator[Browser]:
    switches = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    switches.append(f"--use-file-for-fake-video-capture={videos / 'camera.y4m'}")
    with launched(*switches) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: str) -> Iterator[Page]:
    with page_of(browser, service) as opened:
        yield opened


@pytest.fixture(scope="module")
def video(browser: Browser, service: str, videos: Path) -> str:
    """The id of a video that both models have labelled, by way of the page."""
    with page_of(browser, service) as opened:
        upload(opened, videos / HOSTILE)
        return opened.url.partition("#video=")[2]


def show(page: Page, service: str, video: str) -> None:
    """Open a video that is done."""
    page.goto(f"{service}/#video={video}")
    expect(page.locator("#now")).to_be_visible()
    wait_for(page, "document.querySelector('#picture').readyState > 0")


def results(page: Page, service: str, video: str) -> dict[str, Any]:
    """What the service says about a video, by model."""
    found = page.request.get(f"{service}/v1/videos/{video}").json()
    return {one["model"]: one for one in found["results"]}


def test_events_seek_and_the_moment_has_its_labels(page: Page, service: str, video: str) -> None:
    show(page, service, video)
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)  # as text
    clips = results(page, service, video)["clips"]
    events = page.locator("#event-list li")
    expect(events).to_have_count(min(len(clips["events"]), 12))
    assert len(clips["events"]) >= 2
    event = clips["events"][1]
    button = events.nth(1).get_by_role("button").first
    assert button.get_attribute("aria-label").startswith(f"{event['name']}, 0:0")  # type: ignore[union-attr]
    button.click()
    wait_for(page, f"Math.abs({TIME} - {event['start']}) < 0.05")
    expect(events.nth(1)).to_have_attribute("aria-current", "true")
    step = next(step for step in clips["timeline"] if abs(step["seconds"] - event["start"]) < 0.01)
    rows = page.locator("#moment-scores tbody tr")
    expect(rows).to_have_count(len(step["top"]))
    expect(rows.first).to_contain_text(step["top"][0]["name"])
    expect(rows.first).to_contain_text(f"{100 * step['top'][0]['score']:.0f}%")
    expect(rows.first.get_by_text("low confidence")).to_have_count(int(step["top"][0]["score"] < 0.5))
    assert slider(page, "clips").get_attribute("aria-valuetext").endswith("%")  # type: ignore[union-attr]
    # While it plays, the playhead moves.
    page.evaluate("document.querySelector('#picture').play()")
    wait_for(page, f"{TIME} > {event['start'] + 0.5}")
    assert float(slider(page, "clips").get_attribute("aria-valuenow")) > event["start"] + 0.2  # type: ignore[arg-type]


def test_strips_follow_keyboard_and_pointer(page: Page, service: str, video: str) -> None:
    show(page, service, video)
    clips = results(page, service, video)["clips"]
    strip = slider(page, "clips")
    strip.focus()
    for key, seconds in (
        ("ArrowRight", 1),
        ("ArrowUp", 2),
        ("ArrowLeft", 1),
        ("End", SECONDS),
        ("Home", 0),
        ("n", None),
    ):
        strip.press(key)
        wanted = next(one["start"] for one in clips["events"] if one["start"] > 0) if seconds is None else seconds
        wait_for(page, f"Math.abs({TIME} - {wanted}) < 0.05")
    box = strip.bounding_box()
    strip.hover(position={"x": box["width"] * 0.7, "y": 10})
    expect(page.locator("#moment-title")).to_have_text("At 0:05, under the pointer")
    slider(page, "stream").click(position={"x": box["width"] / 2, "y": 10})
    wait_for(page, f"Math.abs({TIME} - {SECONDS / 2}) < 0.05")
    page.keyboard.press("ArrowRight")  # it keeps the focus
    wait_for(page, f"Math.abs({TIME} - {SECONDS / 2 + 1}) < 0.05")
    # A strip that is used makes the page about its model.
    expect(page.get_by_role("radio", name="stream")).to_be_checked()
    expect(page.get_by_role("heading", name="About stream")).to_be_visible()


def test_a_strip_draws_short_events_of_a_classifier_however_many(page: Page, service: str, video: str) -> None:
    state = page.request.get(f"{service}/v1/videos/{video}").json()
    (clips,) = (one for one in state["results"] if one["model"] == "clips")
    events = [{**clips["events"][0], "start": n / 10, "end": n / 10 + 0.05} for n in range(60)]
    crowded = {**state, "results": [{**clips, "events": events}]}
    page.route(f"**/v1/videos/{video}", lambda route: route.fulfill(json=crowded))
    show(page, service, video)
    expect(page.locator(".lanes .event")).to_have_count(60)


def test_results_are_downloaded(page: Page, service: str, video: str, tmp_path: Path) -> None:
    show(page, service, video)
    page.get_by_role("radio", name="stream").check()
    found = {}
    for name in ("Parquet", "CSV", "WebVTT"):
        with page.expect_download() as download:
            page.get_by_role("link", name=name, exact=True).click()
        found[name] = tmp_path / download.value.suggested_filename
        download.value.save_as(found[name])
    (row,) = pq.read_table(found["Parquet"]).to_pylist()
    best = results(page, service, video)["stream"]["labels"][0]
    assert (row["labels"][0]["name"], row["labels"][0]["score"]) == (best["name"], pytest.approx(best["score"]))
    assert len(list(csv.DictReader(io.StringIO(found["CSV"].read_text())))) == len(row["events"])
    assert found["WebVTT"].read_text().startswith("WEBVTT")


def test_with_the_keyboard_alone_from_the_file_to_a_correction(page: Page, kept: Path, videos: Path) -> None:
    def tab_to(element_id: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == element_id:
                return
        raise AssertionError(f"Tab does not lead to #{element_id}")

    choosers: list[FileChooser] = []
    page.on("filechooser", lambda chooser: choosers.append(chooser))
    expect(page.get_by_role("checkbox", name="stream")).to_be_checked()
    tab_to("file")
    page.keyboard.press("Enter")
    wait_until(lambda: page.evaluate("true") and choosers)
    choosers[0].set_files(videos / "clip.mp4")
    expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)
    assert page.evaluate("document.activeElement.id") == "video-title"
    tab_to("correct")
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Correct a label")
    expect(dialog).to_be_visible()
    page.keyboard.press("Enter")  # without a label
    expect(dialog.get_by_role("alert").first).to_have_text("Enter a label.")
    assert page.evaluate("document.activeElement.id") == "correction-label"
    page.keyboard.type("Waving at us")
    tab_to("correction-from")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("7")
    tab_to("correction-to")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0:02")
    page.keyboard.press("Enter")  # the end before the start
    expect(dialog.locator("#correction-times-problem")).to_contain_text("the first before the second")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0:02")
    page.keyboard.press("Tab")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("5.5")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.id") == "correct"
    expect(page.locator("#correction-list")).to_contain_text("Waving at us, 0:02.0 to 0:06.0")  # whole seconds
    expect(page.locator("#status")).to_contain_text("Saved: Waving at us")
    page.reload()
    expect(page.locator("#correction-list")).to_contain_text("Waving at us, 0:02.0 to 0:06.0")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as a training manifest").click()
    assert "Waving at us" in Path(download.value.path()).read_text()
    # Training takes it.
    manifest = kept / "corrections.csv"
    (row,) = read_videos(str(manifest), policy=ReadPolicy(allow_local_files=True))
    assert (row.labels, row.start_seconds, row.end_seconds) == (("Waving at us",), 2, 6)
    assert Path(row.uri).read_bytes() == (videos / "clip.mp4").read_bytes()


def test_a_models_confusions_and_its_training_report(page: Page, service: str, video: str) -> None:
    show(page, service, video)
    best = results(page, service, video)["clips"]["timeline"][0]["top"][0]["name"]
    confusions = page.request.get(f"{service}/v1/models").json()[0]["confusions"][best]
    expect(page.get_by_role("heading", name=f"Where it errs on “{best}”")).to_be_visible()
    rows = page.locator("#confusions tbody tr")
    expect(rows).to_have_count(len(confusions))
    expect(rows.first).to_contain_text(confusions[0][0])
    expect(rows.first).to_contain_text(f"{100 * confusions[0][1]:.0f}%")
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Training report").click()
    expect(opened.value.get_by_role("heading", level=1)).to_contain_text("dense-5")
    assert opened.value.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(245, 245, 242)"
    page.get_by_role("radio", name="stream").check()
    expect(page.locator("#confusions")).to_contain_text("Nothing is known")
    expect(page.locator("#report")).to_be_hidden()


def test_models_are_left_out_of_a_video_that_is_dropped(page: Page, videos: Path) -> None:
    page.get_by_role("checkbox", name="stream").uncheck()
    content = base64.b64encode((videos / "clip.mp4").read_bytes()).decode()
    dropped = page.evaluate_handle(DROPPED, content)
    page.dispatch_event("body", "drop", {"dataTransfer": dropped})
    expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(page.get_by_role("heading", level=1)).to_have_text("dropped.mp4")
    expect(page.get_by_role("slider")).to_have_count(1)
    expect(page.locator("#model-switch")).to_be_hidden()
    expect(page.get_by_role("heading", name="About clips")).to_be_visible()


def test_a_video_that_the_browser_cannot_play_has_results_all_the_same(page: Page, videos: Path) -> None:
    upload(page, videos / "old.avi")
    expect(page.locator("#unplayable")).to_contain_text("Your browser cannot play this video")
    expect(page.get_by_role("img", name="Picture at 0:00.0")).to_be_visible()
    assert page.evaluate("document.querySelector('#still').naturalWidth") == 160
    strip = slider(page, "stream")
    for key in ("ArrowRight", "ArrowRight", "End"):  # the last one of quick keys counts
        strip.press(key)
    expect(strip).to_have_attribute("aria-valuenow", "3.0")
    expect(page.locator("#moment-title")).to_have_text("At 0:03")
    expect(page.get_by_role("img", name="Picture at 0:03.0")).to_be_visible()
    page.reload()  # as whoever opens the address sees it
    expect(page.get_by_role("img", name="Picture at 0:00.0")).to_be_visible()


def test_a_video_is_fetched_from_its_address(page: Page, service: str, videos: Path) -> None:
    for address, words in (("", "Enter an address"), ("file:///etc/passwd", "does not fetch from this address")):
        page.get_by_label("Or give the address of a video").fill(address)
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text(words)
    with http_files(videos) as web:
        page.get_by_label("Or give the address of a video").fill(f"{web}/clip.mp4")
        page.get_by_role("button", name="Fetch and label").click()
        expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(page.get_by_role("slider")).to_have_count(2)
    wait_for(page, "document.querySelector('#picture').readyState > 0")  # the service has the video


def test_a_video_is_deleted(page: Page, service: str, videos: Path) -> None:
    upload(page, videos / "clip.mp4")
    address = page.url
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Label a video")).to_be_visible()
    page.goto(address)
    expect(page.get_by_role("alert")).to_contain_text("This video is no longer on the server")


@pytest.mark.parametrize(
    ("name", "title", "remedy"),
    [
        ("words.mp4", "This file is not a video", "Choose a video"),
        ("empty.mp4", "The file is empty", "copied completely"),
        ("large.mp4", "The file is too large", "takes up to 2.1 MB"),
    ],
)
def test_files_that_are_refused(page: Page, videos: Path, name: str, title: str, remedy: str) -> None:
    page.set_input_files("#file", videos / name)
    problem = page.get_by_role("alert")
    expect(problem).to_contain_text(title)
    expect(problem).to_contain_text(remedy)
    assert page.evaluate("document.activeElement.textContent") == title
    expect(page.get_by_role("heading", name="Label a video")).to_be_visible()  # where another one can be chosen
    problem.get_by_role("button", name="Close").click()
    expect(problem).to_be_hidden()


def test_a_busy_service_is_asked_again(page: Page, service: str, videos: Path) -> None:
    host, port = urlsplit(service).hostname, urlsplit(service).port
    head = f"POST /v1/videos HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
    head += "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n--b\r\n"
    with socket.create_connection((host, port)) as other:  # an upload that takes the only place
        other.sendall(head.encode())
        page.set_input_files("#file", videos / "clip.mp4")
        expect(page.locator("#progress-note")).to_contain_text("The server is busy. Next attempt in")
    expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)


def test_a_slow_upload_tells_how_far_it_is_and_is_cancelled(page: Page, service: str, videos: Path) -> None:
    slow = page.context.new_cdp_session(page)
    slow.send("Network.enable")
    limits = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
    slow.send("Network.emulateNetworkConditions", limits)
    page.set_input_files("#file", videos / "clip.mp4")
    expect(page.locator("#progress-note")).to_contain_text(" of ")
    expect(page.locator("#stages [aria-current=step]")).to_have_text("Upload")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Label a video")).to_be_visible()
    expect(page.locator("#status")).to_have_text("Cancelled. Nothing was kept.")
    slow.send("Network.emulateNetworkConditions", {**limits, "uploadThroughput": -1})
    upload(page, videos / "clip.mp4")  # the place is free again


def test_the_service_cannot_be_reached(page: Page, videos: Path) -> None:
    page.get_by_role("heading", level=1).wait_for()
    page.context.set_offline(True)
    page.set_input_files("#file", videos / "clip.mp4")
    expect(page.get_by_role("alert")).to_contain_text("The server cannot be reached")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#now")).to_be_visible(timeout=WAIT_MILLISECONDS)


def test_the_token_is_asked_for(browser: Browser, service: str) -> None:
    with page_of(browser, service, is_known=False) as page:
        dialog = page.get_by_role("dialog", name="This server needs a token")
        for token, words in (("", "Enter the token."), ("a wrong token", "does not accept this token")):
            dialog.get_by_label("Token").fill(token)
            page.keyboard.press("Enter")
            expect(dialog.get_by_role("alert")).to_contain_text(words)
        dialog.get_by_label("Token").fill(f" {TOKEN} ")
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        expect(page.get_by_role("checkbox", name="stream")).to_be_checked()
        assert page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]") == ["", 0, 0]
        page.reload()  # the session goes on
        expect(page.get_by_role("checkbox", name="stream")).to_be_checked()
        page.context.clear_cookies()
        page.reload()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(page.get_by_role("alert")).to_contain_text("The server needs a token")


def test_spanish(browser: Browser, service: str, video: str, videos: Path) -> None:
    with page_of(browser, service, locale="es-MX") as page:
        expect(page.get_by_role("heading", level=1)).to_have_text("Etiquetar un vídeo")
        assert page.evaluate("document.documentElement.lang") == "es"
        page.set_input_files("#file", videos / "words.mp4")
        expect(page.get_by_role("alert")).to_contain_text("Este archivo no es un vídeo")
        show(page, service, video)
        expect(page.get_by_role("slider", name="Línea de tiempo de stream")).to_be_visible()
        assert page.title() == f"{HOSTILE} · Framemill"
        # The language is changed while results are shown, and kept.
        page.get_by_label("Idioma").select_option("en")
        expect(slider(page, "stream")).to_be_visible()
        expect(page.locator("#moment-title")).to_have_text("At 0:00")
        page.reload()
        expect(page.get_by_role("heading", name="Whole video")).to_be_visible()


def test_the_camera_is_labelled_live(page: Page) -> None:
    page.get_by_role("link", name="Camera", exact=True).click()
    assert page.evaluate("document.activeElement.id") == "camera-title"
    page.get_by_role("button", name="Start").click()
    rows = page.locator("#camera-scores tbody tr")
    expect(rows.first).to_be_visible(timeout=WAIT_MILLISECONDS)
    expect(page.locator("#camera-figures")).to_contain_text("frames/s")
    expect(page.locator("#camera-log li").first).to_be_visible(timeout=WAIT_MILLISECONDS)
    track = page.evaluate_handle("document.querySelector('#camera-picture').srcObject.getTracks()[0]")
    page.get_by_role("button", name="Stop").click()
    assert track.evaluate("(one) => one.readyState") == "ended"
    expect(page.locator("#camera-off")).to_have_text("The camera is off.")


def test_the_camera_asks_for_the_token(page: Page) -> None:
    page.get_by_role("link", name="Camera", exact=True).click()
    page.context.clear_cookies()
    page.get_by_role("button", name="Start").click()
    dialog = page.get_by_role("dialog", name="This server needs a token")
    dialog.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(page.locator("#camera-scores tbody tr").first).to_be_visible(timeout=WAIT_MILLISECONDS)


def test_a_place_in_the_queue_is_told(page: Page, service: str, video: str) -> None:
    state = page.request.get(f"{service}/v1/videos/{video}").json()
    waiting = {**state, "id": "waiting", "status": "queued", "place": 3, "progress": 0, "results": []}
    page.route("**/v1/videos/waiting", lambda route: route.fulfill(json=waiting))
    page.goto(f"{service}/#video=waiting")
    expect(page.locator("#progress-note")).to_have_text("3rd in the queue")
    page.get_by_label("Language").select_option("es")
    expect(page.locator("#progress-note")).to_have_text("3.º en la cola")


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (1280, "light")])
def test_every_view_is_accessible_and_fits(
    browser: Browser, service: str, video: str, videos: Path, width: int, scheme: str
) -> None:
    with page_of(browser, service, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        expect(page.get_by_role("checkbox", name="stream")).to_be_checked()
        check_view(page, "start")
        page.set_input_files("#file", videos / "words.mp4")
        expect(page.get_by_role("alert")).to_be_visible()
        check_view(page, "problem")
        upload(page, videos / "old.avi")
        expect(page.get_by_role("img", name="Picture at")).to_be_visible()
        check_view(page, "stills")
        show(page, service, video)
        check_view(page, "results")
        page.get_by_role("button", name="Correct this label").click()
        check_view(page, "correction")
        page.keyboard.press("Escape")
        page.goto(f"{service}/#camera")
        check_view(page, "camera")
