"""Options of a night, and what its parts are told."""

import re

import pytest

from cluster.nightly.config import COMMON, OF_EXTRACTION, OF_SCORING, NightlyConfig
from cluster.runs.command_line import parse
from tests.support.dataset import ROOT

PLACES = ["--videos", "in", "--features", "f", "--checkpoint", "c", "--labels", "l"]


def test_the_parts_get_what_is_theirs() -> None:
    options = ["--weights", "random:0", "--max-seconds", "9", "--top-k", "3", "--workers", "2", "--engine", "local"]
    config = parse(NightlyConfig, [*PLACES, *options, "--date", "2026-03-01", "--frame-features"])
    extraction, scoring = config.extraction(), config.scoring()
    assert (extraction.input, extraction.output, scoring.features) == ("in", "f", ("f",))
    assert (extraction.weights, extraction.max_seconds, extraction.frame_features) == ("random:0", 9, True)
    assert (scoring.checkpoint, scoring.labels, scoring.date, scoring.top_k) == (("c",), "l", "2026-03-01", 3)
    assert scoring.only_new
    for part in (extraction, scoring):
        assert (part.workers, part.engine) == (2, "local")


def test_defaults_are_those_of_the_parts() -> None:
    config = parse(NightlyConfig, PLACES)
    for names, part in ((OF_EXTRACTION + COMMON, config.extraction()), (OF_SCORING + COMMON, config.scoring())):
        fields = part.__dataclass_fields__
        for name in names:
            if name not in ("checkpoint", "labels", "max_failure_ratio"):
                assert getattr(part, name) == fields[name].default, name
    assert config.extraction().retry_failed == ("storage",)
    assert parse(NightlyConfig, [*PLACES, "--retry-failed"]).extraction().retry_failed == ()
    assert parse(NightlyConfig, [*PLACES, "--retry-failed", "empty"]).extraction().retry_failed == ("empty",)


def test_a_day_is_given_once() -> None:
    config = parse(NightlyConfig, PLACES).dated()
    assert config.date is not None
    assert config.dated() is config


def test_all_problems_are_told_at_once_and_none_twice() -> None:
    with pytest.raises(ValueError, match="videos must not be empty") as error:
        NightlyConfig(" ", "f", (), "l", date="1 March", fps="0", top_k=0, max_failure_ratio=2, sure_from=-1)
    assert str(error.value).split("; ") == [
        "videos must not be empty",
        "sure-from must be between 0 and 1, not -1",
        "max-failure-ratio must be between 0 and 1, not 2",
        "fps must be a number above 0, such as 1, 0.5 or 30000/1001, not '0'",
        "top-k must be at least 1, not 0",
        "checkpoint must name something",
        "date must be a day such as 2025-01-31, not '1 March'",
    ]


def test_features_and_labels_in_one_place_are_refused() -> None:
    with pytest.raises(ValueError, match="features and labels must be two places"):
        NightlyConfig("in", "out/", ("c",), "out")


def test_the_cluster_files_use_options_that_are_there() -> None:
    text = (ROOT / "cluster" / "deploy" / "nightly.yaml").read_text()
    assert "python, jobs/nightly.py]" in text
    config = parse(NightlyConfig, re.findall(r"- (--\S+=\S+)", text))
    assert (config.videos, config.checkpoint) == ("gs://BUCKET/videos", ("gs://BUCKET/models/current",))
