"""The training loop of one worker: optimisers, learning rates, phases, state.

Import `loop`; where workers run is the business of `cluster.training`.
"""
