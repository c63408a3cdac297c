from __future__ import annotations

import pytest

from cluster.runs.options import options_of
from cluster.serving.config import ServeOptions
from schemas.errors import InputError


def test_timelines_are_always_made_and_go_to_the_client_alone():
    options = ServeOptions.of(checkpoint=("c",), timeline_hz=2.0)
    assert options.timelines.timeline
    assert not {"timeline", "vtt", "events_csv"} & options_of(ServeOptions).keys()


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"checkpoint": ("c", "c")}, "more than once"),
        ({"allow_private_uris": True}, "--allow-uris"),
        ({"proxies": ("10.0.0.7/8",)}, "an IP address, or a network such as"),
        ({"proxies": ("*",)}, "an IP address, or a network such as"),
        ({"max_upload_mib": 100, "storage_mib": 99}, "storage-mib 99 has no room for a video of max-upload-mib 100"),
        ({"corrections_mib": 5}, "--corrections"),
        ({"port": 70000}, "port must be between 0 and 65535"),
        ({"event_threshold": 0.3, "event_end_threshold": 0.4}, "event-end-threshold"),
    ],
)
def test_what_does_not_go_together_is_refused(given, problem):
    with pytest.raises(InputError, match=problem):
        ServeOptions.of(**{"checkpoint": ("c",), **given})
