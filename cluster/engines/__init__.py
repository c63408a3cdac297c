"""Engines carry out the tasks of a queue with a worker: in this process, on Ray, on Beam.

Import `registry` to make one, `base` for the protocol, `tasks` and `worker` for what engines carry out. Ray and Beam
are imported here and in `cluster.training.ray` only.
"""
