from schemas.ledger import LEDGER_SCHEMA, LedgerRow, ledger_table, revision_of, without_content


def test_the_columns_are_the_documented_ones():
    expected = [("id", "string", False), ("uri", "string", False), ("content", "string", True)]
    assert [(field.name, str(field.type), field.nullable) for field in LEDGER_SCHEMA] == expected


def test_rows_are_ordered_by_id():
    table = ledger_table([LedgerRow("b", "x/b.mp4", "etag:1"), LedgerRow("a", "x/caf\udce9.mp4", "")])
    assert table.schema == LEDGER_SCHEMA
    assert table.to_pylist() == [
        {"id": "a", "uri": "x/caf\\udce9.mp4", "content": ""},
        {"id": "b", "uri": "x/b.mp4", "content": "etag:1"},
    ]


def test_rows_that_are_being_withdrawn_have_no_content():
    table = ledger_table([LedgerRow(name, "u", f"v{name}") for name in "abc"])
    marked = without_content(table, {"b", "z"})
    assert marked.schema == LEDGER_SCHEMA
    assert marked["content"].to_pylist() == ["va", None, "vc"]


def test_the_revision_stays_when_rows_are_marked_and_is_1_where_there_is_none():
    table = ledger_table([LedgerRow("a", "u", "v1")], "7")
    assert revision_of(without_content(table, {"a"})) == "7"
    assert revision_of(table.replace_schema_metadata(None)) == revision_of(ledger_table([])) == "1"
