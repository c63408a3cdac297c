"""Inception and VGGish with their inputs, PCA and precisions.

Import `inception`, `vggish` and `pca`; `batch_runner` runs them in batches.
"""
