"""Bytes of a video to arrays to embeddings. PyAV and torch; no URI, no Ray.

Import `extract` for a segment's features, `embedders` for the networks behind it, `segments` and `features` for its
rows.
"""
