"""Streaming metrics of classifiers: ranking, confusion, calibration, correlation.

Import `evaluation` for all metrics of a split, or a module for one metric.
"""
