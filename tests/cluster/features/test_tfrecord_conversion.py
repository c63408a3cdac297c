import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from cluster.features.blocks import read_blocks
from cluster.features.files import FeatureFileError, open_features
from cluster.features.tfrecord_conversion import ConversionOptions, Converted, convert
from cluster.features.tfrecord_files import EXTRA, YOUTUBE_8M, tensorflow
from cluster.features.tfrecord_reader import read_records
from cluster.features.tfrecord_writer import write_records
from schemas.quantization import CodeRange
from tests.support.features import feature_row, write_shard
from tests.support.parity import golden
from tests.support.tfrecords import FRAME, KEYED_VIDEO_ID, VIDEO, frame_records, frames_record, write_tfrecord

WIDE = {"rgb": [[bytes(4)]], "audio": [[bytes(128)]]}


def run(source, output, to, level="auto", code_range=None):
    options = ConversionOptions.of(input=str(source), output=str(output), to=to, level=level, code_range=code_range)
    return convert(options)


def records(path, kind):
    """Records by id."""
    tf = tensorflow()
    found = [kind.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    context = [record.features if hasattr(record, "features") else record.context for record in found]
    return {part.feature["id"].bytes_list.value[0]: record for part, record in zip(context, found, strict=True)}


@pytest.mark.parametrize(("path", "kind"), [(VIDEO, "Example"), (FRAME, "SequenceExample")])
def test_youtube_8m_comes_back_record_by_record(tmp_path, path, kind):
    assert run(path, tmp_path / "d", "parquet").files == 1
    assert run(tmp_path / "d", tmp_path / "back", "tfrecord").files == 1
    kind = getattr(tensorflow().train, kind)
    (made,) = (tmp_path / "back").iterdir()
    assert records(made, kind) == records(path, kind)


def test_columns_that_records_lack_get_defaults(tmp_path):
    run(VIDEO, tmp_path / "v", "parquet")
    run(FRAME, tmp_path / "f", "parquet")
    (video,), (frame,) = ([*(tmp_path / name / "features").iterdir()] for name in "vf")
    row = pq.read_table(video).to_pylist()[0]
    columns = ("has_audio", "num_frames", "duration_seconds", "coverage", "gaps", "split", "uri")
    assert [row[name] for name in columns] == [True, 0, 0, 1, [], "", ""]
    rows = pq.read_table(frame).to_pylist()
    assert [row["num_frames"] for row in rows] == [3, 12, 5, 10, 7]
    assert [row["duration_seconds"] for row in rows] == [3, 12, 5, 10, 7]
    codes = np.frombuffer(b"".join(code for row in rows for code in row["rgb"]), np.uint8).reshape(-1, 1024)
    np.testing.assert_array_equal(codes, golden("tfrecords")["frame_rgb"])
    assert pq.read_schema(video).metadata[b"framemill.fingerprint"] == b'{"source": "youtube-8m"}'


@pytest.mark.parametrize("frames", [0, 4])
def test_a_shard_comes_back_as_it_was(tmp_path, frames):
    rows = [feature_row(number, frames=frames) for number in range(9)]
    rows[4] = replace(rows[4], tracks="audio 2 of 1, 2")
    path = write_shard(tmp_path / "d" / "features" / "a.parquet", rows, {"weights": "w", "fps": "2"})
    run(tmp_path / "d", tmp_path / "r", "tfrecord")
    run(tmp_path / "r", tmp_path / "back", "parquet")
    before, after = pq.read_table(path), pq.read_table(tmp_path / "back" / "features" / "a.parquet")
    assert after.equals(before)
    assert after.schema.metadata[b"framemill.fingerprint"] == b'{"fps": "2", "weights": "w"}'


def test_means_alone_of_shards_with_frames(tmp_path):
    path = write_shard(tmp_path / "a.parquet", [feature_row(number, frames=3) for number in range(4)])
    run(path, tmp_path / "r", "tfrecord", "video")
    made = str(tmp_path / "r" / "a.tfrecord")
    (block,) = read_records(made, made)
    assert block.frame_offsets is None
    assert block.rgb[:, 0].tolist() == [0, 1, 2, 3]


def test_labels_of_segments_go_there_and_back(tmp_path):
    source = tmp_path / "s.tfrecord"
    write_records(str(source), [frame_records()], YOUTUBE_8M)
    run(source, tmp_path / "d", "parquet")
    assert pq.read_table(tmp_path / "d" / "segments" / "s.parquet").to_pylist() == [
        {"id": "a", "label": 5, "start_seconds": 0, "end_seconds": 5, "score": 1.0},
        {"id": "a", "label": 9, "start_seconds": 15, "end_seconds": 20, "score": 0.0},
    ]
    run(tmp_path / "d", tmp_path / "back", "tfrecord")
    kind = tensorflow().train.SequenceExample
    assert records(tmp_path / "back" / "s.tfrecord", kind) == records(source, kind)


def test_shards_of_one_name_become_files_of_their_own(tmp_path):
    for number in range(2):
        write_records(str(tmp_path / f"r.tfrecord-{number:05}-of-00002"), [frame_records()], YOUTUBE_8M)
    run(tmp_path, tmp_path / "d", "parquet")
    made = sorted(path.name for path in (tmp_path / "d" / "features").iterdir())
    assert made == ["r-00000-of-00002.parquet", "r-00001-of-00002.parquet"]


def test_mediapipes_floats_become_codes(tmp_path):
    source = tmp_path / "m.tfrecord"
    write_records(str(source), [frame_records(np.float32)], YOUTUBE_8M)
    run(source, tmp_path / "d", "parquet")
    rows = pq.read_table(tmp_path / "d" / "features" / "m.parquet").to_pylist()
    codes = np.frombuffer(b"".join(code for row in rows for code in row["rgb"]), np.uint8).reshape(-1, 16)
    # Decoding adds half a step (`schemas.quantization`), so that codes may go up by one.
    assert set(np.unique(codes.astype(int) - frame_records().rgb)) <= {0, 1}


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_codes_of_another_range_keep_it_there_and_back(tmp_path, kind):
    block = frame_records(kind, CodeRange(-1, 3))
    source = tmp_path / "r" / "m.tfrecord"
    source.parent.mkdir()
    write_records(str(source), [block], YOUTUBE_8M)
    features = open_features([str(source)], code_range=CodeRange(-1, 3))
    expected = [b.rgb for b in read_blocks(features.files[0], "frame", [0])]

    run(source, tmp_path / "d", "parquet", code_range="-1..3")
    shards = open_features([str(tmp_path / "d")])
    assert shards.fingerprint == {**YOUTUBE_8M, "code_range": "-1..3"}
    found = [b.rgb for b in read_blocks(shards.files[0], "frame", [0])]
    step = 0 if kind == np.uint8 else 4 / 255  # decoding adds half a step, so that codes may go up by one
    np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), rtol=0, atol=step)
    row = pq.read_table(tmp_path / "d" / "features" / "m.parquet").to_pylist()[0]
    np.testing.assert_allclose(row["mean_rgb"], np.concatenate(expected)[:3].mean(axis=0), rtol=0, atol=1e-6)

    run(tmp_path / "d", tmp_path / "back", "tfrecord")
    records = open_features([str(tmp_path / "back")])  # which record the range themselves
    assert records.fingerprint == shards.fingerprint
    again = [b.rgb for b in read_blocks(records.files[0], "frame", [0])]
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(found))


