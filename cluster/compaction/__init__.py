"""Compaction of feature datasets: many small files become few of the usual size.

`job` has the order of things, `groups` which files go together, and `replacement` how one takes their place.
"""
