"""Trained classifiers: labels of videos, from their features or from the videos themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from numpy.typing import NDArray

from classifiers.clip_models.registry import clip_model_entry
from classifiers.clip_models.streaming import StreamModel
from classifiers.data.batches import FeatureBatch
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CLIP, LIP, CheckpointConfig, CheckpointError, check_fingerprint
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_rows import is_manifest
from cluster.extraction.recorded import options_of_fingerprint
from cluster.features.window import padded
from cluster.runs.common_options import AccessOptions, FolderOptions, read_policy
from cluster.scoring.config import ScoringOptions
from cluster.scoring.job import score_videos
from cluster.scoring.plan import read_checkpoint_at
from cluster.storage import files
from cluster.storage.listing import list_files
from cluster.storage.parquet import read_table
from cluster.storage.read_policy import ReadPolicy
from framemill.extraction import extract
from framemill.inputs import job_input
from framemill.tables import FINGERPRINT, read
from schemas.errors import InputError
from schemas.fingerprint import fingerprint_of

if TYPE_CHECKING:
    from framemill.inputs import Place, Videos

BATCH_VIDEOS = {"video": 1024, "frame": 16}
COLUMNS = {"video": ("mean_rgb", "mean_audio"), "frame": ("rgb", "audio")}


class Classifier:
    """A trained classifier, of features or of clips. `load_classifier` makes one.

    Attributes:
        classes: The K names of its classes, in the order of `predict_proba`.
        takes: `mean features`, `frame features`, `clips` or `streams`.
        name: The model, with the start of its weights' hash, as in the shards of labels.
    """

    def __init__(self, place: str, options: dict[str, Any]) -> None:
        try:
            checkpoint = read_checkpoint_at(place)
            self._config: CheckpointConfig = checkpoint.config
            self._trained = None
            if self._config.level == LIP:
                raise InputError(f"{place} reads lips: framemill transcribe takes it")
            if self._config.level != CLIP:
                self._trained = TrainedClassifier({place: checkpoint})
        except CheckpointError as error:
            raise InputError(str(error)) from error
        self._place, self._options = place, options
        self.classes = self._config.class_names
        self.takes = {"video": "mean features", "frame": "frame features"}.get(self._config.level, "clips")
        if self._config.clips is not None and issubclass(clip_model_entry(self._config.model).model, StreamModel):
            self.takes = "streams"
        self.name = f"{self._config.model}@{self._config.weights_sha256[:12]}"

    def predict(self, videos: Videos, *, top_k: int = 5) -> pd.DataFrame:
        """The best classes of each video.

        Args:
            videos: A table of features, from `framemill.read`; or videos as `framemill.extract` takes them, which are
                decoded here. A classifier of clips takes videos alone.
            top_k: How many classes of each video.

        Returns:
            A row for each video, in the order given, also that of a manifest; those of a folder, glob or tar are in the
            order of their ids. It has its `id`, its best class (`label`), the probability of that (`score`), and
            `labels`, the best `top_k` classes, each with its probability. A video that cannot be read has the label
            None, and the reason in `failure`.

        Raises:
            InputError: If the features are not those that the classifier was trained on, as far as the table tells (one
                that was merged with others does not), or there are no videos.
        """
        if isinstance(videos, pa.Table):
            videos = _frame(videos)

        if not _is_features(videos):
            return self._labelled(videos, top_k)
        table: Any = videos
        rows = []
        for batch in self._batches(table):
            assert self._trained is not None
            places, scores = self._trained.label(batch, top_k)
            for found, values in zip(places.tolist(), scores.tolist(), strict=True):
                rows.append([(self.classes[place], score) for place, score in zip(found, values, strict=True)])
        return _table(list(table["id"] if "id" in table.columns else table.index), rows)

    def predict_proba(self, features: pd.DataFrame) -> NDArray[np.float32]:
        """The probabilities (N, K) of all K classes for N videos, from a table of features.

        They add up to 1 where classes exclude each other.

        Raises:
            InputError: As `predict`.
        """
        if isinstance(features, pa.Table):
            features = _frame(features)
        found = []
        for batch in self._batches(features):
            assert self._trained is not None
            logits = self._trained.logits(batch).double()
            found.append(logits.softmax(1) if self._trained.is_single_label else logits.sigmoid())
        return torch.cat(found).float().numpy() if found else np.zeros((0, len(self.classes)), np.float32)

    def _batches(self, features: pd.DataFrame) -> Iterator[FeatureBatch]:
        level = self._config.level
        if self._trained is None:
            raise InputError(f"{self._place} looks at clips: give videos, not their features")
        wanted = COLUMNS[level]
        missing = [name for name in wanted if name not in features.columns]
        if missing:
            hint = ": framemill.read(…, frames=True) has them" if level == "frame" else ""
            raise InputError(f"the table has no column {', '.join(missing)}{hint}")
        if FINGERPRINT in features.attrs:
            try:
                check_fingerprint(self._config, features.attrs[FINGERPRINT], "the table")
            except CheckpointError as error:
                raise InputError(str(error)) from error
        size = BATCH_VIDEOS[level]
        for start in range(0, len(features), size):
            part = features.iloc[start : start + size]
            yield self._batch(part, *(_arrays(part[name], name) for name in wanted))

    def _batch(
        self, part: pd.DataFrame, rgb: list[NDArray[np.float32]], audio: list[NDArray[np.float32]]
    ) -> FeatureBatch:
        for name, arrays, width in (("rgb", rgb, self._config.rgb_dim), ("audio", audio, self._config.audio_dim)):
            wrong = next((array.shape for array in arrays if array.shape[-1:] != (width,)), None)
            if wrong is not None:
                raise InputError(f"{name} is of shape {wrong}, and {self._place} takes features {width} wide")
        if self._config.level == "video":
            known = part["num_frames"] if "num_frames" in part.columns else np.ones(len(part))
            return _batch_of(np.stack(rgb), np.stack(audio), np.array(known, np.int64))
        counts: NDArray[np.int64] = np.array([len(array) for array in rgb], np.int64)
        first: NDArray[np.int64] = np.cumsum(counts) - counts
        pictures, sound = (padded(np.concatenate(arrays), first, counts) for arrays in (rgb, audio))
        return _batch_of(pictures, sound, counts)

    def _labelled(self, videos: Videos, top_k: int) -> pd.DataFrame:
        """Labels of videos that are decoded first."""
        with TemporaryDirectory() as folder:
            source = job_input(videos, folder)
            if self._trained is None:
                labels = files.join(folder, "labels")
                options = ScoringOptions.of(
                    checkpoint=(self._place,),
                    labels=labels,
                    top_k=top_k,
                    **{"videos": source, "engine": "local", "quiet": True, **self._options},
                )
                record = score_videos(options.settings())
                if record.status == "interrupted":
                    raise KeyboardInterrupt
                if record.status != "completed":
                    raise RuntimeError(f"the videos could not be labelled: the run {record.status}")
                rows = [row for table in _tables(labels, "date=") for row in table.to_pylist()]
                found = _table(
                    [row["id"] for row in rows],
                    [[(each["name"], each["score"]) for each in row["labels"]] for row in rows],
                )
                failed = {row["id"]: row["code"] for table in _tables(labels, "failures/") for row in table.to_pylist()}
            else:
                features = files.join(folder, "features")
                needs_frames = self._config.level == "frame"
                same = options_of_fingerprint(self._config.feature_fingerprint, self._options)
                run = extract(source, features, frame_features=needs_frames, **same)
                failed = run.failures
                found = _table([], [])
                if run.extracted:
                    found = self.predict(read(features, frames=needs_frames), top_k=top_k)
            if failed:
                found = pd.concat([found, _table(list(failed), [[]] * len(failed), list(failed.values()))])
            if is_manifest(source):
                places = {video.id: place for place, video in enumerate(read_videos(source, policy=self._policy()))}
                return found.sort_values("id", key=lambda ids: ids.map(places), ignore_index=True)
        return found.sort_values("id", ignore_index=True)

    def _policy(self) -> ReadPolicy:
        """How far the reading of a manifest goes."""
        known = AccessOptions().flat()
        given = {name: value for name, value in self._options.items() if name in known}
        return read_policy(FolderOptions(), AccessOptions.of(**given))


def load_classifier(checkpoint: Place, **options: Any) -> Classifier:
    """A classifier that `framemill train` has written.

    Args:
        checkpoint: Its folder, on disk or in a bucket.
        **options: How videos are decoded, with underscores: of `framemill extract` for a classifier of features, such
            as `weights` where they are no published set; of `framemill label` for one of clips.

    Raises:
        InputError: If there is no checkpoint, or it cannot be used.

    Example:
        >>> import framemill
        >>> classifier = framemill.load_classifier(checkpoint)
        >>> classifier.takes, classifier.predict(framemill.read(features)).columns.tolist()
        ('mean features', ['id', 'label', 'score', 'labels', 'failure'])
    """
    return Classifier(os.fspath(checkpoint), options)


def _batch_of(rgb: NDArray[np.float32], audio: NDArray[np.float32], counts: NDArray[np.int64]) -> FeatureBatch:
    return FeatureBatch(torch.from_numpy(rgb), torch.from_numpy(audio), torch.from_numpy(counts))


def _is_features(videos: Any) -> bool:
    return hasattr(videos, "columns") and bool({"mean_rgb", "rgb"} & set(videos.columns))


def _arrays(column: Iterable[Any], name: str) -> list[NDArray[np.float32]]:
    arrays = [np.asarray(value, np.float32) for value in column]
    bad = sum(not np.isfinite(array).all() for array in arrays)
    if bad:
        raise InputError(f"{name} has NaN or infinite values in {bad} rows: extract them again, or drop these rows")
    return arrays


def _frame(table: pa.Table) -> pd.DataFrame:
    """A table of `read` in Arrow's form, in that of pandas."""
    frame = table.to_pandas(ignore_metadata=True)
    for name in {"rgb", "audio"} & set(frame.columns):
        frame[name] = [np.stack(rows) for rows in frame[name]]
    if fingerprint := dict(fingerprint_of(table.schema.metadata or {})):
        frame.attrs[FINGERPRINT] = fingerprint
    return frame


def _tables(labels: str, below: str) -> Iterator[Any]:
    """The Parquet files of a label dataset in a folder."""
    for file in list_files(labels):
        if file.uri.removeprefix(labels).lstrip("/").startswith(below) and file.uri.endswith(".parquet"):
            yield read_table(file.uri)


def _table(ids: list[Any], labels: list[list[tuple[str, float]]], failures: Sequence[str | None] = ()) -> pd.DataFrame:
    best = [each[0] if each else (None, float("nan")) for each in labels]
    return pd.DataFrame(
        {
            "id": ids,
            "label": [name for name, _ in best],
            "score": [score for _, score in best],
            "labels": labels,
            "failure": list(failures) or [None] * len(ids),
        }
    )
