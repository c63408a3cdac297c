import pytest

from cluster.features.tfrecord_files import (
    CODES,
    MEANS,
    MEDIAPIPE_FLOATS,
    YOUTUBE_8M,
    inspect_records,
    records_at,
)
from cluster.features.tfrecord_reader import read_records
from cluster.storage.tfrecords import RecordError, masked_crc
from schemas.quantization import YOUTUBE_8M_RANGE, CodeRange
from tests.support.memory import memory_below
from tests.support.parity import FOLDER
from tests.support.tfrecords import frames_record, means_record, record, write_tfrecord

FLOATS = {"RGB/feature/floats": [[0.5] * 4], "AUDIO/feature/floats": [[0.25] * 2]}


def inspect(path, *records):
    write_tfrecord(path / "r", *records)
    return inspect_records(str(path / "r"), "gs://b/r")


@pytest.mark.parametrize(
    ("first", "features", "level"),
    [
        (means_record(), MEANS, "video"),
        (frames_record(), CODES, "frame"),
        (frames_record(lists=FLOATS), MEDIAPIPE_FLOATS, "frame"),
    ],
)
def test_the_first_record_shows_the_layout(tmp_path, first, features, level):
    found = inspect(tmp_path, first, first)
    assert (found.features, found.level, found.id_field) == (features, level, "id")
    assert (found.rgb_dim, found.audio_dim, found.records) == (4, 2, 2)
    assert found.fingerprint == YOUTUBE_8M


@pytest.mark.parametrize("name", ["video_id", "clip/data_path", "clip/data_id", "clip/media_id", "example/id"])
def test_the_field_of_the_id(tmp_path, name):
    assert inspect(tmp_path, frames_record(id=None, **{name: [b"a"]})).id_field == name
    assert inspect(tmp_path, frames_record(id=[b"a"], **{name: [b"b"]})).id_field == "id"


@pytest.mark.parametrize("first", [means_record(id=None), frames_record(id=None)])
def test_a_file_without_ids_is_refused(tmp_path, first):
    with pytest.raises(RecordError, match=r"gs://b/r, record 0 has no id: it holds .*labels.*; expected one of id, "):
        inspect(tmp_path, first)


def test_a_truncated_file_is_refused(tmp_path):
    (tmp_path / "r").write_bytes((FOLDER / "video_level.tfrecord").read_bytes()[:-5])
    with pytest.raises(RecordError, match="record 11: the file ends inside it"):
        inspect_records(str(tmp_path / "r"), "r")


@pytest.mark.parametrize(("kind", "remedy"), [("GZIP", "gunzip"), ("ZLIB", "Decompress it first")])
def test_a_compressed_file_is_refused_with_a_remedy(tmp_path, kind, remedy):
    write_tfrecord(tmp_path / "r", *[means_record()] * 9, compression=kind)
    with pytest.raises(RecordError, match=rf"(?s)gs://b/r, record 0: the file is compressed \({kind}\).*{remedy}"):
        inspect_records(str(tmp_path / "r"), "gs://b/r")


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        (record({"image": [b"jpeg"]}), "holds image; expected mean_rgb and mean_audio or rgb and audio"),
        (record({}), "holds nothing; expected"),
        (b"\xff\xff no message", "is neither a tf.train.Example nor a SequenceExample"),
        (frames_record(0), "has no frame, so the width of the features is unknown"),
        (frames_record(lists={"rgb": [[bytes(4)]], "audio": []}), "has no frame"),
        (frames_record(lists={"rgb": [[b""]], "audio": [[bytes(2)]]}), ": rgb holds no value"),
        (means_record(mean_audio=[]), ": mean_audio holds no value"),
    ],
)
def test_a_first_record_of_an_unknown_layout_is_refused(tmp_path, first, problem):
    with pytest.raises(RecordError) as caught:
        inspect(tmp_path, first)
    assert str(caught.value).startswith("gs://b/r, record 0")
    assert problem in str(caught.value)


def test_a_first_record_with_a_wrong_checksum_is_refused(tmp_path):
    path = write_tfrecord(tmp_path / "r", means_record())
    content = bytearray((tmp_path / "r").read_bytes())
    content[20] ^= 1
    (tmp_path / "r").write_bytes(content)
    with pytest.raises(RecordError, match="gs://b/r, record 0 is damaged: its checksum is wrong"):
        inspect_records(path, "gs://b/r")


