"""Reading features for training and scoring, from our shards or from YouTube-8M's records.

Import `files` to open datasets, `source` for batches, `tfrecord_conversion` to convert both ways. The only home of
TensorFlow.
"""
