import pytest

from cluster.features.record_options import RecordOptions
from schemas.errors import InputError
from schemas.quantization import CodeRange


def test_the_range_of_the_codes():
    assert RecordOptions().range() is None
    assert RecordOptions(code_range="-1..3").range() == CodeRange(-1, 3)


@pytest.mark.parametrize("text", ["-1", "3..-1", "low..high"])
def test_a_range_is_two_numbers(text):
    with pytest.raises(InputError, match=r"code-range must be two numbers LOW\.\.HIGH"):
        RecordOptions(code_range=text)
