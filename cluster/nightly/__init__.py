"""The nightly job: extract what is new, label it, compare with earlier nights, report.

Import `job` to run it and `config` for its options.
"""
