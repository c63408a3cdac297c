"""The networks Inception v3 and VGGish with their preprocessing, PCA and precisions.

Import `inception`, `vggish` and `pca` for the networks, `batch_runner` to run one in batches.
"""
