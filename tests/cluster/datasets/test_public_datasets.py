"""Public data sets are read from the lists and names that they come with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cluster.datasets.clip_dataset import ClipDataset, DatasetLocation
from cluster.datasets.manifest_videos import ManifestError
from cluster.datasets.public_datasets import DATASETS

CLASSES = ("BabyCrawling", "IceDancing")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def find(name: str, videos: Path, lists: Path | None = None, number: int = 1) -> ClipDataset:
    return DATASETS[name](DatasetLocation(str(videos), str(lists or ""), number))


def rows(found: ClipDataset) -> dict[str, tuple[object, ...]]:
    return {entry.video.id: (*entry.video.labels, entry.video.split, entry.group) for entry in found.listed}


def test_folders(tmp_path: Path) -> None:
    videos = touch(tmp_path, "run/a.mp4", "run/deep/b.avi", "jump high/c.mkv", "run/notes.txt")
    found = find("folders", videos)
    assert found.classes == ("jump high", "run")
    assert rows(found) == {
        "run/a": ("run", "", "run/a"),
        "run/deep/b": ("run", "", "run/deep/b"),
        "jump high/c": ("jump high", "", "jump high/c"),
    }


def test_folders_of_splits(tmp_path: Path) -> None:
    found = find("folders", touch(tmp_path, "train/run/a.mp4", "val/run/b.mp4", "Test/jump/c.mp4"))
    assert [row[:2] for row in rows(found).values()] == [("jump", "test"), ("run", "train"), ("run", "validation")]


def test_a_video_outside_of_all_folders(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="'loose' lies in no folder"):
        find("folders", touch(tmp_path, "run/a.mp4", "loose.mp4"))


def ucf(tmp_path: Path, **lists: str) -> tuple[Path, Path]:
    names = [
        f"{label}/v_{label}_g{group:02d}_c{clip:02d}.avi" for label in CLASSES for group in (1, 2, 3) for clip in (1, 2)
    ]
    train = "".join(f"{name} {CLASSES.index(name.split('/')[0]) + 1}\n" for name in names if "_g01_" not in name)
    files = {
        "classInd.txt": "1 BabyCrawling\r\n2 IceDancing\r\n",
        "trainlist01.txt": train,
        "testlist01.txt": "\n".join(name for name in names if "_g01_" in name),
    }
    return touch(tmp_path / "UCF-101", *names), write(
        tmp_path / "lists", files | {f"{key}.txt": text for key, text in lists.items()}
    )


def test_ucf101(tmp_path: Path) -> None:
    found = find("ucf101", *ucf(tmp_path))
    assert found.classes == CLASSES
    assert len(found.listed) == 12
    assert rows(found)["IceDancing/v_IceDancing_g01_c02"] == ("IceDancing", "test", "v_IceDancing_g01")
    assert rows(found)["BabyCrawling/v_BabyCrawling_g03_c01"] == ("BabyCrawling", "train", "v_BabyCrawling_g03")
    assert not found.missing


def test_ucf101_with_lists_that_cannot_be(tmp_path: Path) -> None:
    wrong = "Surfing/v_Surfing_g01_c01.avi\nIceDancing/v_IceDancing_g02_c01.avi\nnonsense.avi\n"
    with pytest.raises(ManifestError) as caught:
        find("ucf101", *ucf(tmp_path, testlist01=wrong))
    for words in (
        "class 'Surfing' is not in classInd.txt",
        "v_IceDancing_g02 is in the training list",
        "'nonsense.avi'",
    ):
        assert words in str(caught.value)
    with pytest.raises(ManifestError, match=r"testlist02\.txt|trainlist02\.txt"):
        find("ucf101", tmp_path / "UCF-101", tmp_path / "lists", 2)


def test_videos_that_are_missing_are_named(tmp_path: Path) -> None:
    videos, lists = ucf(tmp_path)
    (videos / "IceDancing/v_IceDancing_g03_c02.avi").unlink()
    found = find("ucf101", videos, lists)
    assert found.missing == {"v_IceDancing_g03_c02": "IceDancing"}
    assert len(found.listed) == 11


def test_hmdb51(tmp_path: Path) -> None:
    names = {
        "April_09_brush_hair_u_nm_np1_ba_goo_0": 1,
        "April_09_brush_hair_u_nm_np1_ba_goo_1": 1,
        "Jen_brush_hair_f_0": 2,
    }
    videos = touch(
        tmp_path / "videos", *(f"brush_hair/{name}.avi" for name in names), "run/x_run_f_0.avi", "run/y_run_f_0.avi"
    )
    lists = {
        "brush_hair_test_split1.txt": "".join(f"{name}.avi {digit} \n" for name, digit in names.items()),
        "run_test_split1.txt": "x_run_f_0.avi 0 \ny_run_f_0.avi 2 \n",
        "run_test_split2.txt": "x_run_f_0.avi 1 \ny_run_f_0.avi 1 \n",
    }
    found = find("hmdb51", videos, write(tmp_path / "lists", lists))
    assert found.classes == ("brush_hair", "run")
    assert rows(found) == {
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_0": ("brush_hair", "train", "brush_hair/April_09"),
        "brush_hair/April_09_brush_hair_u_nm_np1_ba_goo_1": ("brush_hair", "train", "brush_hair/April_09"),
        "brush_hair/Jen_brush_hair_f_0": ("brush_hair", "test", "brush_hair/Jen"),
        "run/y_run_f_0": ("run", "test", "run/y"),
    }
    assert len(find("hmdb51", videos, tmp_path / "lists", 2).listed) == 2
    with pytest.raises(ManifestError, match="CLASS_test_split3"):
        find("hmdb51", videos, tmp_path / "lists", 3)


def test_kinetics(tmp_path: Path) -> None:
    videos = touch(tmp_path / "videos", "abseiling/-abc_000010_000020.mp4", "whole.mp4")
    header = "label,youtube_id,time_start,time_end,split,is_cc\n"
    lists = {
        "train.csv": f"{header}abseiling,-abc,10,20,train,0\n"
        "air drumming,whole,5,15,train,0\nair drumming,whole,30,40,train,0\n",
        "validate.csv": f"{header}abseiling,gone,0,10,validate,0\n",
    }
    found = find("kinetics", videos, write(tmp_path / "lists", lists))
    assert found.classes == ("abseiling", "air drumming")
    assert found.missing == {"gone_000000_000010": "abseiling"}
    parts = {
        entry.video.id: (entry.video.start_seconds, entry.video.end_seconds, entry.group) for entry in found.listed
    }
    assert parts == {
        "-abc_000010_000020": (0, None, "-abc"),
        "whole_000005_000015": (5, 15, "whole"),
        "whole_000030_000040": (30, 40, "whole"),
    }
    write(tmp_path / "lists", {"train.csv": f"{header}a,b,x,20,train,0\na,b,1,20,somewhere,0\n"})
    with pytest.raises(ManifestError) as caught:
        find("kinetics", videos, tmp_path / "lists")
    assert "line 2: times" in str(caught.value)
    assert "'somewhere'" in str(caught.value)
    odd = ("inf", "nan", "-1", "1e999999999999", "1e18", "9" * 5_000, "")
    write(tmp_path / "lists", {"train.csv": header + "".join(f"a,b,{time},20,train,0\n" for time in odd)})
    with pytest.raises(ManifestError) as caught:
        find("kinetics", videos, tmp_path / "lists")
    assert str(caught.value).count(": times must be seconds, not") == len(odd)


def test_kinetics_tests_may_have_no_labels(tmp_path: Path) -> None:
    videos = touch(tmp_path / "videos", "a_000010_000020.mp4", "b_000000_000010.mp4")
    lists = {
        "train.csv": "label,youtube_id,time_start,time_end,split\nrun,a,10,20,train\n",
        "test.csv": "youtube_id,time_start,time_end,split\nb,0,10,test\nc,5,15,test\n",
    }
    found = find("kinetics", videos, write(tmp_path / "lists", lists))
    assert found.classes == ("run",)
    assert rows(found) == {"a_000010_000020": ("run", "train", "a"), "b_000000_000010": ("test", "b")}
    assert found.missing == {"c_000005_000015": ""}
    write(tmp_path / "lists", {"train.csv": "youtube_id,time_start,time_end,split\na,10,20,train\n"})
    with pytest.raises(ManifestError, match=r"train\.csv, line 2: split 'train', but the list has no column label"):
        find("kinetics", videos, tmp_path / "lists")


def test_grid(tmp_path: Path) -> None:
    found = find("grid", touch(tmp_path / "videos", "s1/bbaf2n.mpg", "s2/swiz9a.mpg"))
    assert rows(found)["s1/bbaf2n"][:6] == ("bin", "blue", "at", "f", "two", "now")
    assert rows(found)["s2/swiz9a"][:6] == ("set", "white", "in", "z", "nine", "again")
    assert len(found.classes) == len(set(found.classes)) == 4 + 4 + 4 + 25 + 10 + 4
    with pytest.raises(ManifestError, match="s3/bbaw2n"):
        find("grid", touch(tmp_path / "videos", "s3/bbaw2n.mpg"))


def test_a_manifest_of_ours(tmp_path: Path) -> None:
    write(tmp_path, {"old.csv": "id,uri,labels,split,end_seconds\na,a.mp4,run,test,5\nb,b.mp4,jump,,\n"})
    found = find("manifest", tmp_path / "old.csv")
    assert found.classes == ("jump", "run")
    assert rows(found) == {"a": ("run", "", "a"), "b": ("jump", "", "b")}
    assert found.listed[0].video.end_seconds == 5


@pytest.mark.parametrize("start", ["label,", "youtube_id,time_start,time_end,split\na,"])
def test_kinetics_lists_with_cells_of_any_length_are_refused(tmp_path: Path, start: str) -> None:
    videos = touch(tmp_path / "videos", "a_000010_000020.mp4")
    with pytest.raises(ManifestError, match=r"line \d cannot be read: field larger than field limit"):
        find("kinetics", videos, write(tmp_path / "lists", {"train.csv": start + "x" * 200_000}))


def test_short_rows_of_kinetics_are_problems(tmp_path: Path) -> None:
    videos = touch(tmp_path / "videos", "a_000010_000020.mp4")
    lists = write(tmp_path / "lists", {"test.csv": "time_start,time_end,split,youtube_id\n10\n10,20,test\n"})
    with pytest.raises(ManifestError, match=r"test\.csv, line 2: times must be seconds, not '10' and None"):
        find("kinetics", videos, lists)
