"""Data sets for lip reading: their videos with the sentence that is spoken, and when its words are, where it is known.

    grid  the GRID corpus, INPUT/SPEAKER/…/NAME.mpg: names of six characters encode six words, which are the sentence
          and, in order, the labels. Alignments lie below INPUT, or ANNOTATIONS if that is given:
          SPEAKER/align/NAME.align, alignments/SPEAKER/NAME.align, or align/NAME.align if one speaker says the sentence
    lrs   LRS2, LRS3 and one's own recordings, INPUT/…/SPEAKER/NAME.mp4 with the transcript NAME.txt beside each.
          Folders pretrain, trainval, train, val and test are splits; so are lists of these names in ANNOTATIONS
    lrw   LRW, INPUT/WORD/SPLIT/NAME.mp4; the word is the label, too

Speakers are the groups of the videos, by their folders; LRW does not know them. An alignment without a video is missing
as a listed video is (`ClipDataset.missing`); a video without a transcript is a problem.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from classifiers.text.grid import GRID_WORDS
from cluster.datasets.clip_dataset import (
    ClipDataset,
    DatasetLocation,
    lines_of,
    list_of_files,
    refuse,
    stem_of,
    text_of,
)
from cluster.datasets.grid_alignment import FOLDERS, aligned_words
from cluster.datasets.grouped_splits import TRAINING, GroupedVideo, stored_split
from cluster.datasets.transcript import is_transcript, read_transcript
from cluster.storage.listing import below, split_glob
from cluster.storage.tar_members import part_of
from schemas.spoken_words import SpokenWord
from schemas.videos import Video

GRID_SECONDS = 3  # of each clip
READERS = 16  # threads, for stores that take long to answer
ALIGNMENT, TRANSCRIPT = ".align", ".txt"
VIDEO_FOLDERS = re.compile(r"videos?|mpg.*", re.IGNORECASE)  # between a speaker's folder and the videos
PROCESSED = "_processed"  # ends the names of folders of a widespread copy of GRID
TRAINING_FOLDERS = ("pretrain", "trainval")

Key = tuple[str, str]  # a speaker, empty where unknown, and a name of a file in lower case


@dataclass(frozen=True)
class TextFile:
    """A text file: its path below the folder that was listed, and its content."""

    path: str
    text: str


def grid(location: DatasetLocation) -> ClipDataset:
    """GRID: `bbaf2n` is bin blue at f two now."""
    source = location.annotations or location.input
    alignments: dict[Key, TextFile] = {}
    problems = []
    for file in _text_files(location, source, ALIGNMENT).values():
        first = alignments.setdefault(_key(file.path), file)
        if first is not file:
            problems.append(f"{first.path} and {file.path} are of one speaker and sentence: --exclude one of them")
    videos = location.videos()
    speakers = Counter(_key(video.id)[1] for video in videos)  # of each sentence
    listed, found = [], set()
    for video in videos:
        speaker, name = _key(video.id)
        spelled = tuple(known.get(letter, "") for letter, known in zip(name, GRID_WORDS, strict=False))
        if len(name) != len(GRID_WORDS) or not all(spelled):
            problems.append(f"{video.id!r}: a name of six characters that stand for words is wanted, such as bbaf2n")
            continue
        words: tuple[SpokenWord, ...] = ()
        key = (speaker, name) if (speaker, name) in alignments else ("", name)
        if key in alignments:
            found.add(key)
            try:
                words = _aligned(alignments[key], spelled, 1 if key[0] == speaker else speakers[name])
            except ValueError as error:
                problems.append(f"{alignments[key].path}: {error}")
        video = replace(video, labels=spelled, group=speaker, text=" ".join(spelled), words=words)
        listed.append(GroupedVideo(video, speaker or video.id))
    refuse(location.input, problems)
    missing = {"/".join(filter(None, key)): "" for key in alignments if key not in found}
    return ClipDataset(listed, tuple(word for known in GRID_WORDS for word in known.values()), missing)


def lrs(location: DatasetLocation) -> ClipDataset:
    """LRS2 and LRS3, and other videos with transcripts beside them."""
    files = _text_files(location, location.input, TRANSCRIPT)
    transcripts = {posixpath.splitext(uri)[0]: file for uri, file in files.items()}
    videos = location.videos()
    if any(part_of(video.uri) for video in videos):
        refuse(location.input, ["there are tars, in which no transcripts are looked for: unpack them"])
    splits, missing = _listed_splits(location, videos)
    listed, problems = [], []
    for video in videos:
        stem = posixpath.splitext(video.uri)[0]
        if splits and video.id not in splits:
            continue
        if stem not in transcripts:
            problems.append(f"{video.id!r} has no transcript: {posixpath.basename(stem)}{TRANSCRIPT} is not beside it")
            continue
        try:
            transcript = read_transcript(transcripts[stem].text)
        except ValueError as error:
            problems.append(f"{transcripts[stem].path}: {error}")
            continue
        split, speaker = splits.get(video.id, ""), posixpath.dirname(video.id)
        video = replace(video, split=split, group=speaker, text=transcript.text, words=transcript.words)
        listed.append(GroupedVideo(video, f"{split}/{speaker}" if speaker else video.id))
    refuse(location.input, problems)
    of_videos = {posixpath.splitext(video.uri)[0] for video in videos}
    lone = [file.path for stem, file in transcripts.items() if stem not in of_videos and is_transcript(file.text)]
    return ClipDataset(listed, (), missing | {f"the video of {path}": "" for path in lone})


def lrw(location: DatasetLocation) -> ClipDataset:
    """LRW: a word in each clip."""
    videos = location.videos()
    listed, problems = [], []
    for video in videos:
        word, *folders = video.id.split("/")[:-1] or [""]
        split = stored_split(folders[0]) if folders else None
        if not word or split is None:
            problems.append(f"{video.id!r} is not WORD/SPLIT/NAME, the split being train, val or test")
            continue
        word = unicodedata.normalize("NFC", word)
        listed.append(GroupedVideo(replace(video, labels=(word,), split=split, text=word), video.id))
    refuse(location.input, problems)
    return ClipDataset(listed, tuple(sorted({str(entry.video.labels[0]) for entry in listed})))


def _aligned(alignment: TextFile, spelled: tuple[str, ...], speakers: int) -> tuple[SpokenWord, ...]:
    """The words of an alignment, of one of `speakers`. Raises `ValueError` if they are not those of the name."""
    if speakers > 1:
        raise ValueError(f"it lies in no speaker's folder, and {speakers} speakers have such a video")
    words = tuple(replace(one, word=one.word.lower()) for one in aligned_words(alignment.text, GRID_SECONDS))
    if tuple(one.word for one in words) != spelled:
        said = " ".join(one.word for one in words)
        raise ValueError(f"its words are {said!r}, by its name they are {' '.join(spelled)!r}")
    return words


def _key(path: str) -> Key:
    """The speaker and the name of a file of GRID."""
    folders = [one for one in path.split("/")[:-1] if one.lower() not in FOLDERS and not VIDEO_FOLDERS.fullmatch(one)]
    return folders[-1].removesuffix(PROCESSED) if folders else "", stem_of(path).lower()


def _text_files(location: DatasetLocation, source: str, suffix: str) -> dict[str, TextFile]:
    """The files with a suffix below `source` by their URIs."""
    uris = _uris(location, source, suffix)
    root, _ = split_glob(source, location.policy)
    with ThreadPoolExecutor(READERS) as pool:
        texts = pool.map(text_of, uris)
        return {uri: TextFile(below(root, uri), text) for uri, text in zip(uris, texts, strict=True)}


def _uris(location: DatasetLocation, source: str, suffix: str) -> list[str]:
    return [uri for uri in list_of_files(source, location.exclude) if uri.lower().endswith(suffix)]


def _listed_splits(location: DatasetLocation, videos: list[Video]) -> tuple[Mapping[str, str], dict[str, str]]:
    """The split of each video, by the lists or else by the first folder; and what the lists have that is not there."""
    if not location.annotations:
        by_folder = {video.id: _split(video.id.split("/")[0]) for video in videos}
        return ({} if None in by_folder.values() else {name: split or "" for name, split in by_folder.items()}), {}
    lists = {uri: _split(stem_of(uri)) for uri in _uris(location, location.annotations, TRANSCRIPT)}
    if not any(lists.values()):
        refuse(location.annotations, ["no list is there: train.txt, val.txt, test.txt, or pretrain.txt"])
    ids = {"/".join(video.id.split("/")[-2:]): video.id for video in videos}
    splits: dict[str, str] = {}
    missing: dict[str, str] = {}
    problems = []
    for uri, split in lists.items():
        for line in lines_of(uri) if split else ():
            name = line.split()[0]
            if (found := ids.get(name)) is None:
                missing[name] = ""
            elif splits.setdefault(found, split or "") != split:
                problems.append(f"{posixpath.basename(uri)}: {name!r} is in the list of another split, too")
    refuse(location.annotations, problems)
    return splits, missing


def _split(name: str) -> str | None:
    return TRAINING if name.lower() in TRAINING_FOLDERS else stored_split(name)
