"""The extraction job: plan, run, assembly of segments, record, dry run.

Import `job` to run it and `config` for its options.
"""
