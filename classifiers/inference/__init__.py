"""Trained classifiers as they are used: checkpoint to scores, single or as an ensemble.

Import `feature_classifier` and `clip_classifier`.
"""
