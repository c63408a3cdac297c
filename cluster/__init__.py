"""The part that touches machines: storage, engines, datasets, reports, and the runs of the jobs.

The only package that imports Ray, Beam or fsspec. Each subpackage is a room; arrows between them point one way
(`tests/test_imports.py`). Nothing here is imported by `extractors` or `classifiers`.
"""
