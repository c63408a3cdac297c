import pytest

from cluster.features.tfrecord_files import RecordError, inspect_records, tensorflow
from cluster.features.tfrecord_reader import read_records
from tests.support.parity import FOLDER


def test_a_truncated_file_is_refused(tmp_path):
    (tmp_path / "r").write_bytes((FOLDER / "video_level.tfrecord").read_bytes()[:-5])
    with pytest.raises(RecordError, match="record 11: the file ends inside it"):
        inspect_records(str(tmp_path / "r"), "r")


def test_records_of_an_unknown_layout_are_refused(tmp_path):
    tf = tensorflow()
    feature = {"image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[b"jpeg"]))}
    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        writer.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())
    with pytest.raises(RecordError, match="record 0 holds image; expected mean_rgb and mean_audio or rgb and audio"):
        inspect_records(str(tmp_path / "r"), "r")


def test_a_damaged_fingerprint_is_refused(tmp_path):
    tf = tensorflow()
    (original,) = tf.data.TFRecordDataset(str(FOLDER / "video_level.tfrecord")).take(1)
    record = tf.train.Example.FromString(original.numpy())
    record.features.feature["framemill/fingerprint"].bytes_list.value.append(b"[]")
    with tf.io.TFRecordWriter(str(tmp_path / "r")) as writer:
        writer.write(record.SerializeToString())
    with pytest.raises(RecordError, match="record 0: framemill/fingerprint cannot be read: a fingerprint is"):
        inspect_records(str(tmp_path / "r"), "r")


def test_an_empty_file_holds_no_record(tmp_path):
    (tmp_path / "r").touch()
    assert inspect_records(str(tmp_path / "r"), "r").records == 0
    assert list(read_records(str(tmp_path / "r"), "r")) == []
