"""Charts as inline SVG: bars, curves, heat maps, reliability diagrams.

Each module takes numbers and gives an element that `pages` puts on a page.
"""
