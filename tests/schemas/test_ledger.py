from schemas.ledger import LEDGER_SCHEMA, LedgerRow, ledger_table


def test_the_columns_are_the_documented_ones():
    expected = [("id", "string", False), ("uri", "string", False), ("version", "string", False)]
    assert [(field.name, str(field.type), field.nullable) for field in LEDGER_SCHEMA] == expected


def test_rows_are_ordered_by_id():
    table = ledger_table([LedgerRow("b", "x/b.mp4", "etag:1"), LedgerRow("a", "x/caf\udce9.mp4", "")])
    assert table.schema == LEDGER_SCHEMA
    assert table.to_pylist() == [
        {"id": "a", "uri": "x/caf\\udce9.mp4", "version": ""},
        {"id": "b", "uri": "x/b.mp4", "version": "etag:1"},
    ]
