from __future__ import annotations

from itertools import combinations

import pytest

from cluster.datasets.partitions import PARTS, WHOLE, Partition, hashes_of

IDS = [f"talks/{number:04d}" for number in range(2000)]


def test_every_id_is_in_one_partition_and_the_same_everywhere() -> None:
    hashes = hashes_of(IDS)
    partitions = [Partition(number, 3) for number in (1, 2, 3)]
    held = [partition.holds(hashes) for partition in partitions]
    assert (sum(mask.astype(int) for mask in held) == 1).all()
    assert all(500 < mask.sum() < 900 for mask in held)
    assert not any((one & other).any() for one, other in combinations(held, 2))
    assert WHOLE.holds(hashes).all()
    assert hashes_of(["a", "ü/b"]).tolist() == [0xE8B7BE43, 0x3858A199], "datasets that are written depend on it"


def test_the_parts_of_a_partition_are_of_about_one_size() -> None:
    hashes = hashes_of(f"{number}" for number in range(100_000))
    for partition in (WHOLE, Partition(1, 4), Partition(3, 256)):
        parts = partition.parts(hashes[partition.holds(hashes)], 8)
        assert set(parts) == set(range(8))
        assert partition.parts(hashes).max() < PARTS


def test_names_that_differ_in_the_extension_of_a_video_are_together() -> None:
    assert len(set(hashes_of(["x/a", "x/a.mp4", "x/a.MKV", "x/a.mkv.mp4"]))) == 1
    assert len(set(hashes_of(["a", "a.0001", "a.b", "a.b/c"]))) == 4
    assert hashes_of([".mp4"])[0] != hashes_of([""])[0]


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "a/b", "1/99999"])
def test_what_is_no_partition_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no partition: 1/4 is the first of four"):
        Partition.parse(text)


def test_a_partition_as_it_is_written() -> None:
    assert Partition.parse("2/4") == Partition(2, 4)
    assert (Partition.parse("1/1"), Partition(2, 4).folder, WHOLE.folder) == (WHOLE, "partition-2-of-4", "")
