"""Embeddings of a run as rows of a feature dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.vocabulary import read_vocabulary
from cluster.scoring.clip_embeddings import ClipEmbeddings
from cluster.scoring.clip_scorer import ClipScores
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM
from schemas.outcomes import FailureCode
from schemas.videos import Video
from tests.support.dataset import ids, rows

DIM = 4
VIDEOS = (
    Video("a", "s3://key:secret@bucket/a.mp4", labels=("cat",), split="training", version="etag:a"),
    Video("b", "b.mp4", labels=("dog",), version="etag:b"),
    Video("c", "c.mp4", version="etag:c"),
)


def embeddings(root: Path, *, run: str = "run", videos: tuple[Video, ...] = VIDEOS, retry: bool = False):
    dataset = FeatureDataset(
        str(root), run_id=run, rgb_dim=DIM, frame_features=False, fingerprint={"clips.model": "c3d"}
    )
    return ClipEmbeddings(dataset, videos, () if retry else None, rows_per_shard=10)


def scores(value: float) -> ClipScores:
    embedding = np.full(DIM, value, np.float32)
    return ClipScores(np.array([0]), np.array([1.0], np.float32), embedding, 16, 2.5, {})


def failure(video: Video) -> FailureRow:
    code = FailureCode.EMPTY
    return FailureRow(
        id=video.id, uri=video.uri, stage="read", code=code, message="empty", attempts=1, run_id="run", content="etag:c"
    )


def test_a_row_is_a_video_without_sound_whose_mean_is_its_embedding(tmp_path: Path) -> None:
    written = embeddings(tmp_path)
    assert written.lacking == {"a", "b", "c"}
    for number, video in enumerate(VIDEOS):
        written.add(video, scores(number))
    written.commit()
    assert written.rows == 3
    first, second, third = rows(tmp_path)
    assert (first["mean_rgb"], first["num_frames"], first["duration_seconds"]) == ([0.0] * DIM, 16, 2.5)
    assert (first["has_audio"], first["mean_audio"]) == (False, [0.0] * AUDIO_DIM)
    assert first["split"] == "training"
    assert "secret" not in str(first["uri"])
    assert [row["labels"] for row in (first, second, third)] == [[0], [1], []]
    assert read_vocabulary(str(tmp_path / "vocabulary.csv")).names == ["cat", "dog"]


def test_only_videos_that_lack_an_embedding_are_wanted(tmp_path: Path) -> None:
    first = embeddings(tmp_path)
    first.add(VIDEOS[0], scores(1))
    first.add_failure(failure(VIDEOS[2]))
    first.commit()
    assert embeddings(tmp_path, run="again").lacking == {"b"}
    assert embeddings(tmp_path, run="retry", retry=True).lacking == {"b", "c"}


def test_a_replaced_video_loses_its_old_row(tmp_path: Path) -> None:
    first = embeddings(tmp_path)
    for video in VIDEOS:
        first.add(video, scores(1))
    first.commit()
    replaced = (Video("a", "a.mp4", version="etag:new"), *VIDEOS[1:])
    assert embeddings(tmp_path, run="again", videos=replaced).lacking == {"a"}
    assert ids(tmp_path) == ["b", "c"]


def test_nothing_is_visible_before_it_is_committed(tmp_path: Path) -> None:
    written = embeddings(tmp_path)
    written.add(VIDEOS[0], scores(1))
    assert ids(tmp_path) == []
    written.commit()
    assert ids(tmp_path) == ["a"]
    (shard,) = (tmp_path / "features").glob("*.parquet")
    assert b"c3d" in pq.read_schema(shard).metadata[b"framemill.fingerprint"]
