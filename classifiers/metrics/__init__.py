"""Metrics of classifiers, computed as batches arrive: ranking, confusion, calibration, correlation.

Import `evaluation` for all of them over a split, or a module for one.
"""
