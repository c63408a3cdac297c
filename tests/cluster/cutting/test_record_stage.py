"""Files of records: what they hold becomes clips, and what is wrong with one costs it alone."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from cluster.cutting.config import CuttingOptions
from cluster.cutting.record_stage import RecordStage, make_records_plan
from cluster.cutting.sequence_example import ClipRecord, encoded
from cluster.datasets.vocabulary import Vocabulary, write_vocabulary
from cluster.storage.tfrecords import framed
from extractors.video.jpeg import encode_jpegs
from schemas.cuttings import CutVideo, FindingCode
from schemas.errors import InputError
from schemas.outcomes import FailureCode, VideoError
from schemas.videos import Video
from tests.support.cutting import shown
from tests.support.videos import picture

JPEGS = encode_jpegs(np.stack([picture(number, 96, 48) for number in range(3)]))


def record(**given: object) -> bytes:
    fields = {"id": "x", "jpegs": JPEGS, "timestamps": (), "label_indices": (1,), "label_names": (), **given}
    return encoded(ClipRecord(**fields))  # type: ignore[arg-type]


def cut(folder: Path, *records: bytes, rate: Fraction | None = None) -> CutVideo:
    path = folder / "a.tfrecord"
    write(path, b"".join(part for one in records for part in framed(one)))
    return stage_of(folder, rate)(str(path), Video("a", str(path), split="test"))[0]


def write(path: Path, data: bytes | bytearray) -> str:
    path.write_bytes(data)
    return str(path)


def stage_of(folder: Path, rate: Fraction | None = None) -> RecordStage:
    return RecordStage(clips=str(folder / "clips"), crf=9, rate=rate, names={"a": "f" * 64}, max_pixels=1 << 20)


def test_times_come_from_the_record_or_the_option(tmp_path: Path) -> None:
    made = cut(
        tmp_path,
        record(timestamps=(0, 50_000, 300_000), end_microseconds=400_000),
        record(frame_rate=10.0),
        record(timestamps=(5, 5, 5), frame_rate=20.0),
        record(),
        rate=Fraction(4),
    )
    assert [clip.end_microseconds for clip in made.clips] == [400_000, 300_000, 150_000, 750_000]
    assert {clip.split for clip in made.clips} == {"test"}
    first = [seconds for seconds, _ in shown(tmp_path / "clips" / made.clips[0].file)]
    assert first == [0, Fraction(1, 20), Fraction(3, 10)]


def test_a_bad_record_is_a_finding(tmp_path: Path) -> None:
    made = cut(tmp_path, record(jpegs=[b"none"], frame_rate=9.0), record(), b"no record", record(frame_rate=9.0))
    assert len(made.clips) == 1
    assert [finding.source for finding in made.findings] == ["record 0", "record 1", "record 2"]
    assert "give --frame-rate" in made.findings[1].message


@pytest.mark.parametrize("given", [float("inf"), 1e30, 1e-4])
def test_a_rate_that_is_none_is_a_finding(tmp_path: Path, given: float) -> None:
    made = cut(tmp_path, record(frame_rate=given), record(frame_rate=9.0))
    assert [clip.id for clip in made.clips] == ["a#000001"]
    (finding,) = made.findings
    assert (finding.source, "give --frame-rate" in finding.message) == ("record 0", True)


def test_labels_are_names_where_the_record_has_them(tmp_path: Path) -> None:
    made = cut(tmp_path, record(label_names=("run",), frame_rate=9.0), record(label_indices=(7,), frame_rate=9.0))
    assert [clip.labels for clip in made.clips] == [("run",), ("7",)]


def test_damage_costs_the_records_that_it_hits(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    parts = [b"".join(framed(record(frame_rate=9.0))) for _ in range(4)]
    data = bytearray(b"".join(parts))
    data[len(parts[0]) + 200] ^= 1  # among the data of the second record
    made = stage_of(tmp_path)(write(path, data), Video("a", str(path)))[0]
    assert [clip.id for clip in made.clips] == ["a#000000", "a#000002", "a#000003"]
    (finding,) = made.findings
    assert (finding.code, finding.source) == (FindingCode.NOT_CUT, "record 1")
    assert "its checksum is wrong" in finding.message
    data[2 * len(parts[0])] ^= 1  # the length of the third record
    made = stage_of(tmp_path)(write(path, data), Video("a", str(path)))[0]
    assert [clip.id for clip in made.clips] == ["a#000000"]
    assert [finding.source for finding in made.findings] == ["record 1", "record 2"]
    assert made.findings[1].message.endswith("what follows it cannot be found")


def test_a_file_that_begins_with_no_record_fails_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tfrecord"
    with pytest.raises(VideoError) as caught:
        stage_of(tmp_path)(write(path, b"no records at all"), Video("a", str(path)))
    assert caught.value.code == FailureCode.DAMAGED


def test_a_file_that_fails_leaves_no_clip_behind(tmp_path: Path) -> None:
    """The reading breaks off after two clips were written."""

    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 2 * length:
                raise TimeoutError("the store does not answer")
            return super().read(size)

    parts = [b"".join(framed(record(frame_rate=9.0))) for _ in range(3)]
    length = len(parts[0])
    with pytest.raises(TimeoutError):
        stage_of(tmp_path)(Breaking(b"".join(parts)), Video("a", "a"))  # type: ignore[arg-type]
    assert not list((tmp_path / "clips").iterdir())


def test_a_plan_names_files_by_their_places_and_finds_splits(tmp_path: Path) -> None:
    options = CuttingOptions.of(
        output=str(tmp_path / "o.csv"), from_tfrecords=str(tmp_path), cut="exact", clips=str(tmp_path / "clips")
    )
    with pytest.raises(InputError, match=r"no file there ends in \.tfrecord"):
        make_records_plan(options)
    for name in ("val", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.tfrecord-00000-of-00001").write_bytes(b"")
    plan = make_records_plan(options)
    assert [(video.id, video.split) for video in plan.videos] == [
        ("other/x.tfrecord-00000-of-00001", ""),
        ("val/x.tfrecord-00000-of-00001", "validation"),
    ]
    others = make_records_plan(replace(options, max_pixels=99))
    assert not set(others.fingerprints.values()) & set(plan.fingerprints.values())


def test_another_vocabulary_changes_names_alone(tmp_path: Path) -> None:
    options = CuttingOptions.of(
        output=str(tmp_path / "o.csv"), from_tfrecords=str(tmp_path), cut="exact", clips=str(tmp_path / "clips")
    )
    plain = cut(tmp_path, record(frame_rate=9.0))
    before = make_records_plan(options)
    write_vocabulary(str(tmp_path / "vocabulary.csv"), Vocabulary(["sit", "walk"]))
    after = make_records_plan(options)
    assert before.fingerprints == after.fingerprints
    assert [plan.label("a", plain).clips[0].labels for plan in (before, after)] == [("1",), ("walk",)]
