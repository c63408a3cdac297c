from __future__ import annotations

import logging

import numpy as np
import pytest

from cluster.serving.errors import CODE_OF, MESSAGES, STATUS_OF, ApiError, error_body, public_message, told
from extractors.faces.crops import fixed_crop
from schemas.outcomes import FailureCode, VideoError


def test_every_status_has_a_code_and_back():
    assert ApiError("busy", "come later", 3.0).status == 429
    assert ApiError("uri_refused", "").status == 422
    assert {CODE_OF[status] for status in STATUS_OF.values()} | {"uri_refused"} == set(STATUS_OF)


def test_clients_do_not_hear_of_options_paths_and_tracebacks():
    assert "Traceback" not in public_message(FailureCode.INTERNAL, "Traceback in /srv/app")
    assert public_message(FailureCode.TIME_LIMIT, "took more than 900 s (--time-limit)") == MESSAGES["time_limit"]
    assert public_message(FailureCode.NOT_MEDIA, "it is text") == "it is text"
    assert public_message(FailureCode.NO_FACE, "find the mouth (--crop found) instead") == "find the mouth instead"
    assert "manifest" not in public_message(FailureCode.NO_VIDEO_STREAM, "only audio: leave it out of the manifest")
    with pytest.raises(VideoError) as small:
        fixed_crop(np.zeros((2, 96, 96, 3), np.uint8))
    told_of = public_message(small.value.code, small.value.message)
    assert told_of.endswith("that of the GRID corpus, 360 x 288")
    assert error_body("busy", "later") == {"error": {"code": "busy", "message": "later"}}


def test_what_whoever_runs_the_service_must_know_is_logged(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR, "framemill"):
        assert told("v1", FailureCode.NO_FACE, "no face") == ("no_face", "no face")
        assert caplog.messages == []
        assert told("v1", FailureCode.INTERNAL, "Traceback in /srv") == ("internal", MESSAGES["internal"])
    assert caplog.messages == ["video v1: internal: Traceback in /srv"]
