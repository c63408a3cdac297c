"""Options of a nightly run, and the options of its parts."""

from __future__ import annotations

import pytest

from cluster.nightly.config import NightlyOptions
from cluster.runs.command_line import parse
from cluster.runs.options import Options, options_of
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS
from schemas.errors import InputError

VIDEOS = ["--videos", "in", "--checkpoint", "c", "--labels", "l"]
PLACES = [*VIDEOS, "--features", "f"]


def test_the_parts_get_what_is_theirs() -> None:
    options = ["--weights", "random:0", "--max-seconds", "9", "--top-k", "3", "--workers", "2", "--engine", "local"]
    options += ["--exclude", "trailers", "*.part.mp4", "--timeline", "--event-threshold", "0.7"]
    given = parse(NightlyOptions, [*PLACES, *options, "--date", "2026-03-01", "--frame-features"])
    settings = given.settings(OF_FEATURES)
    extraction, scoring = settings.extraction, settings.scoring.options
    assert extraction is not None
    assert (extraction.input, extraction.output, scoring.features) == ("in", "f", ("f",))
    assert (extraction.networks.weights, extraction.sampling.max_seconds) == ("random:0", 9)
    assert extraction.sampling.frame_features
    assert extraction.folders.exclude == ("trailers", "*.part.mp4")
    assert (scoring.checkpoint, scoring.labels, scoring.date, scoring.scores.top_k) == (("c",), "l", "2026-03-01", 3)
    assert (scoring.only_new, scoring.timelines.timeline, scoring.timelines.event_threshold) == (True, True, 0.7)
    for part in (extraction, scoring):
        assert (part.engine.workers, part.engine.engine) == (2, "local")


def test_labels_of_videos_get_what_is_theirs() -> None:
    options = ["--engine", "local", "--workers", "3", "--pools", "apart", "--embed-workers", "1", "--time-limit", "7"]
    options += ["--memory-limit-mib", "99", "--cluster-wait", "5", "--follow-links", "--allow-local-files"]
    options += [
        "--views",
        "3",
        "--crops",
        "1",
        "--clip-precision",
        "fp32",
        "--max-failure-ratio",
        "0.3",
        "--top-k",
        "2",
    ]
    given = parse(NightlyOptions, [*VIDEOS, *options, "--date", "2026-03-01"])
    settings = given.settings(OF_VIDEOS)
    assert settings.extraction is None
    scoring = settings.scoring.options
    assert (scoring.videos, scoring.features, scoring.checkpoint, scoring.labels) == ("in", (), ("c",), "l")
    assert scoring.only_new
    engine = scoring.engine
    assert (engine.engine, engine.workers, engine.pools, engine.embed_workers) == ("local", 3, "apart", 1)
    assert (engine.time_limit, engine.memory_limit_mib, engine.cluster_wait) == (7.0, 99, 5.0)
    assert (scoring.clips.views, scoring.clips.crops, scoring.clips.precision) == (3, 1, "fp32")
    assert (scoring.failures.max_failure_ratio, scoring.failures.retry_failed) == (0.3, ("storage",))
    assert scoring.policy == given.policy
    assert scoring.policy.follow_links
    assert scoring.scores.top_k == 2
    exported = parse(NightlyOptions, [*VIDEOS, "--backend", "onnx"]).settings(OF_VIDEOS)
    assert exported.scoring.options.clips.backend == "onnx"
    both = parse(NightlyOptions, [*PLACES, *options]).settings(OF_VIDEOS)
    assert both.extraction is not None
    assert (both.extraction.engine.pools, both.extraction.engine.time_limit) == ("apart", 7.0)
    assert both.scoring.options.features == ()


def test_defaults_are_those_of_the_parts() -> None:
    settings = parse(NightlyOptions, PLACES).settings(OF_FEATURES)
    videos = parse(NightlyOptions, VIDEOS).settings(OF_VIDEOS).scoring.options
    assert settings.extraction is not None
    shared = {"checkpoint", "labels", "date", "only_new", "max_failure_ratio"}
    parts: tuple[tuple[Options, set[str]], ...] = (
        (settings.extraction, {"input", "output", "retry_failed"}),
        (settings.scoring.options, {*shared, "features"}),
        (videos, {*shared, "videos", "retry_failed"}),
    )
    for part, given in parts:
        for name, option in options_of(type(part)).items():
            assert (option.value_in(part) == option.default) == (name not in given), name
    assert settings.extraction.failures.retry_failed == videos.failures.retry_failed == ("storage",)
    for words, codes in (((), ()), (("empty",), ("empty",))):
        options = parse(NightlyOptions, [*PLACES, "--retry-failed", *words])
        assert options.extraction().failures.retry_failed == codes
        assert options.scoring(OF_VIDEOS).failures.retry_failed == codes


def test_a_night_without_a_date_is_that_of_today() -> None:
    settings = parse(NightlyOptions, PLACES).settings(OF_FEATURES)
    assert settings.date == settings.options.date == settings.scoring.date
    assert settings.options.settings(OF_FEATURES) == settings


def test_all_problems_are_told_at_once_and_none_twice() -> None:
    places = {"videos": " ", "features": "f", "checkpoint": (), "labels": "l"}
    with pytest.raises(InputError, match="videos must not be empty") as error:
        NightlyOptions.of(**places, date="1 March", fps="0", top_k=0, max_failure_ratio=2, sure_from=-1)
    assert error.value.problems == (
        "videos must not be empty",
        "checkpoint must not be empty",
        "date must be a day such as 2025-01-31, not '1 March'",
        "fps must be a number above 0, such as 1, 0.5 or 30000/1001, not '0'",
        "top-k must be at least 1, not 0",
        "max-failure-ratio must be between 0 and 1, not 2",
        "sure-from must be between 0 and 1, not -1",
    )


def test_features_and_labels_in_one_place_are_refused() -> None:
    with pytest.raises(InputError, match="features and labels must be two places"):
        NightlyOptions(videos="in", features="out/", checkpoint=("c",), labels="out")


def test_options_of_clips_go_with_a_classifier_of_clips() -> None:
    given = parse(NightlyOptions, [*PLACES, "--views", "2", "--clip-precision", "bf16", "--backend", "torch"])
    given.settings(OF_VIDEOS)
    with pytest.raises(InputError) as error:
        given.settings(OF_FEATURES)
    assert error.value.problems == (
        "--views goes with a classifier of clips; c takes features",
        "--backend goes with a classifier of clips; c takes features",
        "--clip-precision goes with a classifier of clips; c takes features",
    )
    with pytest.raises(InputError, match=r"^c takes features: give --features$"):
        parse(NightlyOptions, VIDEOS).settings(OF_FEATURES)


def test_what_neither_kind_of_labels_allows_is_told_before_the_checkpoints_are_read() -> None:
    with pytest.raises(InputError, match="checkpoint names the same folder more than once") as error:
        NightlyOptions(videos="in", features="f", checkpoint=("c", "c"), labels="l")
    assert len(error.value.problems) == 1
    both = parse(NightlyOptions, [*PLACES, "--timeline", "--stride", "2"])  # only with clips
    both.settings(OF_VIDEOS)
    with pytest.raises(InputError, match="--stride"):
        both.settings(OF_FEATURES)
    with pytest.raises(InputError, match="--window"):
        parse(NightlyOptions, [*VIDEOS, "--timeline", "--window", "2"])