def test_a_damaged_fingerprint_is_refused(tmp_path):
    for text in (b"[]", b'{"code_range": "wide"}'):
        with pytest.raises(RecordError, match=r"record 0: framemill/fingerprint cannot be read: a (fing|range)"):
            inspect(tmp_path, means_record(**{"framemill/fingerprint": [text]}))


def test_the_range_of_the_codes_is_part_of_the_fingerprint(tmp_path):
    path = write_tfrecord(tmp_path / "r", frames_record())
    found = inspect_records(path, "r", CodeRange(-1, 3))
    assert found.fingerprint == {**YOUTUBE_8M, "code_range": "-1..3"}
    assert found.code_range == CodeRange(-1, 3)
    for default in (None, YOUTUBE_8M_RANGE):
        assert inspect_records(path, "r", default).fingerprint == YOUTUBE_8M


def test_a_file_that_records_its_range_is_not_read_with_another(tmp_path):
    path = write_tfrecord(tmp_path / "r", frames_record(**{"framemill/fingerprint": [b'{"code_range": "-1..3"}']}))
    for given in (None, CodeRange(-1, 3)):
        assert inspect_records(path, "r", given).code_range == CodeRange(-1, 3)
    with pytest.raises(RecordError, match=r"r says itself that its codes are of the range -1\.\.3, not -2\.\.2"):
        inspect_records(path, "r", YOUTUBE_8M_RANGE)


def test_records_are_found_by_their_numbers(tmp_path):
    written = [means_record(labels=[number]) for number in range(5)]
    path = write_tfrecord(tmp_path / "r", *written)
    assert list(records_at(path, "r", [0, 1, 4])) == [written[0], written[1], written[4]]


def test_an_empty_file_holds_no_record(tmp_path):
    (tmp_path / "r").touch()
    assert inspect_records(str(tmp_path / "r"), "r").records == 0
    assert list(read_records(str(tmp_path / "r"), "r")) == []


def rewritten(path, length, *, is_valid):
    """The file with another length of its record 1, whose checksum may be right."""
    content = bytearray(path.read_bytes())
    second = 16 + int.from_bytes(content[:8], "little")
    head = length.to_bytes(8, "little")
    content[second : second + 8] = head
    if is_valid:
        content[second + 8 : second + 12] = masked_crc(head).to_bytes(4, "little")
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["video_level", "frame_level"])
def test_checksums_are_those_of_tensorflow(name):
    content = (FOLDER / f"{name}.tfrecord").read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert masked_crc(content[:8]) == int.from_bytes(content[8:12], "little")
    assert masked_crc(content[12 : 12 + length]) == int.from_bytes(content[12 + length : 16 + length], "little")


@pytest.mark.parametrize("is_valid", [True, False])
@pytest.mark.parametrize("length", [1 << 60, (1 << 64) - 1, 1 << 33])
def test_a_record_that_claims_more_than_the_file_is_refused(tmp_path, length, is_valid):
    write_tfrecord(tmp_path / "r", *[means_record()] * 3)
    rewritten(tmp_path / "r", length, is_valid=is_valid)
    message = rf"r, record 1: the file ends inside it, or its length is damaged: it claims {length:,} bytes, the file"
    with memory_below(20), pytest.raises(RecordError, match=message):
        inspect_records(str(tmp_path / "r"), "r")


def test_a_length_within_the_file_is_checked(tmp_path):
    write_tfrecord(tmp_path / "r", *[means_record()] * 3)
    rewritten(tmp_path / "r", 5, is_valid=False)
    with pytest.raises(RecordError, match="r, record 1: its length, 5 bytes, is damaged: its checksum is wrong"):
        inspect_records(str(tmp_path / "r"), "r")


def test_records_of_any_length_are_not_read(tmp_path):
    head = (1 << 30).to_bytes(8, "little")
    with (tmp_path / "r").open("wb") as file:
        file.write(head + masked_crc(head).to_bytes(4, "little"))
        file.truncate((1 << 30) + 16)  # a hole
    message = "r, record 0 claims 1,073,741,824 bytes, more than the 134,217,728 allowed for a video"
    with memory_below(20), pytest.raises(RecordError, match=message):
        inspect_records(str(tmp_path / "r"), "r")


def test_features_have_a_width_that_networks_have(tmp_path):
    with pytest.raises(RecordError, match="record 0: mean_rgb is 70,000 wide, more than the 65,536 allowed"):
        inspect(tmp_path, means_record(mean_rgb=[0.5] * 70_000))
