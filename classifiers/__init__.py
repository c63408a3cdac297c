"""Features or clips to labels: models, losses, metrics, checkpoints, training loops. Torch, no Ray.

Import from the subpackages; `registration` and `model_options` serve both kinds of models.
"""
