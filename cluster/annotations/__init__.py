"""Readers of annotations as tools and public data sets write them, as rows of `schemas.annotations`.

Import `read` for the one function that reads any of them, and `base` for its options and its error.
"""
