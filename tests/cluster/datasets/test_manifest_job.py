"""A data set becomes a manifest and its class names, locally and in a bucket; all problems are reported at once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cluster.datasets.manifest import read_videos
from cluster.datasets.manifest_job import ManifestOptions, make_manifest
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.vocabulary import read_class_names
from cluster.storage import files
from schemas.errors import InputError
from tests.cluster.datasets.test_public_datasets import touch, ucf, write
from tests.support.servers import gs_bucket
from tests.support.tars import tar_bytes


def make(tmp_path: Path, output: str = "out/manifest.csv", **options: Any) -> str:
    uri = output if "://" in output else str(tmp_path / output)
    make_manifest(
        ManifestOptions(**{"dataset": "folders", "input": str(tmp_path / "videos"), "output": uri, **options})
    )
    return uri


def classes(tmp_path: Path, **counts: int) -> Path:
    return touch(tmp_path / "videos", *(f"{name}/{n}.mp4" for name, count in counts.items() for n in range(count)))


@pytest.mark.parametrize("output", ["out/manifest.csv", "out/manifest.jsonl", "out/manifest.parquet"])
def test_folders_become_a_manifest(output: str, tmp_path: Path) -> None:
    classes(tmp_path, run=10, jump=20)
    videos = read_videos(make(tmp_path, output))
    assert [video.id for video in videos] == sorted(video.id for video in videos)
    assert all(Path(video.uri).is_file() for video in videos)
    counts = Counter((video.labels[0], video.split) for video in videos)
    assert [counts["run", part] for part in ("train", "validation", "test")] == [6, 2, 2]
    assert [counts["jump", part] for part in ("train", "validation", "test")] == [13, 3, 4]
    assert read_class_names(str(tmp_path / "out" / "vocabulary.csv")) == ("jump", "run")


def test_what_patterns_match_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "videos/run/a.mp4", "videos/run/b.mp4", "videos/old/c.mp4", ".videos/run/d.mp4")
    options = ManifestOptions.of(
        dataset="folders", input=f"{tmp_path}/videos", output=f"{tmp_path}/m.csv", exclude=("old",)
    )
    assert make_manifest(options).classes == {"run": 2}
    with pytest.raises(ManifestError, match="--exclude goes with folders"):
        make_manifest(options.with_values(dataset="manifest", input=f"{tmp_path}/m.csv", output=f"{tmp_path}/n.csv"))


def test_a_damaged_tar_becomes_no_row(tmp_path: Path) -> None:
    """Which would stand for all of its members, beside those that are rows themselves."""
    content = tar_bytes((f"{number}.mp4", b"x") for number in range(8))
    (tmp_path / "a.tar").write_bytes(content[:5000])
    (tmp_path / "m.csv").write_text("id,uri\na,a.tar\n")
    options = {"dataset": "manifest", "input": f"{tmp_path}/m.csv"}
    with pytest.raises(ManifestError, match=r"1 tar damaged, or not readable to the end: .*a\.tar"):
        make(tmp_path, **options)
    assert not (tmp_path / "out").exists()
    (tmp_path / "a.tar").write_bytes(content)
    assert len(read_videos(make(tmp_path, **options))) == 8


def test_no_video_gets_two_splits(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{number}.mp4" for number in range(20)))
    rows = [f"{name}{number},{number}.mp4" for number in range(20) for name in "ab"]
    (tmp_path / "m.csv").write_text("\n".join(["id,uri", *rows]))
    with pytest.raises(ManifestError, match=r"'a.*' and 'b.*' are one video in two splits"):
        make(tmp_path, dataset="manifest", input=f"{tmp_path}/m.csv")


def test_a_class_of_ones_own_is_another_folder(tmp_path: Path) -> None:
    classes(tmp_path, run=10, jump=20)
    before = {video.id: video.split for video in read_videos(make(tmp_path))}
    classes(tmp_path, car=5)
    after = {video.id: video.split for video in read_videos(make(tmp_path))}
    assert len(after) == 35
    assert before.items() <= after.items()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("index,name\n0,jump\n1,swim\n", "names classes that are not in .*: 'swim'"),
        ("Index,Name\n3,Car\n", "no vocabulary"),
    ],
)
def test_the_names_of_something_else_are_not_replaced(tmp_path: Path, content: str, problem: str) -> None:
    classes(tmp_path, run=10, jump=20)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "vocabulary.csv").write_text(content)
    with pytest.raises((ManifestError, files.StorageError), match=problem):
        make(tmp_path)
    assert (tmp_path / "out" / "vocabulary.csv").read_text() == content
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_lists_hold_and_classes_can_be_chosen(tmp_path: Path) -> None:
    videos, lists = ucf(tmp_path)
    options = {"dataset": "ucf101", "input": str(videos), "annotations": str(lists), "validation": 0.4}
    found = read_videos(make(tmp_path, **options))
    parts = Counter((video.labels[0], video.split) for video in found)
    assert set(parts.values()) == {2}  # three groups of two clips, one of them in each part
    assert len(parts) == 6
    assert {video.id.rpartition("_g")[2][:2] for video in found if video.split == "test"} == {"01"}
    chosen = read_videos(make(tmp_path, classes=("IceDancing",), **options))
    assert {video.labels for video in chosen} == {("IceDancing",)}
    assert read_class_names(str(tmp_path / "out" / "vocabulary.csv")) == ("IceDancing",)


def test_missing_videos_are_an_error_unless_they_are_to_be_skipped(tmp_path: Path) -> None:
    videos, lists = ucf(tmp_path)
    (videos / "IceDancing/v_IceDancing_g03_c02.avi").unlink()
    options = {"dataset": "ucf101", "input": str(videos), "annotations": str(lists)}
    with pytest.raises(ManifestError, match=r"lists have: v_IceDancing_g03_c02 \(1 in all\); --skip-missing"):
        make(tmp_path, **options)
    assert not (tmp_path / "out").exists()
    assert len(read_videos(make(tmp_path, skip_missing=True, **options))) == 11
    # What is missing of classes that nobody wants does not matter.
    assert len(read_videos(make(tmp_path, classes=("BabyCrawling",), **options))) == 6


def test_videos_without_a_label_stay_and_are_counted(tmp_path: Path) -> None:
    names = [f"v{n}_000000_000010.mp4" for n in range(6)]
    header = "youtube_id,time_start,time_end,split"
    lists = {
        "train.csv": f"label,{header}\n" + "".join(f"run,v{n},0,10,train\n" for n in range(4)),
        "test.csv": f"{header}\nv4,0,10,test\nv5,0,10,test\n",
    }
    output = str(tmp_path / "manifest.csv")
    made = make_manifest(
        ManifestOptions(
            dataset="kinetics",
            input=str(touch(tmp_path / "videos", *names)),
            output=output,
            annotations=str(write(tmp_path / "lists", lists)),
        )
    )
    assert (made.unlabelled, made.classes) == (2, {"run": 4})
    found = {video.id: (video.labels, video.split) for video in read_videos(output)}
    assert found["v4_000000_000010"] == found["v5_000000_000010"] == ((), "test")
    assert Counter(split for labels, split in found.values() if labels) == {"train": 3, "validation": 1}


def test_groups_that_lists_divide_are_told_and_stay_so(tmp_path: Path) -> None:
    header = "label,youtube_id,time_start,time_end,split\n"
    lists = {"a.csv": f"{header}run,v0,0,10,train\nrun,v0,20,30,test\nrun,v1,0,10,train\nrun,v2,0,10,train\n"}
    names = ["v0_000000_000010.mp4", "v0_000020_000030.mp4", "v1_000000_000010.mp4", "v2_000000_000010.mp4"]
    output = str(tmp_path / "manifest.csv")
    options = {"input": str(touch(tmp_path / "videos", *names)), "annotations": str(write(tmp_path / "lists", lists))}
    made = make_manifest(ManifestOptions(dataset="kinetics", output=output, **options))
    assert made.divided == ("v0",)
    found = {video.id: video.split for video in read_videos(output)}
    assert (found["v0_000000_000010"], found["v0_000020_000030"]) == ("train", "test")


def test_a_class_with_one_video_is_an_error(tmp_path: Path) -> None:
    classes(tmp_path, run=10, jump=1)
    with pytest.raises(ManifestError, match="class 'jump' has one video"):
        make(tmp_path)


def test_a_class_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    classes(tmp_path, run=10, jump=4)
    with pytest.raises(ManifestError, match="class 'rum' is unknown; did you mean 'run'"):
        make(tmp_path, classes=("rum",))


def test_a_manifest_gets_new_splits(tmp_path: Path) -> None:
    classes(tmp_path, run=10, jump=20)
    old = make(tmp_path)
    again = make(tmp_path, "again/manifest.jsonl", dataset="manifest", input=old, test=0.5, validation=0.0, seed=9)
    assert Counter(video.split for video in read_videos(again)) == {"train": 15, "test": 15}
    assert [video.labels for video in read_videos(again)] == [video.labels for video in read_videos(old)]
    assert read_class_names(str(tmp_path / "again" / "vocabulary.csv")) == ("jump", "run")


def test_options_that_contradict_are_told_at_once() -> None:
    with pytest.raises(InputError, match="--annotations is required") as raised:
        ManifestOptions.of(dataset="ucf101", input="a", output="b.csv", test=1.0, validation=-0.1, split_number=0)
    for name in ("test", "validation", "split-number"):
        assert f"{name} must be at least " in str(raised.value)
    with pytest.raises(InputError, match=r"output must be a file name that ends in .csv, .jsonl, .ndjson, .parquet"):
        ManifestOptions(dataset="folders", input="a", output="b.txt")
    with pytest.raises(InputError, match="--annotations belongs to"):
        ManifestOptions(dataset="folders", input="a", output="b.csv", annotations="c")


def test_all_of_it_may_be_in_a_bucket(tmp_path: Path) -> None:
    local, lists = ucf(tmp_path)
    with gs_bucket() as bucket:
        for root in (local, lists):
            for path in root.rglob("*.*"):
                files.write_bytes(f"{bucket}/{path.relative_to(tmp_path)}", path.read_bytes() or b"x")
        options = {"dataset": "ucf101", "input": f"{bucket}/UCF-101", "annotations": f"{bucket}/lists"}
        uri = make(tmp_path, f"{bucket}/out/manifest.parquet", **options)
        videos = read_videos(uri)
        assert len(videos) == 12
        assert videos[0].uri == f"{bucket}/UCF-101/{videos[0].id}.avi"
        assert read_class_names(f"{bucket}/out/vocabulary.csv") == ("BabyCrawling", "IceDancing")


def test_sentences_are_split_by_speaker_or_by_sentence(tmp_path: Path) -> None:
    names = [f"{word}baf{digit}n" for word in "blps" for digit in range(1, 6)]
    touch(tmp_path / "videos", *(f"s{speaker}/{name}.mpg" for speaker in range(1, 6) for name in names))
    by_speaker = read_videos(make(tmp_path, dataset="grid"))
    assert Counter(split for _, split in {(video.group, video.split) for video in by_speaker}) == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    made = ManifestOptions(
        dataset="grid", input=str(tmp_path / "videos"), output=str(tmp_path / "s.csv"), split_by="sentence"
    )
    summary = make_manifest(made)
    assert (summary.sentences, summary.speakers) == (20, 5)
    by_sentence = read_videos(made.output)
    assert len({(video.text, video.split) for video in by_sentence}) == 20
    assert len({(video.group, video.split) for video in by_sentence}) == 15
    again = read_videos(make(tmp_path, "again.csv", dataset="manifest", input=made.output, split_by="sentence", seed=1))
    assert [(video.id, video.text, video.group) for video in again] == [
        (video.id, video.text, video.group) for video in by_sentence
    ]


def test_one_speaker_is_split_by_sentence(tmp_path: Path) -> None:
    touch(tmp_path / "videos", *(f"s1/bbaf{digit}n.mpg" for digit in range(1, 6)))
    with pytest.raises(ManifestError, match=r"all videos are of one speaker, 's1', .*: --split-by sentence"):
        make(tmp_path, dataset="grid")
    found = read_videos(make(tmp_path, dataset="grid", split_by="sentence"))
    assert Counter(video.split for video in found) == {"train": 3, "validation": 1, "test": 1}


def test_videos_without_sentences_are_not_split_by_them(tmp_path: Path) -> None:
    classes(tmp_path, run=2)
    with pytest.raises(ManifestError, match="2 videos without a sentence: run/0, run/1; --dataset grid, lrs"):
        make(tmp_path, split_by="sentence")


def test_sentences_in_lower_case(tmp_path: Path) -> None:
    write(tmp_path / "videos", {"a.mp4": "", "a.txt": "Text: AN ÉCLAIR\nWORD START END\nAN 0 1\nÉCLAIR 1 2\n"})
    found = read_videos(make(tmp_path, dataset="lrs", lower_case=True))
    assert (found[0].text, [one.word for one in found[0].words]) == ("an éclair", ["an", "éclair"])
    assert not (tmp_path / "out/vocabulary.csv").exists()


def test_sentences_without_classes_leave_a_vocabulary_alone(tmp_path: Path) -> None:
    write(tmp_path / "videos", {"a.mp4": "", "a.txt": "Text: A"})
    write(tmp_path / "out", {"vocabulary.csv": "index,name\n0,jump\n"})
    assert [video.text for video in read_videos(make(tmp_path, dataset="lrs"))] == ["A"]
    assert read_class_names(str(tmp_path / "out" / "vocabulary.csv")) == ("jump",)
