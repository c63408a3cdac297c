"""Everything that touches machines: storage, engines, datasets, reports and the runs of the jobs.

The only package that imports Ray, Beam or fsspec; `extractors` and `classifiers` import nothing of it. Import from the
subpackages, whose imports of each other point one way (`tests/test_imports.py`).
"""
