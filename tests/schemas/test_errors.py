from __future__ import annotations

import pickle

import pytest

from schemas.errors import EXAMPLES, InputError, examples, problem_list


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


def test_a_single_problem_stands_beside_its_subject_and_several_below_it() -> None:
    assert problem_list("a.csv", ["no column id"]) == "a.csv: no column id"
    assert problem_list("a.csv", ["no column id", "no rows"]) == "a.csv: 2 problems\n  - no column id\n  - no rows"
    assert problem_list("a.csv", ["no column id", "and 4 more"], 5).startswith("a.csv: 5 problems\n")
