"""Reading as a whole: options, errors, and that no export of strangers makes a reader raise anything else."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cluster.annotations.base import AnnotationError, ReadOptions
from cluster.annotations.formats import READERS
from cluster.annotations.read import read_annotations
from schemas.annotations import AnnotationSet
from tests.cluster.annotations.datasets import (
    test_activitynet,
    test_ava,
    test_charades,
    test_epic_kitchens,
    test_finegym,
    test_something,
    test_thumos,
)
from tests.cluster.annotations.tools import (
    test_anvil,
    test_boris,
    test_cvat_images,
    test_cvat_video,
    test_datumaro,
    test_elan,
    test_label_studio,
    test_supervisely,
    test_table,
    test_via,
)
from tests.support.annotations import problems_of, read, spans, write

TAGS = test_supervisely.video(test_supervisely.RANGED)
SPLICES = (
    b"",
    b"\0",
    b"1e999",
    b"-1",
    b"null",
    b"[]",
    b"{}",
    b'"',
    b"<",
    b">",
    b"NaN",
    b"9" * 30,
    b"\xff\xfe",
    b"\n,;\t",
)


def seed(name: str, content: Any) -> tuple[str, bytes]:
    return name, content if isinstance(content, bytes) else (
        content if isinstance(content, str) else json.dumps(content)
    ).encode()


OBJECTS = {
    "objects": [{"key": "k", "tags": [{"name": "x"}]}],
    "frames": [{"index": 1, "figures": [{"objectKey": "k"}]}],
}
TRACK = test_label_studio.track((1, True), (9, False))
BOXES = test_cvat_video.box(1, doing="x"), test_cvat_video.box(2, 1)
ITEMS = test_datumaro.item("v/frame_1", 0), test_datumaro.item("x", 1, video={"path": "a", "end_frame": 3})
WORDS = test_elan.aligned(1, "t1", "t2"), test_elan.aligned(2, "t2", "t3"), test_elan.referring(3, "a1", "x")
TAGGED = test_cvat_images.image(1, test_cvat_images.tag())
# An export of each format that a reader takes, in one file.
SEEDS = {
    "supervisely": seed("ann/a.json", test_supervisely.video(test_supervisely.RANGED, **OBJECTS)),
    "label-studio": seed("a.json", test_label_studio.tasks(test_label_studio.timeline(1, 2), TRACK)),
    "cvat-video": seed("a.xml", test_cvat_video.export(test_cvat_video.track(*BOXES))),
    "cvat-images": seed("a.xml", test_cvat_video.export(TAGGED, meta=test_cvat_images.meta())),
    "datumaro": seed("a.json", test_datumaro.export(*ITEMS)),
    "via": seed("a.json", test_via.project(test_via.entry(1, 2, _2="0"))),
    "elan": seed("a.eaf", test_elan.document(test_elan.slots(t1=0, t2=None, t3=9), test_elan.tier("v", *WORDS))),
    "anvil": seed("a.anvil", test_anvil.document(test_anvil.PHASES, encoding="UTF-8")),
    "boris": seed("a.tsv", test_boris.aggregated(test_boris.queued("run", "5", "8"))),
    "activitynet": seed("a.json", {"database": {"a": test_activitynet.VIDEO}}),
    "hacs-clips": seed("a.csv", "classname,youtube_id,subset,start,end,label\nA,b,training,1,2,1\n"),
    "thumos": seed("A_val.txt", test_thumos.DIVE),
    "action-lists": seed("a.json", {"v": {"actions": [[1, 2, 3]], "duration": 4, "subset": "x"}}),
    "kinetics": seed("a.csv", "label,youtube_id,time_start,time_end,split\nx,y,1,2,train\n"),
    "ava": seed("a.csv", test_ava.row("0902", 1)),
    "epic-kitchens": seed("a.csv", test_epic_kitchens.HEADER + test_epic_kitchens.ROW),
    "charades": seed("a.csv", test_charades.HEADER + test_charades.row("A", "c001 0.00 1.00")),
    "finegym": seed("a.json", test_finegym.CONTENT),
    "something-something": seed("a.json", test_something.TRAIN),
    "grid": seed("a.align", "0 100 sil\n100 200 bin\n"),
    "table": seed("a.csv", test_table.SECONDS),
}


def read_seed(root: Path, name: str, content: bytes) -> AnnotationSet:
    file, _ = SEEDS[name]
    rate = Fraction(24) if READERS[name].takes_frame_rate else None
    return read_annotations(f"{write(root, {file: content})}/{file}", name, ReadOptions(frame_rate=rate))


@pytest.mark.parametrize("name", sorted(READERS))
def test_seeds_are_read(tmp_path: Path, name: str) -> None:
    assert any(video.annotations for video in read_seed(tmp_path, name, SEEDS[name][1]).videos)


@pytest.mark.parametrize("name", sorted(READERS))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 1 << 32))
def test_mutated_exports_are_read_or_refused(tmp_path: Path, name: str, number: int) -> None:
    dice, content = random.Random(number), bytearray(SEEDS[name][1])
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(content) + 1)
        content[start : start + dice.choice((0, 1, 3, 10, 40))] = dice.choice(SPLICES)
    with suppress(AnnotationError):
        read_seed(tmp_path, name, bytes(content))


@pytest.mark.parametrize("name", sorted(name for name, (file, _) in SEEDS.items() if file.endswith(".json")))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 1 << 32))
def test_json_of_wrong_shapes_is_read_or_refused(tmp_path: Path, name: str, number: int) -> None:
    dice = random.Random(number)
    wrong = (None, True, -1, 1.5, "", "x", [], {}, [[]], [None], {"a": None}, 10**18)

    def changed(value: Any) -> Any:
        if dice.random() < 0.08:
            return dice.choice(wrong)
        if isinstance(value, dict):
            return {key: changed(one) for key, one in value.items() if dice.random() > 0.03}
        return [changed(one) for one in value] if isinstance(value, list) else value

    with suppress(AnnotationError):
        read_seed(tmp_path, name, json.dumps(changed(json.loads(SEEDS[name][1]))).encode())


def test_options_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"a.json": TAGS}, frame_rate=25)
    assert "--frame-rate means nothing to supervisely, whose times are seconds or the video's own frames" in text
    text = problems_of(tmp_path, {"a.csv": test_table.SECONDS}, frame_rate=0, label_from="x")
    assert "--frame-rate 0 is not above 0" in text
    assert "--label-from means nothing to table" in text


def test_formats_are_named_exactly(tmp_path: Path) -> None:
    text = problems_of(tmp_path, {"a.json": TAGS}, format_name="supervisly")
    assert "did you mean 'supervisely'?" in text
    assert "no file there is of the format elan" in problems_of(
        tmp_path, {"a.json": TAGS, "b.txt": ""}, format_name="elan"
    )


def test_what_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="it cannot be read: "):
        read_annotations(f"{tmp_path}/gone.json")
    with pytest.raises(AnnotationError, match="only these schemes are read"):
        read_annotations("ftp://host/a.json")


def test_files_of_another_format_are_noted(tmp_path: Path) -> None:
    found = read(tmp_path, {"ann/a.mp4.json": TAGS, "key_id_map.json": {}})
    assert spans(found) == {"video/a.mp4": [("movement", 0, 24)]}
    assert found.notes == ("files without annotations of this format: 'key_id_map.json'",)


def test_grouping_by_an_unknown_attribute_names_the_known_ones(tmp_path: Path) -> None:
    assert "it has no attribute 'who' (there: 'movement')" in problems_of(tmp_path, {"a.json": TAGS}, group_from="who")
    file, content = SEEDS["charades"]  # whose videos have groups of their own
    assert "it has no attribute 'who'" in problems_of(tmp_path, {file: content}, group_from="who")
