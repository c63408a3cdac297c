"""The plan of scoring features: the scorer, every row of the features with its content, and the label dataset.

Making it checks everything that can be wrong before any work is done.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from typing_extensions import override

from classifiers.inference.feature_classifier import TrainedClassifier
from classifiers.weights.checkpoint import CheckpointError, check_fingerprint
from cluster.datasets.feature_dataset import ledger_of
from cluster.datasets.label_dataset import Labelled
from cluster.features.columns import read_ids
from cluster.features.files import FRAME, MAX_REQUESTS, FeatureFile, FeatureFiles, open_features
from cluster.features.steps import StepGrid
from cluster.runs.lifecycle import new_run_id
from cluster.scoring.config import ScoringOptions, ScoringSettings
from cluster.scoring.feature_scorer import FeatureScorer, Piece, Portion
from cluster.scoring.feature_timelines import FeatureTimelines
from cluster.scoring.label_writer import MAX_TIMELINE_SCORES
from cluster.scoring.plan import (
    ScoringPlan,
    label_dataset,
    label_fingerprint,
    label_writer,
    read_checkpoint_at,
    read_trained,
    timeline_form,
    unsubmittable,
    unwritable,
)
from cluster.storage import files
from cluster.storage.parquet import read_table
from cluster.storage.versions import versions_of
from cluster.timelines.config import TimelineOptions, timeline_fingerprint
from extractors.video.grid import MAX_DENOMINATOR, as_fps
from schemas.commands import job
from schemas.errors import InputError, examples
from schemas.labels import LabelStamp
from schemas.ledger import LEDGER_SCHEMA

# Where a fingerprint has the grid points a second; features without it are YouTube-8M's, of one.
RATE, YOUTUBE_8M_RATE = "sampling.fps", "1"
FEATURES, LEDGER = "features", "ledger"  # folders of a dataset
MAX_OPENED = 3  # times, where files are removed in between


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
        """The videos that are left to score, in portions of about `rows_per_shard`; with timelines, as many as fit."""
        portions: list[Portion] = []
        pieces: list[Piece] = []
        videos = timeline_scores = 0
        for piece in self._pieces(labelled):
            videos += len(piece.rows)
            timeline_scores += self._timeline_scores(piece)
            if pieces and (videos > self.settings.rows_per_shard or timeline_scores > MAX_TIMELINE_SCORES):
                portions.append(Portion(len(portions), tuple(pieces)))
                pieces, videos, timeline_scores = [], len(piece.rows), self._timeline_scores(piece)
            pieces.append(piece)
        return [*portions, Portion(len(portions), tuple(pieces))] if pieces else portions

    def _timeline_scores(self, piece: Piece) -> int:
        """The size of the timelines of a piece, about."""
        timelines = self.scorer.timelines
        if timelines is None:
            return 0
        steps = piece.file.frames * len(piece.rows) / piece.file.rows * timelines.grid.hz / timelines.grid.fps
        return math.ceil(steps * timelines.form.top_k)

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
    classifier = read_trained(read_checkpoint_at, TrainedClassifier, options, problems)
    features = _open_features(options, problems)
    if classifier is not None and features is not None:
        problems += _misfits(classifier, features, options)
    timelines: FeatureTimelines | None = None
    if options.timelines.timeline and classifier is not None and features is not None:
        try:
            timelines = _timelines(classifier, features, options.timelines)
        except ValueError as error:
            problems.append(str(error))
    problems += unwritable(options)
    if problems or classifier is None or features is None:
        raise InputError(*problems)
    features, rows = _rows_at_once(features, options)
    _check_ids(rows, is_submitted=options.submission is not None)
    run_id = new_run_id(started)
    fingerprint = {**label_fingerprint(classifier, options.scores), "max_frames": str(options.max_frames)}
    if timelines is not None:
        fingerprint |= timeline_fingerprint("features", 1 / timelines.grid.hz, options.timelines)
        fingerprint |= {"timeline.window_seconds": str(timelines.grid.window_seconds)}
    dataset = label_dataset(settings, run_id, fingerprint)
    writer = label_writer(classifier, options, dataset, LabelStamp(classifier.name, run_id, started))
    return FeaturePlan(
        settings=settings,
        run_id=run_id,
        started=started,
        label_fingerprint=fingerprint,
        dataset=dataset,
        scorer=FeatureScorer(
            classifier=classifier,
            top_k=options.scores.top_k,
            max_frames=options.max_frames,
            writer=writer,
            timelines=timelines,
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


def step_grid(fingerprint: Mapping[str, str], options: TimelineOptions) -> StepGrid:
    """The steps of timelines of features with this fingerprint. Raises `ValueError` for options that do not fit."""
    return StepGrid(
        fps=as_fps(fingerprint.get(RATE, YOUTUBE_8M_RATE)),
        hz=as_fps(options.timeline_hz),
        window_seconds=Fraction(options.window).limit_denominator(MAX_DENOMINATOR),
    )


def _timelines(classifier: TrainedClassifier, features: FeatureFiles, options: TimelineOptions) -> FeatureTimelines:
    """How timelines are made of these features. Raises `ValueError` where they do not allow for it."""
    grid = step_grid(features.fingerprint, options)
    return FeatureTimelines(grid=grid, form=timeline_form(classifier, options, 1 / grid.hz))


def _misfits(classifier: TrainedClassifier, features: FeatureFiles, options: ScoringOptions) -> list[str]:
    place = ", ".join(options.features)
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
    elif options.timelines.timeline and FRAME not in features.levels:
        problems.append(
            f"--timeline takes the features of single frames, and not all files in {place} have them: extract with "
            "--frame-features"
        )
    return problems


def _rows_at_once(features: FeatureFiles, options: ScoringOptions) -> tuple[FeatureFiles, tuple[FileRows, ...]]:
    """The files, and the rows of all of them, also while a compaction replaces some."""
    try:
        for _ in range(MAX_OPENED):
            with suppress(FileNotFoundError):
                return features, read_rows(features)
            features = open_features(options.features, code_range=options.records.range())
        return features, read_rows(features)
    except (InputError, OSError) as error:
        raise InputError(str(error)) from error


def read_rows(features: FeatureFiles) -> tuple[FileRows, ...]:
    """The rows of all files. Raises `FileNotFoundError` where one was removed meanwhile."""
    versions = versions_of(file.uri for file in features.files)
    with ThreadPoolExecutor(MAX_REQUESTS) as pool:
        return tuple(pool.map(lambda file: _rows_of(file, versions.get(file.uri, "")), features.files))


def _check_ids(rows: Sequence[FileRows], *, is_submitted: bool) -> None:
    ids = pa.chunked_array([each.ids for each in rows])
    problems = []
    if pc.count_distinct(ids).as_py() < len(ids):
        counted = pc.value_counts(ids)
        twice = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        problems.append(
            f"{len(twice)} ids have more than one row in these features: {examples(twice.to_pylist())}; the next "
            f"run of {job('extract_features')} on a dataset keeps the later row of each"
        )
    problems += unsubmittable(ids) if is_submitted else []
    if problems:
        raise InputError(*problems)


def _rows_of(file: FeatureFile, version: str) -> FileRows:
    """The rows of a file; `version` stands for the contents of those that no ledger lists."""
    ids = read_ids(file)
    unlisted = pa.repeat(pa.scalar(version), len(ids))
    ledger = ledger_of(file.uri) if file.is_parquet else None
    if ledger is None:
        return FileRows(file, ids, unlisted)
    try:
        known = read_table(ledger, ["id", "content"])
    except FileNotFoundError:
        known = LEDGER_SCHEMA.empty_table()
    places = pc.index_in(ids, known["id"])
    if places.null_count and read_ids(file) != ids:  # a compaction removes a shard first, and then its ledger
        raise FileNotFoundError(f"{file.uri} was removed while it was read")
    contents = known["content"].combine_chunks().take(places)
    return FileRows(file, ids, pc.if_else(places.is_null(), unlisted, contents))  # null where a row is being withdrawn
