"""The live view: a classifier that watches a file, a camera or a stream from the network as it goes.

Import `job` to run it and `config` for its options.
"""
