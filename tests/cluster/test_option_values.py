import pytest

from cluster.option_values import named_values


def test_values_are_numbers_lists_or_text():
    texts = ("a=1", "b=0.5", "c=[1,2]", "d=relu", "e=true", "f=x=y", "g=")
    assert named_values("options", texts) == {
        "a": 1,
        "b": 0.5,
        "c": [1, 2],
        "d": "relu",
        "e": True,
        "f": "x=y",
        "g": "",
    }


def test_what_has_no_name_is_told():
    with pytest.raises(ValueError, match="augment are NAME=VALUE, not 'flip', 'blur'"):
        named_values("augment", ("flip", "zoom=1", "blur"))
