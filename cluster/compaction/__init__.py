"""Compaction of feature datasets: many small files become few of the usual size.

`job` has the order of things; which files go together is in `groups`, and how a file takes their place in `replacement`.
"""
