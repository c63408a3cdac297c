import json

import numpy as np
import pytest

from cluster.features.tfrecord_files import IDS
from cluster.features.tfrecord_reader import read_records
from cluster.storage.tfrecords import RecordError
from schemas.quantization import CodeRange, dequantize
from tests.support.parity import FOLDER, golden
from tests.support.tfrecords import FRAME, KEYED_VIDEO_ID, VIDEO, frames_record, means_record, write_tfrecord

EXPECTED = json.loads((FOLDER / "tfrecords.json").read_text())


def labels_of(blocks):
    return [
        block.labels.values[first:last].tolist()
        for block in blocks
        for first, last in zip(block.labels.offsets, block.labels.offsets[1:], strict=False)
    ]


@pytest.mark.parametrize("batch_records", [1, 5, 1000])
def test_video_level(batch_records):
    blocks = list(read_records(VIDEO, VIDEO, batch_records))
    assert [name for block in blocks for name in block.ids] == EXPECTED["video_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["video_level"]["labels"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["video_mean_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["video_mean_audio"])


@pytest.mark.parametrize("batch_records", [1, 3, 1000])
def test_frame_level(batch_records):
    blocks = list(read_records(FRAME, FRAME, batch_records))
    assert [name for block in blocks for name in block.ids] == EXPECTED["frame_level"]["ids"]
    assert labels_of(blocks) == EXPECTED["frame_level"]["labels"]
    assert [int(count) for block in blocks for count in block.num_frames()] == EXPECTED["frame_level"]["frames"]
    np.testing.assert_array_equal(np.concatenate([b.rgb for b in blocks]), golden("tfrecords")["frame_rgb"])
    np.testing.assert_array_equal(np.concatenate([b.audio for b in blocks]), golden("tfrecords")["frame_audio"])


def test_means_of_frames_are_those_of_the_decoded_codes():
    (block,) = read_records(FRAME, FRAME)
    expected = dequantize(golden("tfrecords")["frame_rgb"])[3:15].astype(np.float64).mean(axis=0)
    np.testing.assert_allclose(block.means()[0][1], expected, atol=1e-6)


@pytest.mark.parametrize("at", [3, 8, 11, 1000, 4000])
def test_a_flipped_byte_is_reported_with_its_record(tmp_path, at):
    content = bytearray((FOLDER / "video_level.tfrecord").read_bytes())
    size = len(content) // 12
    starts = [0]
    while starts[-1] < len(content):
        starts.append(starts[-1] + int.from_bytes(content[starts[-1] : starts[-1] + 8], "little") + 16)
    content[starts[7] + at] ^= 0x10
    (tmp_path / "r").write_bytes(content)
    assert at < size
    with pytest.raises(RecordError, match=r"gs://b/r, record 7(:| is damaged: its checksum is wrong)"):
        list(read_records(str(tmp_path / "r"), "gs://b/r"))


def test_ids_of_older_records():
    (block,) = read_records(KEYED_VIDEO_ID, KEYED_VIDEO_ID)
    assert block.ids == ["v000", "v001", "v002", "v003"]


@pytest.mark.parametrize("make", [means_record, frames_record])
@pytest.mark.parametrize("name", IDS)
def test_ids_of_every_kind(tmp_path, make, name):
    path = write_tfrecord(tmp_path / "r", *(make(**{"id": None, name: [text.encode()]}) for text in ("é/v.mp4", "b")))
    (block,) = read_records(path, "r")
    assert block.ids == ["é/v.mp4", "b"]


FLOATS = {"RGB/feature/floats": [[0.5] * 4], "AUDIO/feature/floats": [[0.25] * 2]}


@pytest.mark.parametrize(
    ("first", "wrong", "problem"),
    [
        (means_record(), means_record(mean_rgb=[0.5] * 5), " has 5 values in mean_rgb, record 0 has 4"),
        (means_record(), frames_record(), " holds rgb and audio, record 0 holds mean_rgb and mean_audio: keep"),
        (means_record(), b"\xff\xff", " is neither a tf.train.Example nor a SequenceExample"),
        (frames_record(), means_record(), " holds mean_rgb and mean_audio, record 0 holds rgb and audio: keep"),
        (frames_record(), means_record(id=None), " holds mean_rgb and mean_audio, record 0 holds rgb and audio: keep"),
        (frames_record(), frames_record(lists=FLOATS), " holds RGB/feature/floats and AUDIO/feature/floats, record 0"),
        (frames_record(lists=FLOATS), frames_record(), " holds rgb and audio, record 0 holds RGB/feature/floats and"),
        (
            frames_record(),
            frames_record(lists={"rgb": [[bytes(4)]], "audio": [[bytes(3)]]}),
            " has 3 bytes in frame 0 of audio, record 0 has 2",
        ),
        (
            frames_record(),
            frames_record(lists={"rgb": [[bytes(4)]], "audio": []}),
            " has 1 frames in rgb but 0 in audio",
        ),
        *(
            (make(), make(**fields), problem)
            for make in (means_record, frames_record)
            for fields, problem in (
                ({"id": None}, " has no field id, which holds the id in record 0"),
                ({"id": [b""]}, " has an empty id in id"),
                ({"id": None, "video_id": [b"a"]}, " has no field id, which holds the id in record 0"),
                ({"id": [b"a", b"b"]}, " has 2 ids in id; expected one"),
                ({"id": [b"caf\xe9"]}, ": id is b'caf\\xe9', which is not UTF-8"),
                ({"labels": [1, 2**31]}, ": label 2147483648 is no class index; those are from 0 to 2147483647"),
                ({"labels": [-1]}, ": label -1 is no class index"),
                ({"labels": [b"cat"]}, " has bytes in labels; expected integers"),
            )
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_record_that_cannot_be_used_is_named(tmp_path, first, wrong, problem):
    path = write_tfrecord(tmp_path / "r", first, first, first, wrong, first)
    with pytest.raises(RecordError) as caught:
        list(read_records(path, "gs://b/r", batch_records=2))
    assert str(caught.value).startswith(f"gs://b/r, record 3{problem}")


def test_videos_without_frames_and_labels_are_read(tmp_path):
    path = write_tfrecord(tmp_path / "r", frames_record(), frames_record(0), frames_record(labels=None))
    (block,) = read_records(path, "r")
    assert block.num_frames().tolist() == [2, 0, 2]
    assert labels_of([block]) == [[3], [3], []]


def test_means_of_codes_of_another_range(tmp_path):
    path = write_tfrecord(tmp_path / "r", frames_record(lists={"rgb": [[b"\0\xff"]] * 2, "audio": [[b"\x80"]] * 2}))
    (block,) = read_records(path, "r", code_range=CodeRange(-1, 3))
    rgb, audio = block.means()
    np.testing.assert_allclose(rgb, [[-1 + 4 / 512, 3 + 4 / 512]], rtol=1e-6)
    np.testing.assert_allclose(audio, [[128 * 4 / 255 - 1 + 4 / 512]], rtol=1e-6)
