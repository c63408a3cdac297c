"""Rows, records, codes and errors that several packages share: types and Arrow schemas. Imports none of them."""
