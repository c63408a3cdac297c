from __future__ import annotations

import pytest

from cluster.runs.command_line import parse
from cluster.scoring.config import ScoringOptions
from schemas.errors import InputError

NEEDED = ("--features", "f", "--checkpoint", "c", "--labels", "l")


def kind_and_defaults(options):
    settings = options.settings()
    return options.kind, settings.rows_per_shard, settings.max_failure_ratio


def test_a_command_line():
    config = parse(ScoringOptions, [*NEEDED, "--top-k", "5", "--date", "2026-03-01"])
    assert (config.features, config.checkpoint, config.labels) == (("f",), ("c",), "l")
    assert (config.scores.top_k, config.date, config.only_new) == (5, "2026-03-01", False)
    assert config.settings().options == config


def test_without_a_day_it_is_today():
    assert len(parse(ScoringOptions, list(NEEDED)).settings().date) == 10


def test_all_that_is_wrong_is_told_at_once():
    wrong = ["--features", "--checkpoint", "c", "c", "--labels", " ", "--top-k", "0", "--threshold", "nan"]
    with pytest.raises(InputError) as caught:
        parse(ScoringOptions, [*wrong, "--date", "yesterday", "--engine", "flink", "--topk", "3"])
    text = str(caught.value)
    for part in (
        "unknown option --topk; did you mean --top-k?",
        "--engine is one of ray, local, beam, not 'flink'",
        "top-k must be at least 1, not 0",
        "give --features or --videos, one of them",
        "labels must not be empty",
        "threshold must be between 0 and 1, not nan",
        "date must be a day such as 2025-01-31, not 'yesterday'",
        "checkpoint names the same folder more than once",
    ):
        assert part in text


def test_one_of_the_two_kinds_is_scored_and_has_options_of_its_own():
    videos = ("--videos", "v", "--checkpoint", "c", "--labels", "l")
    config = parse(ScoringOptions, [*videos, "--views", "3", "--max-failure-ratio", "0.5"])
    assert kind_and_defaults(config) == ("videos", 1024, 0.5)
    config = parse(ScoringOptions, list(NEEDED))
    assert kind_and_defaults(config) == ("features", 32768, 0.0)
    with pytest.raises(InputError) as caught:
        parse(
            ScoringOptions,
            [
                *NEEDED,
                "--views",
                "0",
                "--embeddings",
                " ",
                "--precision",
                "bf16",
                "--pools",
                "apart",
                "--time-limit",
                "inf",
            ],
        )
    text = str(caught.value)
    for part in (
        "views must be at least 1, not 0",
        "embeddings must not be empty",
        "--pools goes with --videos",
        "--precision goes with --videos",
        "time-limit must be above 0 and finite, not inf",
    ):
        assert part in text
    with pytest.raises(InputError, match="give --features or --videos, one of them"):
        parse(ScoringOptions, [*NEEDED, *videos[:2]])
    with pytest.raises(InputError, match="labels and embeddings must be two places, not both 'l'"):
        parse(ScoringOptions, [*videos, "--embeddings", "l/"])
    with pytest.raises(InputError, match="--max-frames goes with --features"):
        parse(ScoringOptions, [*videos, "--max-frames", "3"])


def test_features_are_not_left_out_by_patterns():
    with pytest.raises(InputError, match="--exclude goes with --videos"):
        parse(ScoringOptions, [*NEEDED, "--exclude", "x"])


def test_a_shard_cannot_hold_any_number_of_labels():
    with pytest.raises(InputError, match="top-k times rows-per-shard must be below"):
        ScoringOptions.of(checkpoint=("c",), labels="l", features=("f",), top_k=1 << 12, rows_per_shard=1 << 20)


def test_timelines_of_features_have_options_of_their_own():
    timeline = [*NEEDED, "--timeline"]
    assert kind_and_defaults(parse(ScoringOptions, timeline)) == ("features", 1024, 0.0)
    assert kind_and_defaults(parse(ScoringOptions, [*timeline, "--rows-per-shard", "9"])) == ("features", 9, 0.0)
    with pytest.raises(InputError, match="--max-frames does not go with --timeline, which covers all frames"):
        parse(ScoringOptions, [*timeline, "--max-frames", "3"])
    with pytest.raises(InputError, match="--stride goes with --videos; with features, timelines have --timeline-hz"):
        parse(ScoringOptions, [*timeline, "--stride", "3"])
    with pytest.raises(InputError, match="window goes with --timeline"):
        parse(ScoringOptions, [*NEEDED, "--window", "3"])
