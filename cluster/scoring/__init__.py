"""The scoring job: features or clips to labels, submission files and embeddings.

Import `run` and `clip_scoring` to run it and `config` for its options.
"""
