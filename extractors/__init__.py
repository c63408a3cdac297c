"""Video files to arrays to embeddings. PyAV and torch; no URIs, no Ray.

Import `extract` for the features of a segment, `embedders` for its networks, `segments` and `features` for its rows.
"""
