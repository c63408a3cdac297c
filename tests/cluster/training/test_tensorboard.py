import struct

from tensorboardX.proto.event_pb2 import Event

from cluster.training.tensorboard import TensorBoardLog
from schemas.trainings import Epoch


def epoch(number):
    return Epoch(
        epoch=number,
        seconds=2.0,
        learning_rate=0.5,
        training={"loss": 1.0 / (number + 1)},
        validation={"loss": 2.0, "gap": None},
    )


def events(folder):
    """Of all files in the order of their names, as TensorBoard reads them."""
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def scalars(folder):
    return [(value.tag, event.step, value.simple_value) for event in events(folder) for value in event.summary.value]


def test_curves_of_a_training_that_was_interrupted(tmp_path):
    log = TensorBoardLog(str(tmp_path), 0)
    log.add(epoch(0))
    # Readable while the training goes on.
    assert ("loss/training", 0, 1.0) in scalars(tmp_path / "tensorboard")
    log.close()
    again = TensorBoardLog(str(tmp_path), 1)
    again.add(epoch(1))
    again.close()
    found = scalars(tmp_path / "tensorboard")
    assert ("loss/training", 1, 0.5) in found
    assert ("loss/validation", 1, 2.0) in found
    assert ("learning_rate", 0, 0.5) in found
    assert not [tag for tag, _, _ in found if tag.startswith("gap")]
    # What is older and not before the start of a session does not count for TensorBoard.
    starts = [event.step for event in events(tmp_path / "tensorboard") if event.session_log.status == 1]
    assert starts == [0, 1]
