"""Labels and splits that a manifest gives to videos, as class indices with their names.

In: a manifest, of `--videos` or of `--labels`, and a vocabulary if there is one. Out: `ManifestLabels`, by video id.
The names of the classes are those of the vocabulary, or the manifest's own in alphabetical order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classifiers.data.class_choice import LabelLists
from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_rows import READERS, is_manifest
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.vocabulary import VOCABULARY_FILE, ClassNamesError, Vocabulary, read_class_names
from cluster.storage import files
from schemas.errors import InputError, examples
from schemas.videos import Video


class LabelsError(InputError):
    """Labels that a training cannot use; the message says why and what to do."""


@dataclass(frozen=True)
class ManifestLabels:
    """Videos with labels and splits by id; `names` are those of the classes, None where labels are indices alone."""

    source: str
    videos: Mapping[str, Video]
    names: tuple[str, ...] | None

    @property
    def has_splits(self) -> bool:
        """Whether the manifest says which split a video is in."""
        return any(video.split for video in self.videos.values())

    def labels(self, ids: Sequence[str]) -> LabelLists:
        """The labels of videos, none of those that the manifest lacks."""
        vocabulary = Vocabulary(self.names or ())
        lists = [vocabulary.indices(self.videos[name]) if name in self.videos else () for name in ids]
        offsets = np.cumsum([0, *map(len, lists)]).astype(np.int64)
        return LabelLists(offsets, np.array([index for indices in lists for index in indices], np.int64))

    def unmatched(self, ids: Sequence[str], place: str) -> LabelsError:
        """The error for videos in `place` none of which has a label here."""
        return LabelsError(
            f"{self.source} has labels of none of the {len(ids)} videos in {place}: its ids are "
            f"{examples(list(self.videos))}, theirs are {examples(ids)}"
        )

    def splits(self, ids: Sequence[str]) -> list[str]:
        """The splits of videos, empty for those that the manifest lacks."""
        return [self.videos[name].split if name in self.videos else "" for name in ids]


def read_manifest_labels(source: str, vocabularies: Sequence[str], explicit: str | None) -> ManifestLabels:
    """The labels in the manifest `source`.

    explicit      the vocabulary that the user names
    vocabularies  others, for labels that are indices, where there is none beside the manifest

    Raises:
        ManifestError: for a file that is no manifest.
        ClassNamesError: for a vocabulary that does not name all labels.
        LabelsError: where no video has a label.
    """
    if not is_manifest(source):
        raise ManifestError(source, [f"labels are in a manifest: {', '.join(READERS)}"])
    videos = read_videos(source, needs_uri=False)
    if not any(video.labels for video in videos):
        raise LabelsError(f"{source}: no video has a label in column labels")
    if any(isinstance(label, str) for video in videos for label in video.labels):
        vocabularies = ()
    return labels_of(videos, source, explicit or vocabulary_beside(source) or _first(vocabularies))


def labels_of(videos: Iterable[Video], source: str, vocabulary_uri: str | None) -> ManifestLabels:
    """The labels of the videos of `source`, named by a vocabulary if there is one."""
    found = {video.id: video for video in videos}
    names = None if vocabulary_uri is None else read_class_names(vocabulary_uri)
    vocabulary = Vocabulary(names or ())
    if vocabulary.add(found.values()) and names is not None:
        new = vocabulary.names[len(names) :]
        raise ClassNamesError(f"{vocabulary_uri} does not name all labels of the videos: {examples(new)}")
    highest = max((index for video in found.values() for index in vocabulary.indices(video)), default=-1)
    if names is not None and highest >= len(names):
        raise ClassNamesError(f"{vocabulary_uri} names {len(names)} classes, but the labels go up to class {highest}")
    return ManifestLabels(source, found, tuple(vocabulary.names) or None)


def vocabulary_beside(manifest: str) -> str | None:
    """The vocabulary in the folder of a manifest; None where there is none."""
    return _first([files.join(files.folder_of(manifest), VOCABULARY_FILE)])


def _first(uris: Sequence[str]) -> str | None:
    return next((uri for uri in uris if files.exists(uri)), None)
