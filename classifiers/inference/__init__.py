"""Trained classifiers for scoring: checkpoints to probabilities, single or as an ensemble.

Import `feature_classifier` and `clip_classifier`.
"""
