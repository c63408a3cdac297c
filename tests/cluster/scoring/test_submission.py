from __future__ import annotations

import pyarrow as pa
import pytest

from cluster.scoring.submission import write_submission
from cluster.storage import files
from schemas.labels import LABEL_SCHEMA
from tests.support.servers import gs_bucket

FIELDS = [LABEL_SCHEMA.field("id"), LABEL_SCHEMA.field("labels")]


def table(**rows):
    labels = [[{"index": index, "name": "n", "score": score}] for index, score in rows.values()]
    return pa.table([pa.array(list(rows)), pa.array(labels, FIELDS[1].type)], schema=pa.schema(FIELDS))


TABLES = [table(a=(1, 0.5), b=(2, 0.25)), table(a=(1, 0.5)).slice(0, 0), table(c=(3, 1.0))]
TEXT = "VideoId,LabelConfidencePairs\na,1 0.500000\nb,2 0.250000\nc,3 1.000000\n"


def test_all_tables_in_their_order(tmp_path):
    path = tmp_path / "new" / "submission.csv"
    assert write_submission(str(path), iter(TABLES)) == 3
    assert path.read_text() == TEXT
    write_submission(str(path), [])
    assert path.read_text() == "VideoId,LabelConfidencePairs\n"


def test_into_a_bucket():
    with gs_bucket() as bucket:
        assert write_submission(f"{bucket}/out/submission.csv", iter(TABLES)) == 3
        assert files.read_bytes(f"{bucket}/out/submission.csv").decode() == TEXT


def test_one_that_cannot_be_finished_leaves_what_was_there(tmp_path):
    path = tmp_path / "submission.csv"
    path.write_text("of yesterday")
    with pytest.raises(ValueError, match="cannot hold it"):
        write_submission(str(path), [*TABLES, table(**{"d,e": (1, 0.5)})])
    assert path.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to(tmp_path):
    with pytest.raises(files.StorageError, match="cannot be written to"):
        write_submission("https://example.com/submission.csv", TABLES)