def test_ids_of_2016_are_kept(tmp_path):
    run(KEYED_VIDEO_ID, tmp_path / "d", "parquet")
    (path,) = (tmp_path / "d" / "features").iterdir()
    assert pq.read_table(path)["id"].to_pylist() == ["v000", "v001", "v002", "v003"]


def test_a_record_that_cannot_be_used_is_named_and_nothing_is_written(tmp_path):
    good, bad = (frames_record(labels=[label]) for label in (1, 3_000_000_000))
    path = write_tfrecord(tmp_path / "r.tfrecord", good, bad)
    with pytest.raises(FeatureFileError, match=r"r\.tfrecord, record 1: label 3000000000 is no class index"):
        run(path, tmp_path / "d", "parquet")
    assert not (tmp_path / "d").exists()


def test_a_second_run_converts_the_missing_files(tmp_path):
    for name in "ab":
        write_shard(tmp_path / "d" / f"{name}.parquet", [feature_row(ord(name))])
    assert run(tmp_path / "d", tmp_path / "r", "tfrecord") == Converted(files=2, videos=2, skipped=0)
    (tmp_path / "r" / "a.tfrecord").unlink()
    assert run(tmp_path / "d", tmp_path / "r", "tfrecord") == Converted(files=1, videos=1, skipped=1)


def test_unusable_inputs_are_refused(tmp_path):
    with pytest.raises(FeatureFileError, match=r"holds \.tfrecord files already"):
        run(VIDEO, tmp_path, "tfrecord")
    path = write_shard(tmp_path / "a.parquet", [feature_row(1)])
    with pytest.raises(FeatureFileError, match="no frame-level features"):
        run(path, tmp_path / "r", "tfrecord", "frame")


def test_a_damaged_shard_is_refused(tmp_path):
    path = write_shard(tmp_path / "a.parquet", [feature_row(number) for number in range(500)])
    whole = path.read_bytes()
    path.write_bytes(whole[:20_000] + bytes(4000) + whole[24_000:])
    with pytest.raises(FeatureFileError, match=r"a\.parquet cannot be read"):
        run(path, tmp_path / "out", "tfrecord")
    assert not (tmp_path / "out" / "a.tfrecord").exists()


@pytest.mark.parametrize(
    "extra",
    ["{", "[]", "{}", "[" * 100_000, '{"num_frames": 1' + "0" * 400 + "}", '{"coverage": null}', '{"gaps": [1]}'],
    ids=["cut", "list", "empty", "deep", "long", "none", "gaps"],
)
def test_what_only_our_records_hold_may_be_odd(tmp_path, extra):
    if ":" in extra:
        whole = dict.fromkeys(("has_audio", "num_frames", "duration_seconds", "coverage"), 1)
        extra = json.dumps(whole | {"gaps": [], "split": "", "uri": ""} | json.loads(extra))
    path = write_tfrecord(tmp_path / "r.tfrecord", frames_record(**{EXTRA: [extra.encode()]}, lists=WIDE))
    with pytest.raises(FeatureFileError, match=r"r\.tfrecord: framemill/video of 'a' cannot be read"):
        run(path, tmp_path / "d", "parquet")
