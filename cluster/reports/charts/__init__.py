"""Charts as inline SVG: bars, curves, heat maps, reliability diagrams.

Import the module of a chart: it takes numbers and returns an element for a page.
"""
