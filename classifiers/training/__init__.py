"""The training loop of one worker: optimizers, learning rates, phases, state.

Import `loop` and `config`; `cluster.training` decides where workers run and what they train on.
"""
