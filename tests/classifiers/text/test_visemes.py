from classifiers.text.visemes import VISEMES, viseme_of


def test_every_letter_is_in_one_group() -> None:
    letters = [letter for group in VISEMES for letter in group.split()]
    assert sorted(letters) == list("abcdefghijklmnopqrstuvwxyz")


def test_letters_that_look_alike_share_a_group_and_others_are_their_own() -> None:
    assert viseme_of("b") == viseme_of("P") == viseme_of("m") != viseme_of("f")
    assert [viseme_of(one) for one in (" ", "7", "ñ", "")] == [" ", "7", "ñ", ""]
