"""Everything about a scoring of features that can be wrong before any work is done, checked and put together.

A plan holds the scorer, every row of the features with what it was made from, and the dataset that takes the labels.
What scoring videos (`cluster.scoring.clip_plan`) checks as well is here too.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from classifiers.inference.base import Classifier
from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import (
    CLIP,
    CONFIG_FILE,
    HISTORY_FILE,
    WEIGHTS_FILE,
    Checkpoint,
    CheckpointError,
    check_fingerprint,
    read_checkpoint,
)
from cluster.datasets.label_dataset import LabelDataset, Labelled
from cluster.features.columns import read_ids
from cluster.features.files import MAX_REQUESTS, FeatureFile, FeatureFiles, open_features
from cluster.runs.lifecycle import new_run_id
from cluster.scoring.config import OF_FEATURES, OF_VIDEOS, ScoreOptions, ScoringOptions, ScoringSettings
from cluster.scoring.feature_scorer import FeatureScorer, Piece, Portion
from cluster.scoring.label_source import ScoringBasis
from cluster.scoring.label_writer import LabelWriter
from cluster.storage import files
from cluster.storage.listing import versions_of
from cluster.storage.parquet import read_table
from schemas.errors import InputError, examples
from schemas.labels import LabelStamp, unsubmittable_ids

TrainedT = TypeVar("TrainedT", bound=Classifier)


@dataclass(frozen=True)
class FileRows:
    """All rows of a feature file: ids, and what their features were made from; null where a row is being withdrawn."""

    file: FeatureFile
    ids: pa.StringArray
    contents: pa.StringArray


@dataclass(frozen=True, kw_only=True)
class ScoringPlan(ScoringBasis):
    """A run that can start."""

    scorer: FeatureScorer
    features: FeatureFiles
    rows: tuple[FileRows, ...]

    @property
    def classifier(self) -> TrainedClassifier:
        """See `ScoringBasis.classifier`."""
        return self.scorer.classifier

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Of the features."""
        return self.features.fingerprint

    @property
    def videos(self) -> int:
        """How many there are, whether labelled or not."""
        return sum(len(rows.ids) - rows.contents.null_count for rows in self.rows)

    def portions(self, labelled: Labelled) -> list[Portion]:
        """What is still to be done, in portions of about `rows_per_shard` videos."""
        portions: list[Portion] = []
        pieces: list[Piece] = []
        videos = 0
        for piece in self._pieces(labelled):
            if pieces and videos + len(piece.rows) > self.settings.rows_per_shard:
                portions.append(Portion(len(portions), tuple(pieces)))
                pieces, videos = [], 0
            pieces.append(piece)
            videos += len(piece.rows)
        return [*portions, Portion(len(portions), tuple(pieces))] if pieces else portions

    def _pieces(self, labelled: Labelled) -> Iterator[Piece]:
        contents = [pc.fill_null(rows.contents, "") for rows in self.rows]
        is_current = labelled.is_current(pa.chunked_array([rows.ids for rows in self.rows]), pa.chunked_array(contents))
        bounds = np.cumsum([len(rows.ids) for rows in self.rows])[:-1]
        for rows, known, is_done in zip(self.rows, contents, np.split(is_current, bounds), strict=True):
            is_there = rows.contents.is_valid().to_numpy(zero_copy_only=False)
            for part in self._parts(rows.file, np.flatnonzero(is_there & ~is_done)):
                taken = pa.array(part)
                yield Piece(rows.file, part, rows.ids.take(taken), known.take(taken))

    def _parts(self, file: FeatureFile, wanted: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """The wanted rows of a large file, split between row groups; one in a bucket is fetched whole, and once."""
        starts = np.cumsum([0, *file.row_groups[:-1]]) if files.is_local(file.uri) else np.zeros(1, np.int64)
        is_split = np.diff(starts // self.settings.rows_per_shard) > 0
        return [part for part in np.split(wanted, np.searchsorted(wanted, starts[1:][is_split])) if len(part)]


def make_scoring_plan(settings: ScoringSettings) -> ScoringPlan:
    """Read checkpoints and features, and join them.

    Raises:
        InputError: with all that is wrong.
    """
    started = datetime.now(UTC)
    options = settings.options
    problems: list[str] = []
    classifier = read_trained(TrainedClassifier, options, problems)
    features = _open_features(options.features, problems)
    if classifier is not None and features is not None:
        problems += _misfits(classifier, features, ", ".join(options.features))
    problems += unwritable(options)
    if problems or classifier is None or features is None:
        raise InputError(*problems)
    rows = _read_rows(features, is_submitted=options.submission is not None)
    run_id = new_run_id(started)
    manner = {**manner_of(classifier, options.scores), "max_frames": str(options.max_frames)}
    dataset = label_dataset(settings, run_id, manner)
    writer = label_writer(classifier, options.scores, dataset, LabelStamp(classifier.name, run_id, started))
    return ScoringPlan(
        settings=settings,
        run_id=run_id,
        started=started,
        manner=manner,
        dataset=dataset,
        scorer=FeatureScorer(
            classifier=classifier, top_k=options.scores.top_k, max_frames=options.max_frames, writer=writer
        ),
        features=features,
        rows=rows,
    )


def read_checkpoint_at(uri: str) -> Checkpoint:
    """The checkpoint in a folder, on disk or in a bucket; `CheckpointError` or `StorageError` where there is none."""
    contents: dict[str, bytes] = {}
    for name in (WEIGHTS_FILE, CONFIG_FILE, HISTORY_FILE):
        try:
            contents[name] = files.read_bytes(files.join(uri, name))
        except (FileNotFoundError, NotADirectoryError):
            continue  # what must be there is missed by who reads it
    return read_checkpoint(contents, uri)


def read_trained(
    kind: Callable[[Mapping[str, Checkpoint]], TrainedT], options: ScoringOptions, problems: list[str]
) -> TrainedT | None:
    """The classifier of the checkpoints, or None and what is wrong with them."""
    checkpoints: dict[str, Checkpoint] = {}
    for uri in options.checkpoint:
        try:
            checkpoints[uri] = read_checkpoint_at(uri)
        except (CheckpointError, InputError, OSError) as error:
            problems.append(str(error))
            continue
        level = checkpoints[uri].config.level
        if (level == CLIP) != (options.kind == OF_VIDEOS):
            takes, which = ("clips of videos", OF_VIDEOS) if level == CLIP else ("features", OF_FEATURES)
            problems.append(
                f"{uri}: model {checkpoints[uri].config.model!r} takes {takes}: "
                f"give --{which} in place of --{options.kind}"
            )
    if problems:
        return None
    try:
        return kind(checkpoints)
    except CheckpointError as error:
        problems.append(str(error))
        return None


def unwritable(options: ScoringOptions) -> list[str]:
    """Of the places that a run writes to, those where it cannot."""
    problems = []
    for uri in filter(None, (options.labels, options.submission, options.clips.embeddings)):
        try:
            files.check_writable(uri)
        except files.StorageError as error:
            problems.append(str(error))
    return problems


def label_dataset(settings: ScoringSettings, run_id: str, manner: Mapping[str, str]) -> LabelDataset:
    """Where the labels of a run go."""
    return LabelDataset(settings.options.labels, date=settings.date, run_id=run_id, label_fingerprint=manner)


def label_writer(
    classifier: Classifier, options: ScoreOptions, dataset: LabelDataset, stamp: LabelStamp
) -> LabelWriter:
    """What makes the shards of a run."""
    return LabelWriter(config=classifier.config, threshold=options.threshold, stamp=stamp, metadata=dataset.metadata)


def _open_features(uris: Sequence[str], problems: list[str]) -> FeatureFiles | None:
    try:
        return open_features(uris)
    except (InputError, OSError) as error:
        problems.append(str(error))
        return None


def _misfits(classifier: TrainedClassifier, features: FeatureFiles, place: str) -> list[str]:
    config = classifier.config
    problems = []
    try:
        check_fingerprint(config, features.fingerprint, place)
    except CheckpointError as error:
        problems.append(str(error))
    found = (features.rgb_dim, features.audio_dim)
    if found != (config.rgb_dim, config.audio_dim):
        problems.append(
            f"{place} holds features {found[0]} + {found[1]} wide, but model {config.model!r} takes "
            f"{config.rgb_dim} + {config.audio_dim}"
        )
    if classifier.level not in features.levels:
        problems.append(
            f"model {classifier.name} takes the features of single frames, and not all files in {place} have them: "
            "extract with --frame-features, or give another checkpoint"
        )
    return problems


def manner_of(classifier: Classifier, options: ScoreOptions) -> dict[str, str]:
    """What makes labels comparable, whatever they are made of: those made in another manner are old."""
    classes = json.dumps([classifier.config.class_indices, classifier.config.class_names])
    return {
        "models": " ".join(f"{one.model}:{one.weights_sha256}" for one in classifier.configs),
        "temperatures": " ".join(repr(one.temperature) for one in classifier.configs),
        "task": classifier.config.task,
        "classes": hashlib.sha256(classes.encode()).hexdigest(),
        "top_k": str(options.top_k),
        "threshold": repr(options.threshold),
    }


def _read_rows(features: FeatureFiles, *, is_submitted: bool) -> tuple[FileRows, ...]:
    versions = versions_of(file.uri for file in features.files)
    try:
        with ThreadPoolExecutor(MAX_REQUESTS) as pool:
            rows = tuple(pool.map(lambda file: _rows_of(file, versions.get(file.uri, "")), features.files))
    except (InputError, OSError) as error:
        raise InputError(str(error)) from error
    ids = pa.chunked_array([each.ids for each in rows])
    problems = []
    if pc.count_distinct(ids).as_py() < len(ids):
        counted = pc.value_counts(ids)
        twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        problems.append(f"{len(twice)} ids have more than one row in these features: {examples(twice.to_pylist())}")
    problems += unsubmittable(ids) if is_submitted else []
    if problems:
        raise InputError(*problems)
    return rows


def unsubmittable(ids: pa.ChunkedArray) -> list[str]:
    """What is wrong with ids for a submission."""
    wrong = unsubmittable_ids(ids)
    if not wrong:
        return []
    return [f"{len(wrong)} ids hold a comma, a quote or a line's end, which a submission cannot: {examples(wrong)}"]


def _rows_of(file: FeatureFile, version: str) -> FileRows:
    ids = read_ids(file)
    folder, name = posixpath.split(file.uri)
    ledger = files.join(posixpath.dirname(folder), "ledger", name)
    if posixpath.basename(folder) != "features" or not file.is_parquet or not files.exists(ledger):
        return FileRows(file, ids, pa.repeat(pa.scalar(version), len(ids)))  # the file's own, for want of a ledger
    known = read_table(ledger, ["id", "content"])
    places = pc.index_in(ids, known["id"])
    contents = known["content"].combine_chunks().take(places)
    return FileRows(file, ids, pc.if_else(places.is_null(), version, contents))  # null where a row is being withdrawn
