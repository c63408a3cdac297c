"""The training job: data, workers, engines, checkpoints and the record of a training.

Import `job` to run it and `config` for its options; `kinds` names the kinds of training data.
"""
