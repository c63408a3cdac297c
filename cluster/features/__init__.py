"""Reading features for training and scoring, from feature shards or YouTube-8M's records. The home of TensorFlow.

Import `files` to open datasets, `source` for batches, `steps` for timelines, `tfrecord_conversion` to convert in both
directions.
"""
