from cluster.datasets.shard_index import IndexedShard, half_withdrawn, merged, repeated


def shard(name: str, *, has_ledger: bool = True, **contents: str | None) -> IndexedShard:
    ledger = f"ledger/{name}" if has_ledger else None
    return IndexedShard(f"features/{name}", ledger, list(contents), list(contents.values()))


def test_the_files_of_a_shard():
    assert shard("x").uris == ("features/x", "ledger/x")
    assert shard("x", has_ledger=False).uris == ("features/x",)


def test_ids_without_content_are_half_withdrawn():
    assert half_withdrawn([shard("x", a="1", b=None), shard("y", c="")]) == {"features/x": {"b"}}


def test_of_two_rows_the_later_one_stays():
    shards = [
        shard("part-r2-0", a="1", b="1", d=None),
        shard("part-r1-0", a="2", c="1", d="1"),
        shard("part-r3-0", b=""),
    ]
    assert repeated(shards) == {"features/part-r1-0": {"a"}, "features/part-r2-0": {"b"}}
    assert repeated(shards[:1]) == {}


def test_a_row_with_a_ledger_stays_rather_than_one_without():
    shards = [shard("part-r1-0", a="1"), shard("part-r2-0", has_ledger=False, a="")]
    assert repeated(shards) == {"features/part-r2-0": {"a"}}


def test_a_shard_with_two_rows_of_an_id_keeps_both():
    """Rows are removed by id: both would go."""
    assert repeated([IndexedShard("features/x", "ledger/x", ["a", "a"], ["1", "1"])]) == {}


def test_parts_are_merged_by_shard():
    assert merged({"x": {"a"}}, {"x": {"b"}, "y": {"c"}}) == {"x": {"a", "b"}, "y": {"c"}}
