"""The mouths of a manifest as training data."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from classifiers.data.batches import BatchOrder, Worker
from classifiers.data.splits import SplitError
from classifiers.text.alphabet import LIPNET_ALPHABET
from cluster.training.clip_data import ClipDataError
from cluster.training.data import identity_of
from cluster.training.initial_weights import InitialWeightsError
from cluster.training.lip_data import LipData, load
from schemas.trainings import LostVideo
from tests.support.checkpoints import write_trained
from tests.support.lip_trainings import TEXTS, lip_config, write_manifest
from tests.support.lips import trained_lips


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("spoken"))


def loaded(manifest: Path, **options: object) -> LipData:
    return load(lip_config(manifest, manifest.parent / "out", **options).settings())


def rewritten(manifest: Path, folder: Path, **columns: dict[int, object]) -> Path:
    """The manifest with other cells."""
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    for name, cells in columns.items():
        for number, value in cells.items():
            rows[number][name] = value
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_texts_are_spelled_and_split(manifest: Path) -> None:
    data = loaded(manifest)
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 4, "validation": 2}
    assert data.alphabet.characters == (" ", "a", "b", "c")
    assert data.input.alphabet is data.alphabet
    assert data.input.lips is not None
    assert data.input.lips.crop == "fixed"
    first, stop = data.texts.offsets[:2]
    assert data.alphabet.decode(data.texts.values[first:stop]) == TEXTS[0]
    assert dict(zip(data.choice.names, data.splits["training"].counts().tolist(), strict=True))["c"] == 2
    assert loaded(manifest, alphabet=None).alphabet == LIPNET_ALPHABET


def test_an_alphabet_comes_from_a_file(manifest: Path, tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("abcñ \n")
    assert loaded(manifest, alphabet=str(tmp_path / "letters.txt")).alphabet.characters == (" ", "a", "b", "c", "ñ")
    (tmp_path / "letters.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ClipDataError, match="--alphabet"):
        loaded(manifest, alphabet=str(tmp_path / "letters.txt"))


def test_texts_that_the_alphabet_cannot_spell_are_all_named(manifest: Path, tmp_path: Path) -> None:
    other = rewritten(manifest, tmp_path, text={0: "año", 2: "Ab"}, words={0: None, 2: None})
    with pytest.raises(ClipDataError, match="2 of 6 texts cannot be spelled: 'v0'") as caught:
        loaded(other, alphabet="lipnet")
    assert "LATIN SMALL LETTER N WITH TILDE" in str(caught.value)
    assert "--alphabet texts" in str(caught.value)


def test_videos_without_a_text_are_left_out(manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "framemill"):
        data = loaded(rewritten(manifest, tmp_path, text={1: ""}, words={1: None}))
    assert len(data.videos) == 5
    assert "1 of 6 videos have no text and are left out: 'v1'" in caplog.text
    nothing = rewritten(manifest, tmp_path, text=dict.fromkeys(range(6), ""), words=dict.fromkeys(range(6)))
    with pytest.raises(ClipDataError, match="no video has a text in column text"):
        loaded(nothing)


def test_a_curriculum_needs_times_of_words(manifest: Path, tmp_path: Path) -> None:
    assert loaded(manifest, curriculum=0.5)
    without = rewritten(manifest, tmp_path, words=dict.fromkeys(range(6)))
    with pytest.raises(ClipDataError, match="no video has times of its words"):
        loaded(without, curriculum=0.5)


def test_no_speaker_is_in_two_splits_where_there_are_enough(manifest: Path, tmp_path: Path) -> None:
    speakers = {number: f"s{number // 2}" for number in range(6)}
    data = loaded(rewritten(manifest, tmp_path, group=speakers), split="hash", fractions=("0.34", "0.33", "0.33"))
    groups = [{data.videos[row].group for row in np.flatnonzero(split.rows)} for split in data.splits.values()]
    assert sorted(map(len, groups)) == [1, 1, 1]
    assert data.groups().of == {f"v{number}": speaker for number, speaker in speakers.items()}
    assert data.groups().training_videos == dict.fromkeys(groups[0], 2)
    one = rewritten(manifest, tmp_path, group=dict.fromkeys(range(6), "s1"))
    data = loaded(one, split="hash", fractions=("0.5", "0.5", "0"))
    assert {name: len(split) for name, split in data.splits.items()} == {"training": 3, "validation": 3}


def test_lost_videos_leave_their_splits(manifest: Path) -> None:
    data = loaded(manifest, max_failure_ratio=0.5)
    lost = [LostVideo(id=f"v{number}", uri="", code="no_face", message="no face") for number in range(6)]
    assert {name: len(split) for name, split in data.without(lost[:2]).splits.items()} == {
        "training": 2,
        "validation": 2,
    }
    with pytest.raises(ClipDataError, match=r"4 of 6 videos cannot be used, more than --max-failure-ratio 0\.5"):
        data.without(lost[:4])
    with pytest.raises(SplitError, match="validation"):
        data.without(lost[4:])


def test_other_texts_are_other_data(manifest: Path, tmp_path: Path) -> None:
    other = rewritten(manifest, tmp_path, text={0: "ba c"}, words={0: None})
    assert loaded(manifest).identity() == loaded(manifest).identity()
    assert loaded(other).identity()["data.videos"] != loaded(manifest).identity()["data.videos"]


def test_other_splits_and_other_times_of_words_are_other_data(manifest: Path, tmp_path: Path) -> None:
    before = loaded(manifest, curriculum=0.5).identity()
    swapped = rewritten(manifest, tmp_path, split={3: "validation", 4: "train"})
    assert changed(loaded(swapped, curriculum=0.5).identity(), before) == {"data.splits"}
    moved = rewritten(manifest, tmp_path, words={0: [["ab", 0, 0.2], ["c", 0.36, 0.48]]})
    assert changed(loaded(moved, curriculum=0.5).identity(), before) == {"data.words"}
    assert loaded(moved).identity() == loaded(manifest).identity()


def changed(one: Mapping[str, object], other: Mapping[str, object]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}


def test_the_identity_of_an_earlier_release_is_that_of_the_same_training(manifest: Path) -> None:
    identity = identity_of(loaded(manifest, curriculum=0.5))
    earlier = {name: value for name, value in identity.values.items() if name not in ("data.splits", "data.words")}
    assert identity.differences(earlier) == []


@pytest.mark.parametrize("split", [None, "hash"])
def test_a_manifest_without_splits_may_be_all_for_training(manifest: Path, tmp_path: Path, split: str | None) -> None:
    unsplit = rewritten(manifest, tmp_path, split=dict.fromkeys(range(6)))
    data = loaded(unsplit, split=split, fractions=("1", "0", "0"), max_failure_ratio=0.5)
    assert {name: len(found) for name, found in data.splits.items()} == {"training": 6}
    gone = LostVideo(id="v0", uri="", code="no_face", message="no face")
    assert len(data.without([gone]).splits["training"]) == 5


def test_fine_tuning_takes_the_alphabet_of_its_weights(
    manifest: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = {"height": 46, "width": 140, "width_factor": 0.05}
    saved = write_trained(tmp_path / "saved", trained_lips(options=options))
    data = loaded(manifest, init_weights=saved, alphabet=None)
    assert data.alphabet == LIPNET_ALPHABET
    assert data.started_model()[1]
    with caplog.at_level(logging.WARNING, "framemill"):
        other = loaded(manifest, init_weights=saved)
    assert not other.started_model()[1]
    assert "the head is new, for an alphabet of 5 outputs" in caplog.text
    with pytest.raises(InitialWeightsError, match="is not that of the checkpoint"):
        loaded(manifest, init_weights=saved, init_head="keep")


def test_mouths_are_fed_from_the_videos_and_from_the_cache(manifest: Path, tmp_path: Path) -> None:
    short = rewritten(manifest, tmp_path, text={3: "ab ab ab ab ab"}, words={3: None})
    order = BatchOrder(batch_size=6, with_ids=True)
    shown = []
    for cache in (None, str(tmp_path / "cache"), str(tmp_path / "cache")):
        feed = loaded(short, clip_cache=cache, max_failure_ratio=0.2).feed(Worker())
        try:
            (lost,) = feed.find_lost()
            assert (lost.id, "needs 14 or more" in lost.message) == ("v3", True)
            data = loaded(short, clip_cache=cache, max_failure_ratio=0.2).without([lost])
            (batch,) = feed.source(data.splits["training"], order).batches()
        finally:
            feed.close()
        assert (batch.ids, batch.num_frames.tolist()) == (("v0", "v1", "v2"), [12, 9, 12])
        shown.append(batch.clips)
    assert (shown[1] == shown[2]).all()
    assert float((shown[0] - shown[1]).abs().mean()) < 0.05  # JPEG
