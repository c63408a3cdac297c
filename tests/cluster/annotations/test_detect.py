from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.annotations.detect import detect
from cluster.annotations.export import Export
from cluster.annotations.formats import READERS
from tests.cluster.annotations.datasets.test_charades import HEADER as CHARADES
from tests.cluster.annotations.datasets.test_epic_kitchens import HEADER as EPIC
from tests.cluster.annotations.tools import (
    test_anvil,
    test_boris,
    test_cvat_images,
    test_cvat_video,
    test_datumaro,
    test_elan,
    test_label_studio,
    test_supervisely,
    test_via,
)
from tests.support.annotations import problems_of, write

EVENTS = {"v": {"E_000001_000002": {"event": 1, "timestamps": [[1, 2]], "segments": None}}}
EXPORTS: dict[str, dict[str, Any]] = {
    "supervisely": {"ds/ann/a.mp4.json": test_supervisely.video(), "meta.json": {}, "ds/video/a.mp4": b""},
    "label-studio": {"export.json": test_label_studio.tasks(), "notes.txt": "x"},
    "cvat-video": {"annotations.xml": test_cvat_video.export(test_cvat_video.track(test_cvat_video.box(1)))},
    "cvat-images": {"annotations.xml": test_cvat_video.export(test_cvat_images.image(1), meta=test_cvat_images.meta())},
    "datumaro": {"annotations/default.json": test_datumaro.export()},
    "via": {"p.json": test_via.project(), "p.csv": test_via.FULL % "ATTRIBUTE = {}"},
    "elan": {"a.eaf": test_elan.document(), "a.pfsx": "<preferences/>"},
    "anvil": {"a.anvil": test_anvil.document().encode("utf-16")},
    "boris": {"e.tsv": test_boris.OLD_TABULAR},
    "activitynet": {"a.json": {"database": {}}},
    "hacs-clips": {"a.csv": "classname,youtube_id,subset,start,end,label\n"},
    "thumos": {"A_val.txt": "video_validation_1 1.0 2.0\n", "detclasslist.txt": "7 A\n"},
    "action-lists": {"m.json": {"v": {"actions": [], "subset": "training"}}},
    "kinetics": {"k.csv": "label,youtube_id,time_start,time_end,split,is_cc\n"},
    "ava": {"ava_train.csv": "v,0902,0.1,0.2,0.3,0.4,12,1\n", "excluded.csv": "v,0903\n", "list.pbtxt": "item {}"},
    "epic-kitchens": {"e.csv": EPIC},
    "charades": {"c.csv": CHARADES},
    "finegym": {"g.json": EVENTS},
    "something-something": {"train.json": [{"id": "1", "template": "x"}], "labels.json": {"x": "0"}},
    "grid": {"s1/a.align": "0 100 sil\n"},
    "table": {"t.csv": "video,start_frame,end_frame,label\n"},
}


def test_there_is_a_case_for_every_format() -> None:
    assert {*EXPORTS} == {*READERS}


@pytest.mark.parametrize("name", sorted(EXPORTS))
def test_formats_are_told_apart_by_content(tmp_path: Path, name: str) -> None:
    root = write(tmp_path, EXPORTS[name])
    assert detect(Export(root), READERS.values()).name == name
    first = next(iter(EXPORTS[name]))
    assert detect(Export(f"{root}/{first}"), READERS.values()).name == name


def test_candidates_are_named(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {**EXPORTS["charades"], **EXPORTS["elan"]})
    assert "it may be elan (ELAN documents) or charades (Charades or Charades-Ego): say which with --format" in text


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a.json": '{"database": {"a"'}, "a.json: it is no JSON: "),
        ({"export.zip": b"PK\x03\x04"}, "export.zip is a zip archive: unpack it"),
        (
            {"a.json": {"some": "thing"}},
            "it has no format that is recognised: name it with --format, one of supervisely: ",
        ),
        ({"a.txt": "x", "b.txt": "y"}, "none of its files ('a.txt', 'b.txt')"),
        ({"folder/.keep": ""}, "there is no file"),
    ],
)
def test_what_is_not_recognised_says_why(tmp_path: Path, files: dict[str, Any], problem: str) -> None:
    if "folder/.keep" in files:
        (tmp_path / "x").mkdir()
        files = {"x/.keep": "", "x/.more": ""}
    assert problem in problems_of(tmp_path, files)
