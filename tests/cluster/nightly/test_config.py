"""Options of a nightly run, and the options of its parts."""

import pytest

from cluster.nightly.config import NightlyOptions
from cluster.runs.command_line import parse
from cluster.runs.options import Options, options_of
from schemas.errors import InputError

PLACES = ["--videos", "in", "--features", "f", "--checkpoint", "c", "--labels", "l"]


def test_the_parts_get_what_is_theirs() -> None:
    options = ["--weights", "random:0", "--max-seconds", "9", "--top-k", "3", "--workers", "2", "--engine", "local"]
    options += ["--exclude", "trailers", "*.part.mp4"]
    settings = parse(NightlyOptions, [*PLACES, *options, "--date", "2026-03-01", "--frame-features"]).settings()
    extraction, scoring = settings.extraction, settings.scoring.options
    assert (extraction.input, extraction.output, scoring.features) == ("in", "f", ("f",))
    assert (extraction.networks.weights, extraction.sampling.max_seconds) == ("random:0", 9)
    assert extraction.sampling.frame_features
    assert extraction.folders.exclude == ("trailers", "*.part.mp4")
    assert (scoring.checkpoint, scoring.labels, scoring.date, scoring.scores.top_k) == (("c",), "l", "2026-03-01", 3)
    assert scoring.only_new
    for part in (extraction, scoring):
        assert (part.engine.workers, part.engine.engine) == (2, "local")


def test_defaults_are_those_of_the_parts() -> None:
    settings = parse(NightlyOptions, PLACES).settings()
    parts: tuple[tuple[Options, set[str]], ...] = (
        (settings.extraction, {"input", "output", "retry_failed"}),
        (settings.scoring.options, {"checkpoint", "labels", "features", "date", "only_new", "max_failure_ratio"}),
    )
    for part, given in parts:
        for name, option in options_of(type(part)).items():
            assert (option.value_in(part) == option.default) == (name not in given), name
    assert settings.extraction.failures.retry_failed == ("storage",)
    for words, codes in (((), ()), (("empty",), ("empty",))):
        options = parse(NightlyOptions, [*PLACES, "--retry-failed", *words])
        assert options.extraction().failures.retry_failed == codes


def test_a_night_without_a_date_is_that_of_today() -> None:
    settings = parse(NightlyOptions, PLACES).settings()
    assert settings.date == settings.options.date == settings.scoring.date
    assert settings.options.settings() == settings


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
