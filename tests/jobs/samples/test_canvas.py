"""Palettes, coordinates and soft-edged shapes that scenes are drawn with."""

import numpy as np
import pytest

from jobs.samples.canvas import SCHEMES, axes, cyclic_ramp, fold, limb_mask, paint, ramp, scheme, shape_mask

BLACK_AND_WHITE = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.float32)


def test_a_scheme_is_one_of_the_table_by_seed() -> None:
    colours = scheme(np.random.default_rng(1))
    assert colours.shape == (4, 3)
    assert "".join(f"{int(value):02x}" for value in colours[0]) in {codes[0].removeprefix("#") for codes in SCHEMES}
    assert np.array_equal(colours, scheme(np.random.default_rng(1)))


def test_a_ramp_starts_and_ends_with_its_colours() -> None:
    palette = ramp(BLACK_AND_WHITE, steps=3)
    assert palette.tolist() == [[0, 0, 0], [127, 127, 127], [255, 255, 255]]


def test_a_palette_for_cyclic_fields_ends_where_it_begins() -> None:
    palette = cyclic_ramp(BLACK_AND_WHITE)
    assert palette.shape == (256, 3)
    assert palette[0].tolist() == palette[-1].tolist() == [0, 0, 0]
    assert palette[127].min() > 250


def test_coordinates_are_in_heights_from_the_centre() -> None:
    x, y = axes(width=4, height=2)
    assert x.tolist() == [[-1.0, -0.5, 0.0, 0.5]]
    assert y.tolist() == [[-0.5], [0.0]]


@pytest.mark.parametrize(("left", "top", "painted"), [(1, 1, 4), (-1, -1, 1), (3, 0, 2), (9, 9, 0)])
def test_painting_is_cut_off_at_the_borders(left: float, top: float, painted: int) -> None:
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    paint(picture, left, top, np.ones((2, 2), dtype=np.float32), BLACK_AND_WHITE[1])
    assert (picture[..., 0] == 255).sum() == painted


def test_a_mask_blends() -> None:
    picture = np.full((1, 1, 3), 100, dtype=np.uint8)
    paint(picture, 0, 0, np.full((1, 1), 0.5, dtype=np.float32), np.float32([200, 100, 0]))
    assert picture.tolist() == [[[150, 100, 50]]]


def test_shapes_cover_their_area() -> None:
    assert shape_mask(0, radius=20).sum() == pytest.approx(np.pi * 400, rel=0.01)  # a disc
    assert shape_mask(4, radius=20).sum() == pytest.approx(2 * 400, rel=0.03)  # a square within the circle
    turned = shape_mask(4, radius=20, angle=np.pi / 4)
    assert turned[0].max() == 0
    assert turned.sum() == pytest.approx(2 * 400, rel=0.03)


@pytest.mark.parametrize(("distance", "place"), [(0, 0), (3, 3), (10, 10), (13, 7), (20, 0), (24, 4), (-3, 3)])
def test_a_body_bounces_between_two_walls(distance: float, place: float) -> None:
    assert fold(distance, room=10) == place


def test_a_limb_covers_what_is_near_its_line() -> None:
    left, top, mask = limb_mask((10.0, 20.0), (13.0, 24.0), 2.0)
    for row, column in np.ndindex(mask.shape):
        x, y = left + column - 10, top + row - 20
        along = min(max((x * 3 + y * 4) / 25, 0), 1)
        distance = np.hypot(x - 3 * along, y - 4 * along)
        assert mask[row, column] == pytest.approx(min(max(2.5 - distance, 0), 1), abs=1e-5)
    assert max(mask[0].max(), mask[-1].max(), mask[:, 0].max(), mask[:, -1].max()) == 0
    _, _, dot = limb_mask((5.0, 5.0), (5.0, 5.0), 1.0)
    assert dot.sum() == pytest.approx(3.28, abs=0.5)
