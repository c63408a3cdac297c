from __future__ import annotations

import pickle

import pytest

from schemas.errors import EXAMPLES, InputError, examples


class OtherError(InputError, ValueError):
    """A specific error, which is a `ValueError` too."""


def test_an_error_lists_its_problems_one_a_line() -> None:
    error = InputError("no video found there", "weights 'x' are unknown")
    assert error.problems == ("no video found there", "weights 'x' are unknown")
    assert str(error) == "no video found there\nweights 'x' are unknown"


def test_errors_survive_the_way_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(OtherError("a", "b")))
    assert isinstance(error, InputError)
    assert (error.problems, str(error)) == (("a", "b"), "a\nb")
    with pytest.raises(ValueError, match="a"):
        raise error


def test_only_the_first_names_are_shown() -> None:
    names = [str(number) for number in range(EXAMPLES + 1)]
    assert examples(names) == "'0', '1', '2', '3', '4', …"
    assert examples(names[:EXAMPLES], str) == "0, 1, 2, 3, 4"
    assert examples([]) == ""
