import pickle

import pytest

from schemas.outcomes import TRANSIENT, FailureCode, Stage, VideoError


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_an_error_keeps_everything_on_its_way_between_processes(protocol):
    error = VideoError(FailureCode.EMPTY, "the file is empty", Stage.READ)
    copy = pickle.loads(pickle.dumps(error, protocol))
    assert type(copy) is VideoError
    assert (copy.code, copy.message, copy.stage, str(copy)) == (error.code, error.message, error.stage, str(error))


def test_an_error_is_of_decoding_unless_said_otherwise():
    assert VideoError(FailureCode.TRUNCATED, "cut short").stage is Stage.DECODE


def test_codes_and_stages_are_what_the_shard_stores():
    assert f"{FailureCode.NOT_MEDIA} {Stage.READ}" == "not_media read"
    for kind in (FailureCode, Stage):
        assert [value.value for value in kind] == [value.name.lower() for value in kind]


def test_only_trouble_with_storage_passes_by_itself():
    assert {FailureCode.STORAGE} == TRANSIENT
