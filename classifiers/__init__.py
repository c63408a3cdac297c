"""Classifiers of features and of clips: models, losses, metrics, checkpoints, training. Torch, no Ray.

Import from the subpackages; `losses`, `registration` and `model_options` serve both kinds of models.
"""
