from __future__ import annotations

import pytest

from cluster.runs.command_line import UsageError, parse
from cluster.scoring.config import ScoringConfig

NEEDED = ("--features", "f", "--checkpoint", "c", "--labels", "l")


def test_a_command_line():
    config = parse(ScoringConfig, [*NEEDED, "--top-k", "5", "--date", "2026-03-01"])
    assert (config.features, config.checkpoint, config.labels) == (("f",), ("c",), "l")
    assert (config.top_k, config.date, config.only_new) == (5, "2026-03-01", False)
    assert config.dated() is config


def test_without_a_day_it_is_today():
    assert len(parse(ScoringConfig, list(NEEDED)).dated().date) == 10


def test_all_that_is_wrong_is_told_at_once():
    wrong = ["--features", "--checkpoint", "c", "c", "--labels", " ", "--top-k", "0", "--threshold", "nan"]
    with pytest.raises(UsageError) as caught:
        parse(ScoringConfig, [*wrong, "--date", "yesterday", "--engine", "beam", "--topk", "3"])
    text = str(caught.value)
    for part in (
        "unknown option --topk; did you mean --top-k?",
        "--engine is one of ray, local, not 'beam'",
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
    config = parse(ScoringConfig, [*videos, "--views", "3", "--max-failure-ratio", "0.5"])
    assert (config.kind, config.shard_rows, config.failure_limit) == ("videos", 1024, 0.5)
    config = parse(ScoringConfig, list(NEEDED))
    assert (config.kind, config.shard_rows, config.failure_limit) == ("features", 32768, 0.0)
    with pytest.raises(UsageError) as caught:
        parse(
            ScoringConfig, [*NEEDED, "--views", "0", "--embeddings", " ", "--precision", "bf16", "--time-limit", "inf"]
        )
    text = str(caught.value)
    for part in (
        "views must be at least 1, not 0",
        "embeddings must not be empty",
        "embeddings is for --videos alone",
        "precision is for --videos alone",
        "time-limit must be above 0 and finite, not inf",
    ):
        assert part in text
    with pytest.raises(UsageError, match="give --features or --videos, one of them"):
        parse(ScoringConfig, [*NEEDED, *videos[:2]])
    with pytest.raises(UsageError, match="labels and embeddings must be two places, not both 'l'"):
        parse(ScoringConfig, [*videos, "--embeddings", "l/"])
    with pytest.raises(UsageError, match="max-frames is for --features alone"):
        parse(ScoringConfig, [*videos, "--max-frames", "3"])


def test_a_shard_cannot_hold_any_number_of_labels():
    with pytest.raises(ValueError, match="top-k times rows-per-shard must be below"):
        ScoringConfig(("c",), "l", ("f",), top_k=1 << 12, rows_per_shard=1 << 20)
