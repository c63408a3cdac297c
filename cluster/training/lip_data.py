"""Mouths as training data: the videos of a manifest, split into training, validation and test, with their texts.

In: the options. Out: `LipData`. No video is opened.

Every video is in at most one split: by the manifest's column `split`, or by a hash of its groups, so that no speaker is
in two splits; where there are too few groups for that, by a hash of ids. The classes of these data are the outputs of
the alphabet, and the labels of a video those that spell its text.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from typing_extensions import override

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.class_choice import ClassChoice, LabelLists, Targets
from classifiers.data.splits import check_not_empty, split_by_column
from classifiers.lip_models.base import LipModel
from classifiers.lip_models.registry import build_lip_model
from classifiers.metrics.group_accuracy import VideoGroups
from classifiers.text.alphabet import LIPNET_ALPHABET, Alphabet, AlphabetError, alphabet_of
from classifiers.training.config import TrainingConfig
from classifiers.training.transcription import Transcription
from cluster.datasets.grouped_splits import GroupedVideo
from cluster.datasets.manifest import read_videos
from cluster.storage import files
from cluster.training.clip_data import SPLITTERS, ClipDataError, check_losses, groups_of
from cluster.training.clip_feed import ClipFeed
from cluster.training.config import TrainingOptions, TrainingSettings
from cluster.training.data import ModelInput, TrainingData
from cluster.training.initial_lip_weights import InitialLipWeights
from cluster.training.lip_options import LIPNET_CHARACTERS, OF_TEXTS
from cluster.training.lip_source import LipSource, MouthReading
from cluster.training.results import text_result
from cluster.training.splits import ADVICE, Split, check_workers, required_splits
from extractors.faces.mouths import WEIGHTS
from schemas.commands import job
from schemas.errors import examples
from schemas.lips import FOUND
from schemas.text_results import TextResult
from schemas.trainings import SPLITS, LostVideo
from schemas.videos import Video

MIN_GROUPS = 3  # one for each split
MAX_ALPHABET_BYTES = 1 << 20

logger = logging.getLogger("framemill")


class LipFeed(ClipFeed):
    """Mouths of `videos` that say `labels`, texts as outputs of an alphabet."""

    @override
    def source(self, split: Split, order: BatchOrder) -> LipSource:
        assert isinstance(self.reading, MouthReading)
        return LipSource(
            self.videos,
            split.rows,
            self.labels,
            reading=self.reading,
            order=order,
            worker=self.worker,
            decoders=self.clips,
        )

    @override
    def labels_of(self, row: int) -> tuple[int, ...]:
        return ()  # texts may change without the clips


@dataclass(frozen=True)
class LipData(TrainingData):
    """All videos of the manifest that have a text; the rows of splits are positions among them.

    `split` is the way of splitting: by a hash, or by the manifest's column.
    """

    split: str
    videos: Sequence[Video]
    texts: LabelLists
    alphabet: Alphabet

    @property
    @override
    def input(self) -> ModelInput:
        look = self.settings.lips().look
        fingerprint = {"mouths": f"{look.crop}, {WEIGHTS}" if look.crop == FOUND else look.crop}
        return ModelInput(fingerprint=fingerprint, lips=look, alphabet=self.alphabet)

    @property
    @override
    def is_calibrated(self) -> bool:
        return False

    @override
    def objective(self, config: TrainingConfig) -> Transcription:
        return Transcription(self.alphabet)

    @override
    def result(self, name: str, evaluation: Any, seconds: float) -> TextResult:
        return text_result(name, evaluation, seconds)

    @override
    def build_model(self) -> LipModel:
        model, _ = self.started_model()
        return model

    def started_model(self) -> tuple[LipModel, bool]:
        """The model to train, and whether its head is that of its initial weights."""
        options = self.settings.options.model
        model = build_lip_model(options.model, num_classes=self.alphabet.num_outputs, options=asdict(options.config()))
        if options.init_weights is None:
            return model, False
        weights = InitialLipWeights(options.init_weights, options.init_head)
        return model, weights.fill(model, options.model, self.alphabet)

    @property
    def reading(self) -> MouthReading:
        """How the mouths are decoded."""
        options = self.settings.options
        return MouthReading(
            settings=self.settings.lips(),
            alphabet=self.alphabet,
            memory_bytes=options.engine.memory_limit_mib << 20,
            time_seconds=options.engine.time_limit,
            policy=options.policy,
        )

    @override
    def feed(self, worker: Worker) -> LipFeed:
        used = np.logical_or.reduce([split.rows for split in self.splits.values()])
        options = self.settings.options
        return LipFeed(
            self.videos,
            self.texts,
            used,
            reading=self.reading,
            worker=worker,
            decoders=options.engine.decoders or worker.threads,
            cache=options.clips.clip_cache,
        )

    @override
    def uris(self, split: str, ids: Collection[str]) -> Mapping[str, str]:
        return {video.id: video.uri for video in self.videos if video.id in ids}

    @override
    def groups(self) -> VideoGroups:
        return groups_of(self.videos, self.splits)

    @override
    def without(self, lost: Sequence[LostVideo]) -> LipData:
        if not lost:
            return self
        check_losses(lost, len(self.videos), self.settings.options.clips.max_failure_ratio)
        lost_ids = {video.id for video in lost}
        kept = np.array([video.id not in lost_ids for video in self.videos])
        splits = {name: replace(split, rows=split.rows & kept) for name, split in self.splits.items()}
        _check_splits(self.settings, self.split, splits)
        return replace(self, splits=splits)

    @override
    def identity(self) -> Mapping[str, Any]:
        lines = "\n".join(
            f"{video.id}\t{video.start_seconds}\t{video.end_seconds}\t{video.text}" for video in self.videos
        )
        identity: dict[str, Any] = {
            "data.alphabet": [*self.alphabet.characters, self.alphabet.blank],
            "data.fingerprint": dict(self.input.fingerprint),
            "data.counts": {name: len(split) for name, split in self.splits.items()},
            "data.videos": _sha256(lines.encode()),
            "data.splits": {name: _sha256(split.rows.tobytes()) for name, split in self.splits.items()},
        }
        if self.settings.lips().curriculum:
            words = [
                [(spoken.word, str(spoken.start_seconds), str(spoken.end_seconds)) for spoken in video.words]
                for video in self.videos
            ]
            identity["data.words"] = _sha256(json.dumps(words).encode())
        return identity


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def load(settings: TrainingSettings) -> LipData:
    """The mouths that the options name (`cluster.training.kinds.load_training_data`)."""
    options = settings.options
    listed = read_videos(options.videos or "", options.folders.exclude, options.policy)
    spoken = [video for video in listed if video.text]
    if not spoken:
        raise ClipDataError(
            f"{options.videos}: no video has a text in column text ({job('make_manifest')} makes manifests of "
            "public data sets of speakers)"
        )
    if len(spoken) < len(listed):
        silent = [video.id for video in listed if not video.text]
        logger.warning(f"{len(silent)} of {len(listed)} videos have no text and are left out: {examples(silent)}")
    alphabet = _alphabet(options, spoken)
    split = settings.split(has_column=any(video.split for video in spoken))
    videos = SPLITTERS[split](options, _grouped(spoken, options))
    texts = _encoded(videos, alphabet)
    if settings.lips().curriculum and not any(video.words for video in videos):
        raise ClipDataError(
            f"{options.videos}: no video has times of its words in column words, which --curriculum needs: leave it out"
        )
    targets = Targets(np.ones(len(videos), bool), alphabet.num_outputs, lists=texts)
    masks = split_by_column([video.split for video in videos])
    splits = {name: Split(masks[name], targets) for name in SPLITS if name in masks and masks[name].any()}
    _check_splits(settings, split, splits)
    outputs = range(alphabet.num_outputs)
    choice = ClassChoice(tuple(outputs), tuple(alphabet.decode([output]) for output in outputs))
    data = LipData(settings, choice, splits, split, videos, texts, alphabet)
    _check_model(data)
    return data


def _alphabet(options: TrainingOptions, videos: Sequence[Video]) -> Alphabet:
    """The characters to read."""
    chosen = options.lips.alphabet
    if chosen is None and options.model.init_weights is not None:
        weights = InitialLipWeights(options.model.init_weights, options.model.init_head)
        return weights.alphabet() or LIPNET_ALPHABET
    if chosen in (None, LIPNET_CHARACTERS):
        return LIPNET_ALPHABET
    if chosen == OF_TEXTS:
        return alphabet_of(video.text for video in videos)
    content = files.read_bytes(chosen, options.policy)
    try:
        if len(content) > MAX_ALPHABET_BYTES:
            raise ValueError(f"it has {len(content):,} bytes, at most {MAX_ALPHABET_BYTES:,} are allowed")
        return alphabet_of(content.decode("utf-8-sig").splitlines())
    except ValueError as error:  # what is no UTF-8 among them
        raise ClipDataError(f"--alphabet {chosen}: {error}") from error


def _grouped(videos: Sequence[Video], options: TrainingOptions) -> list[GroupedVideo]:
    """The videos by speaker; each by itself where there are too few speakers to divide them."""
    groups = {video.group for video in videos} - {""}
    by_group = len(groups) >= MIN_GROUPS
    if groups and not by_group:
        logger.info(f"{len(groups)} groups (speakers) are too few to be divided by --split hash: its splits share them")
    return [GroupedVideo(video, (video.group if by_group else "") or video.id) for video in videos]


def _encoded(videos: Sequence[Video], alphabet: Alphabet) -> LabelLists:
    """The texts as outputs of the alphabet."""
    found: list[tuple[int, ...]] = []
    problems = []
    for video in videos:
        try:
            found.append(alphabet.encode(video.text))
        except AlphabetError as error:
            problems.append(f"{video.id!r}: {error}")
    if problems:
        raise ClipDataError(
            f"{len(problems)} of {len(videos)} texts cannot be spelled: {examples(problems, str)}\nCorrect them, or "
            f"give an alphabet that has these characters: --alphabet {OF_TEXTS}"
        )
    offsets = np.cumsum([0, *map(len, found)]).astype(np.int64)
    return LabelLists(offsets, np.array([label for text in found for label in text], np.int64))


def _check_splits(settings: TrainingSettings, split: str, splits: Mapping[str, Split]) -> None:
    """Raise `SplitError` for splits without videos, or with too few for the workers; `split`: how videos are split."""
    empty = np.zeros(1, bool)
    masks = {name: splits[name].rows if name in splits else empty for name in SPLITS}
    check_not_empty(masks, required_splits(settings.options.splits, split), ADVICE[split])
    check_workers(splits, settings.options.engine.workers)


def _check_model(data: LipData) -> None:
    """Build the model before workers do, to report its problems at once, and say what becomes of its head."""
    _, is_kept = data.started_model()
    if data.settings.options.model.init_weights is not None and not is_kept:
        logger.warning(
            f"--init-weights: the head is new, for an alphabet of {data.alphabet.num_outputs} outputs "
            "(--init-head keep requires that of the weights)"
        )
