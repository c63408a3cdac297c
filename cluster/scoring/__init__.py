"""The scoring job: features or clips to labels, submission files and embeddings.

Import `job` to run it and `config` for its options.
"""
