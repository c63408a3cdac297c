from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.records import MAX_FAILURES
from schemas.transcriptions import TranscriptionRecord
from tests.support.transcription_records import COUNTS, RECORD


def test_a_record_comes_back_as_it_was() -> None:
    assert TranscriptionRecord.from_json(RECORD.to_json()) == RECORD
    assert (COUNTS.processed, COUNTS.unaccounted) == (6, 0)


def test_what_no_record_can_be_is_refused() -> None:
    with pytest.raises(ValueError, match="keep the first"):
        replace(RECORD, failures=RECORD.failures * (MAX_FAILURES + 1))
    with pytest.raises(ValueError, match="words=-1"):
        replace(COUNTS, words=-1)
