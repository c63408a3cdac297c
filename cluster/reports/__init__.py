"""HTML pages for extraction, training and nightly runs, from records alone.

Import the `*_report` modules; the others hold their tables and sentences, `charts` the drawings.
"""
