"""TensorBoard logs: scalars of each epoch, in `tensorboard/` of a training's output.

Local files are appended after each epoch. Objects of a bucket cannot be appended: events are written to a temporary
folder and copied after each epoch. A resumed training writes another file, which supersedes earlier events of the same
epochs.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from cluster.storage import files
from schemas.trainings import Epoch

FOLDER = "tensorboard"


class TensorBoardLog:
    """Events from `first_epoch` on of the training whose output is `output`."""

    def __init__(self, output: str, first_epoch: int) -> None:
        self._uri = files.join(output, FOLDER)
        self._temporary = None if files.is_local(output) else TemporaryDirectory(prefix="framemill-")
        self._folder = Path(self._temporary.name if self._temporary else files.local_path(self._uri))
        self._folder.mkdir(parents=True, exist_ok=True)
        # Not tensorboardX's SummaryWriter, whose thread may still hold events after a flush.
        self._writer = EventsWriter(str(self._folder / "events"), f".{first_epoch:04d}")
        self._write(first_epoch, session_log=SessionLog(status=SessionLog.START))

    def add(self, record: Epoch) -> None:
        """Write the metrics of an epoch."""
        splits = (("training", record.training), ("validation", record.validation))
        values = {f"{name}/{split}": value for split, measured in splits for name, value in measured.items()}
        values |= {"learning_rate": record.learning_rate, "seconds": record.seconds}
        scalars = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]
        self._write(record.epoch, summary=Summary(value=scalars))
        self._writer.flush()
        if self._temporary:
            for path in self._folder.iterdir():
                files.write_bytes(files.join(self._uri, path.name), path.read_bytes())

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
        if self._temporary:
            self._temporary.cleanup()

    def _write(self, step: int, **content: SessionLog | Summary) -> None:
        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))
