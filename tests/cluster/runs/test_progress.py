import json
import logging
import os
import sys

import pytest

from cluster.runs.progress import Progress


def run(style: str, **options: float) -> Progress:
    with Progress(4, style=style, **options) as progress:
        for number in range(3):
            progress.add_frames(10)
            progress.add_video(failed=number == 1)
    return progress


def test_everything_is_counted():
    progress = run("none")
    assert (progress.videos, progress.frames, progress.failures) == (3, 30, 1)
    assert progress.seconds > 0


def test_quiet_is_quiet(capfd, caplog):
    run("none")
    assert (*capfd.readouterr(), caplog.text) == ("", "", "")


def test_json_is_one_object_a_line(capfd):
    run("json")
    out, err = capfd.readouterr()
    (line,) = err.splitlines()
    values = json.loads(line)
    assert out == ""
    assert values.pop("frames_per_second") > 0
    assert values.pop("eta_seconds") >= 0
    assert values == {"event": "progress", "videos": 3, "total": 4, "frames": 30, "failures": 1}


def test_nothing_done_has_no_end_in_sight(capfd):
    with Progress(4, style="json"):
        pass
    assert json.loads(capfd.readouterr().err)["eta_seconds"] is None


def test_text_goes_to_the_log(caplog):
    with caplog.at_level(logging.INFO, "framemill"):
        run("text")
    (message,) = caplog.messages
    assert message.startswith("3/4 videos, 30 frames, ")
    assert "1 failed, 0 s left" in message


def test_a_line_is_written_now_and_then(capfd):
    run("json", line_every_seconds=0.0)
    assert [json.loads(line)["videos"] for line in capfd.readouterr().err.splitlines()] == [0, 1, 1, 2, 2, 3, 3]


def test_a_bar_is_drawn(capfd):
    run("bar")
    assert "3/4" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("quiet", "log_format", "style"),
    [(True, "text", "none"), (True, "json", "none"), (False, "json", "json"), (False, "text", "text")],
)
def test_the_style_follows_from_the_options(quiet, log_format, style, tmp_path, monkeypatch):
    with open(tmp_path / "log", "w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        assert Progress.style_for(quiet=quiet, log_format=log_format) == style


def test_somebody_who_watches_gets_a_bar(monkeypatch):
    leader, follower = os.openpty()
    with open(follower, "w") as terminal, open(leader, "rb"):
        monkeypatch.setattr(sys, "stderr", terminal)
        assert Progress.style_for(quiet=False, log_format="text") == "bar"


@pytest.mark.parametrize(
    ("style", "words"), [("text", "1 video, 0 frames, "), ("json", '"total": null'), ("bar", "1video")]
)
def test_a_total_that_is_not_known(style, words, capfd, caplog):
    with caplog.at_level(logging.INFO, "framemill"), Progress(None, style=style) as progress:
        progress.add_video(failed=False)
    assert words in (caplog.text + capfd.readouterr().err)
    assert " left" not in caplog.text
