"""Trained classifiers: from a checkpoint to scores, single or as an ensemble.

Import `feature_classifier`, `clip_classifier` or `ensemble`.
"""
