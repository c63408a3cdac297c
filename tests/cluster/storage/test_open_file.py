from __future__ import annotations

import gzip
import io
import os
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from cluster.datasets.manifest_rows import rows_in
from cluster.storage import files, open_file
from cluster.storage.files import StorageError
from cluster.storage.open_file import size_of
from cluster.storage.range_reader import RangeReader
from tests.support.servers import gs_bucket, http_files

TEXT = pa.csv.ConvertOptions(column_types={"id": pa.string()})
CONTENT = b"id,uri\n" + b"".join(b"%d,%d.mp4\n" % (number, number) for number in range(5000))


def test_a_file_on_a_disk_is_not_read_before_it_is_asked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    with open_file.open_file(str(tmp_path / "a")) as file:
        assert isinstance(file, io.FileIO)
        assert (size_of(file), file.read(3)) == (len(CONTENT), b"id,")
    with pytest.raises(FileNotFoundError):
        open_file.open_file(str(tmp_path / "b"))


def test_a_pipe_is_read_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_bytes, args=(CONTENT,))
    writer.start()
    with open_file.open_file(str(tmp_path / "pipe")) as file:
        assert (size_of(file), file.read()) == (len(CONTENT), CONTENT)
    writer.join()


def test_an_http_server_sends_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(CONTENT)
    with http_files(tmp_path) as address, open_file.open_file(f"{address}/a") as file:
        assert (size_of(file), file.read()) == (len(CONTENT), CONTENT)


@pytest.mark.heavy
def test_a_large_object_is_read_piece_by_piece(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with gs_bucket() as bucket:
        table = pa.csv.read_csv(pa.BufferReader(CONTENT), convert_options=TEXT)
        pa.parquet.write_table(table, tmp_path / "m.parquet", row_group_size=1000)
        packed = gzip.compress(CONTENT)
        contents = {"m.csv": CONTENT, "m.csv.gz": packed, "m.parquet": (tmp_path / "m.parquet").read_bytes()}
        for name, content in {**contents, "empty.csv": b""}.items():
            files.write_bytes(f"{bucket}/{name}", content)
        with open_file.open_file(f"{bucket}/m.csv") as file:
            assert isinstance(file, io.BytesIO)
        with open_file.open_file(f"{bucket}/empty.csv") as file:
            assert file.read() == b""
        monkeypatch.setattr(open_file, "WHOLE_BYTES", 1000)
        for name in contents:
            file = open_file.open_file(f"{bucket}/{name}")
            assert isinstance(file, RangeReader)
            rows = list(rows_in(name, file))
            assert (len(rows), rows[-1].cells) == (5000, {"id": "4999", "uri": "4999.mp4"})
        file = open_file.open_file(f"{bucket}/m.csv")
        files.write_bytes(f"{bucket}/m.csv", CONTENT[::-1])
        with pytest.raises(StorageError, match="it has been replaced while it was read"):
            list(rows_in("m.csv", file))
