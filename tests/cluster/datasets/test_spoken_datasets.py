"""Data sets for lip reading: sentences, words and speakers from folders as the corpora have them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from cluster.datasets.clip_dataset import ClipDataset, DatasetLocation
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.public_datasets import DATASETS
from schemas.spoken_words import SpokenWord
from tests.support.tars import tar_bytes

BBAF2N = ("bin", "blue", "at", "f", "two", "now")
ALIGNMENT = "0 10000 sil\n" + "".join(
    f"{10000 + 5000 * place} {15000 + 5000 * place} {word}\n" for place, word in enumerate(BBAF2N)
)


def files(folder: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def find(name: str, videos: Path, lists: Path | str = "", exclude: tuple[str, ...] = ()) -> ClipDataset:
    return DATASETS[name](DatasetLocation(str(videos), str(lists), exclude=exclude))


def problems(name: str, videos: Path, lists: Path | str = "") -> tuple[str, ...]:
    with pytest.raises(ManifestError) as caught:
        find(name, videos, lists)
    return caught.value.lines


@pytest.mark.parametrize(
    ("video", "alignment", "speaker"),
    [
        ("s1/bbaf2n.mpg", "s1/align/bbaf2n.align", "s1"),
        ("s1/bbaf2n.mpg", "alignments/s1/BBAF2N.align", "s1"),
        ("s1/bbaf2n.mpg", "align/bbaf2n.align", "s1"),
        ("s1/video/mpg_6000/bbaf2n.mpg", "alignments/s1/bbaf2n.align", "s1"),
        ("GRID/s1_processed/bbaf2n.mpg", "s1/align/bbaf2n.align", "s1"),
        ("bbaf2n.mpg", "align/bbaf2n.align", ""),
    ],
)
def test_grid_alignments_are_found_in_every_layout(tmp_path: Path, video: str, alignment: str, speaker: str) -> None:
    found = find("grid", files(tmp_path, **{video: "", alignment: ALIGNMENT}))
    (entry,) = found.listed
    assert (entry.video.text, entry.video.group, entry.group) == (" ".join(BBAF2N), speaker, speaker or "bbaf2n")
    assert [one.word for one in entry.video.words] == list(BBAF2N)
    assert entry.video.words[0] == SpokenWord("bin", Fraction(2, 5), Fraction(3, 5))
    assert entry.video.labels == BBAF2N
    assert not found.missing


def test_grid_without_alignments_and_with_some_elsewhere(tmp_path: Path) -> None:
    videos = files(tmp_path / "v", **{"s1/bbaf2n.mpg": "", "s2/bbaf2n.mpg": "", "s2/swiz9a.mpg": ""})
    assert [entry.video.text for entry in find("grid", videos).listed][1:] == [
        "bin blue at f two now",
        "set white in z nine again",
    ]
    lists = files(tmp_path / "a", **{"s2/bbaf2n.align": ALIGNMENT, "s9/bbaf2n.align": ALIGNMENT})
    found = find("grid", videos, lists)
    assert [len(entry.video.words) for entry in found.listed] == [0, 6, 0]
    assert found.missing == {"s9/bbaf2n": ""}


def test_wrong_grid_alignments_are_all_told(tmp_path: Path) -> None:
    found = files(
        tmp_path,
        **{
            **dict.fromkeys(
                ("s1/bbaf2n.mpg", "s2/bbaf2n.mpg", "s1/bbaf2s.mpg", "s1/bbaf2p.mpg", "s1/nonsense.mpg"), ""
            ),
            "align/bbaf2n.align": ALIGNMENT,
            "s1/align/bbaf2s.align": ALIGNMENT,
            "s1/align/bbaf2p.align": ALIGNMENT.replace("40000 now", "80000 please"),
        },
    )
    assert problems("grid", found) == (
        "align/bbaf2n.align: it lies in no speaker's folder, and 2 speakers have such a video",
        "s1/align/bbaf2p.align: line 7: 'please' ends at 3.2 s, after the clip of 3 s",
        "s1/align/bbaf2s.align: its words are 'bin blue at f two now', by its name they are 'bin blue at f two soon'",
        "'s1/nonsense': a name of six characters that stand for words is wanted, such as bbaf2n",
        "align/bbaf2n.align: it lies in no speaker's folder, and 2 speakers have such a video",
    )
    twice = files(tmp_path / "b", **{"s1/bbaf2n.mpg": "", "s1/bbaf2n.align": "", "s1/align/bbaf2n.align": ALIGNMENT})
    first = "s1/align/bbaf2n.align and s1/bbaf2n.align are of one speaker and sentence: --exclude one of them"
    assert problems("grid", twice) == (first,)


def test_folders_may_be_given_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files(tmp_path / "GRID", **{"bbaf2n.mpg": "", "align/bbaf2n.align": ALIGNMENT})
    monkeypatch.chdir(tmp_path)
    (entry,) = DATASETS["grid"](DatasetLocation("GRID")).listed
    assert (len(entry.video.words), entry.video.group) == (6, "")


def test_lrs3(tmp_path: Path) -> None:
    timed = "Text:  IT IS\nConf:  4\n\nWORD START END ASDSCORE\nIT 0.1 0.2 5\nIS 0.2 0.4 5\n"
    found = find(
        "lrs",
        files(
            tmp_path,
            **{
                "pretrain/a/1.mp4": "",
                "pretrain/a/1.txt": timed,
                "trainval/a/2.mp4": "",
                "test/b/1.mp4": "",
                "trainval/a/2.txt": "Text: ME",
                "test/b/1.txt": "YOU\n",
                "test/b/9.txt": "Text: WHO",
                "test.txt": "x",
            },
        ),
    )
    rows = {one.video.id: (one.video.text, one.video.split, one.group, len(one.video.words)) for one in found.listed}
    assert rows == {
        "pretrain/a/1": ("IT IS", "train", "train/pretrain/a", 2),
        "trainval/a/2": ("ME", "train", "train/trainval/a", 0),
        "test/b/1": ("YOU", "test", "test/test/b", 0),
    }
    assert found.missing == {"the video of test/b/9.txt": ""}
    assert found.classes == ()


def test_lrs_has_no_tars(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar_bytes([("s/1.mp4", b"x"), ("s/1.txt", b"Text: A"), ("s/2.mp4", b"x")]))
    assert problems("lrs", tmp_path) == ("there are tars, in which no transcripts are looked for: unpack them",)


def test_lrs2_has_lists(tmp_path: Path) -> None:
    names = ("main/7/1", "main/7/2", "main/8/1", "main/8/2")
    videos = files(tmp_path / "v", **{f"{n}.mp4": "" for n in names}, **{f"{n}.txt": "Text: A" for n in names})
    lists = files(
        tmp_path / "l", **{"train.txt": "7/1\n7/2\n", "test.txt": "8/1 NF\n8/3 NF\n", "README.txt": "no list"}
    )
    found = find("lrs", videos, lists)
    assert {one.video.id: one.video.split for one in found.listed} == {
        "main/7/1": "train",
        "main/7/2": "train",
        "main/8/1": "test",
    }
    assert found.missing == {"8/3": ""}
    files(tmp_path / "l", **{"val.txt": "7/1\n"})
    assert problems("lrs", videos, lists) == ("val.txt: '7/1' is in the list of another split, too",)
    assert "no list is there" in problems("lrs", videos, files(tmp_path / "e", **{"README.txt": "x"}))[0]


def test_ones_own_recordings_with_transcripts(tmp_path: Path) -> None:
    own = {
        "anna/a.mp4": "",
        "anna/a.txt": "zwei  Wörter",
        "b.mp4": "",
        "b.txt": "eins",
        "c.mp4": "",
        "d.mp4": "",
        "d.txt": "",
    }
    videos = files(tmp_path, **own)
    assert problems("lrs", videos) == (
        "'c' has no transcript: c.txt is not beside it",
        "d.txt: it is empty",
    )
    found = find("lrs", videos, exclude=("[cd].*",))
    assert [(one.video.text, one.video.group, one.group) for one in found.listed] == [
        ("zwei Wörter", "anna", "/anna"),
        ("eins", "", "b"),
    ]


def test_lrw(tmp_path: Path) -> None:
    found = find(
        "lrw", files(tmp_path, **{"ABOUT/train/ABOUT_1.mp4": "", "ABOUT/train/ABOUT_1.txt": "", "GIRL/val/x.mp4": ""})
    )
    assert [(one.video.labels, one.video.split, one.video.text) for one in found.listed] == [
        (("ABOUT",), "train", "ABOUT"),
        (("GIRL",), "validation", "GIRL"),
    ]
    assert found.classes == ("ABOUT", "GIRL")
    assert problems("lrw", files(tmp_path, **{"GIRL/other/x.mp4": "", "y.mp4": ""})) == (
        "'GIRL/other/x' is not WORD/SPLIT/NAME, the split being train, val or test",
        "'y' is not WORD/SPLIT/NAME, the split being train, val or test",
    )
