"""The features of a clip classifier (the input of its head) as a dataset, for any feature classifier to train on.

Rows are those of `jobs/extract_features.py`: `mean_rgb` is the mean over a video's clips, `mean_audio` is zeros, as of
videos without sound. `num_frames` counts the sampled frames. Labels are those of the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cluster.datasets.feature_dataset import FeatureDataset
from cluster.datasets.increment import increment_of
from cluster.datasets.shard_sink import Sink
from cluster.scoring.clip_scorer import ClipScores
from cluster.storage.redaction import redacted_uri
from schemas.failures import FailureRow
from schemas.features import AUDIO_DIM, FeatureRow
from schemas.videos import Video, content_of


class ClipEmbeddings:
    """Collects the embeddings of a run; the caller holds the lease of their dataset.

    lacking  ids of the videos without an embedding
    rows     how many embeddings were added
    """

    def __init__(
        self,
        dataset: FeatureDataset,
        videos: Sequence[Video],
        retry_failed: tuple[str, ...] | None,
        rows_per_shard: int,
    ) -> None:
        settled = dataset.prepare()
        increment = increment_of(videos, settled, retry_failed)
        dataset.withdraw(increment.replaced)
        self._labels_of = dataset.name_classes(videos).indices
        dataset.annotate(videos)
        self.lacking = frozenset(video.id for video in increment.pending)
        self.rows = 0
        self._sink = Sink(dataset, rows_per_shard, settled.failed.keys())

    def add(self, video: Video, scores: ClipScores) -> None:
        """Add the embedding of a video; one that cannot be stored is a failure."""
        assert scores.embedding is not None
        row = FeatureRow(
            id=video.id,
            labels=self._labels_of(video),
            mean_rgb=scores.embedding,
            mean_audio=np.zeros(AUDIO_DIM, np.float32),
            has_audio=False,
            num_frames=scores.num_frames,
            duration_seconds=scores.duration_seconds,
            split=video.split,
            uri=redacted_uri(video.uri),
        )
        checked = self._sink.checked(row, content_of(video))
        if isinstance(checked, FailureRow):
            self._sink.add_failure(checked)
            return
        self.rows += 1
        self._sink.add_row(row, content_of(video))

    def add_failure(self, row: FailureRow) -> None:
        """Add the failure of a video."""
        self._sink.add_failure(row)

    def commit(self) -> None:
        """Commit what has been collected so far."""
        self._sink.commit()
