"""Lip readers: networks from crops of a mouth to a character per frame, for CTC.

Import `registry` to build one by name, and `base` for the common interface.
"""
