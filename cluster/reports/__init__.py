"""HTML reports of extraction, training and nightly runs, rendered from their records alone.

Import the `*_report` modules; the others hold their tables and sentences, `charts` the SVG charts.
"""
