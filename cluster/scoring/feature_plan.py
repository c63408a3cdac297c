"""The plan of scoring features: the scorer, every row of the features with its content, and the label dataset.

Making it checks everything that can be wrong before any work is done.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError, check_fingerprint
from cluster.datasets.label_dataset import Labelled
from cluster.features.columns import read_ids
from cluster.features.files import MAX_REQUESTS, FeatureFile, FeatureFiles, open_features
from cluster.runs.lifecycle import new_run_id
from cluster.scoring.config import ScoringOptions, ScoringSettings
from cluster.scoring.feature_scorer import FeatureScorer, Piece, Portion
from cluster.scoring.plan import (
    ScoringPlan,
    label_dataset,
    label_fingerprint,
    label_writer,
    read_trained,
    unsubmittable,
    unwritable,
)
from cluster.storage import files
from cluster.storage.parquet import read_table
from cluster.storage.versions import versions_of
from schemas.errors import InputError, examples
from schemas.labels import LabelStamp


@dataclass(frozen=True)
class FileRows:
    """All rows of a feature file: ids, and the contents of their videos; null where a row is being withdrawn."""

    file: FeatureFile
    ids: pa.StringArray
    contents: pa.StringArray


@dataclass(frozen=True, kw_only=True)
class FeaturePlan(ScoringPlan):
    """A run that can start."""

    scorer: FeatureScorer
    features: FeatureFiles
    rows: tuple[FileRows, ...]

    @property
    @override
    def classifier(self) -> TrainedClassifier:
        return self.scorer.classifier

    @property
    @override
    def fingerprint(self) -> Mapping[str, str]:
        return self.features.fingerprint

    @property
    @override
    def videos(self) -> int:
        return sum(len(rows.ids) - rows.contents.null_count for rows in self.rows)

    def portions(self, labelled: Labelled) -> list[Portion]:
        """The videos that are left to score, in portions of about `rows_per_shard`."""
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


def make_feature_plan(settings: ScoringSettings) -> FeaturePlan:
    """Read checkpoints and features, and join them. Raises `InputError` with everything that is wrong."""
    started = datetime.now(UTC)
    options = settings.options
    problems: list[str] = []
    classifier = read_trained(TrainedClassifier, options, problems)
    features = _open_features(options, problems)
    if classifier is not None and features is not None:
        problems += _misfits(classifier, features, ", ".join(options.features))
    problems += unwritable(options)
    if problems or classifier is None or features is None:
        raise InputError(*problems)
    rows = _read_rows(features, is_submitted=options.submission is not None)
    run_id = new_run_id(started)
    fingerprint = {**label_fingerprint(classifier, options.scores), "max_frames": str(options.max_frames)}
    dataset = label_dataset(settings, run_id, fingerprint)
    writer = label_writer(classifier, options, dataset, LabelStamp(classifier.name, run_id, started))
    return FeaturePlan(
        settings=settings,
        run_id=run_id,
        started=started,
        label_fingerprint=fingerprint,
        dataset=dataset,
        scorer=FeatureScorer(
            classifier=classifier, top_k=options.scores.top_k, max_frames=options.max_frames, writer=writer
        ),
        features=features,
        rows=rows,
    )


def _open_features(options: ScoringOptions, problems: list[str]) -> FeatureFiles | None:
    try:
        return open_features(options.features, code_range=options.records.range())
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
        problems.append(
            f"{len(twice)} ids have more than one row in these features: {examples(twice.to_pylist())}; the next "
            "run of extract_features.py on a dataset keeps the later row of each"
        )
    problems += unsubmittable(ids) if is_submitted else []
    if problems:
        raise InputError(*problems)
    return rows


def _rows_of(file: FeatureFile, version: str) -> FileRows:
    ids = read_ids(file)
    folder, name = posixpath.split(file.uri)
    ledger = files.join(posixpath.dirname(folder), "ledger", name)
    if posixpath.basename(folder) != "features" or not file.is_parquet or not files.exists(ledger):
        return FileRows(file, ids, pa.repeat(pa.scalar(version), len(ids)))  # that of the file, as there is no ledger
    known = read_table(ledger, ["id", "content"])
    places = pc.index_in(ids, known["id"])
    contents = known["content"].combine_chunks().take(places)
    return FileRows(file, ids, pc.if_else(places.is_null(), version, contents))  # null where a row is being withdrawn
