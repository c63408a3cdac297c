from __future__ import annotations

import csv
import io

import pyarrow.parquet as pq
import pytest

from cluster.scoring.label_writer import VideoLabels
from cluster.serving.config import ServeOptions
from cluster.serving.models import read_models
from cluster.serving.results import MEDIA_TYPES, ModelFailure, result_of
from cluster.serving.transcripts import TranscriptResult
from schemas.timelines import TIMELINE_LABEL_SCHEMA, EventRules
from schemas.videos import Video
from tests.support.checkpoints import write_trained
from tests.support.clips import trained_stream
from tests.support.timelines import timeline_of


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = write_trained(tmp_path_factory.mktemp("m") / "stream", trained_stream(classes=3))
    model = read_models(ServeOptions.of(checkpoint=(folder,))).models["stream"]
    timeline = timeline_of({0: (0.1, 0.7, 0.2), 1: (0.1, 0.8, 0.1), 3: (0.5, 0.3, 0.2)})
    import numpy as np

    labels = VideoLabels(Video("=an id", "/uploads/x"), np.array([1, 0]), np.array([0.6, 0.2], np.float32), timeline)
    return result_of(labels, model, threshold=0.3, rules=EventRules(threshold=0.6, end_threshold=0.5), run_id="run")


def test_a_shard_is_that_of_the_job_and_names_no_file(result):
    table = pq.read_table(io.BytesIO(result.shard))
    assert table.schema.remove_metadata() == TIMELINE_LABEL_SCHEMA
    assert b"/uploads" not in result.shard
    assert result.model == "stream"


def test_json_has_names_and_steps_in_order(result):
    plain = result.plain({10: "zero", 11: "one", 12: "two"})
    assert [label["index"] for label in plain["labels"]] == [11]
    assert [step["seconds"] for step in plain["timeline"]] == [0.0, 1.0, 3.0]
    assert [top["name"] for top in plain["timeline"][0]["top"]] == ["one", "two"]
    assert [(event["start"], event["end"], event["index"]) for event in plain["events"]] == [(0.0, 2.0, 11)]


def test_events_are_written_as_the_job_writes_them(result):
    assert result.files["events.vtt"]().decode().count("-->") == 1
    lines = list(csv.reader(io.StringIO(result.files["events.csv"]().decode())))
    assert lines[0] == ["id", "start_seconds", "end_seconds", "labels", "score"]
    assert lines[1][:3] == ["'=an id", "0.0", "2.0"]
    assert result.files["results.parquet"]() == result.shard


def test_every_file_has_a_type(result):
    assert {*result.files, *TranscriptResult("m", b"", " ").files} == set(MEDIA_TYPES)
    assert ModelFailure("m", "no_face", "no face").files == {}
