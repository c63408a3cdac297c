"""Reading features for training and scoring, from feature shards or YouTube-8M's records. The home of TensorFlow.

Import `files` to open datasets, `source` for batches, `tfrecord_conversion` to convert in both directions.
"""
