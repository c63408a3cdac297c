"""The nightly job: extract new videos, label them, compare with earlier nights, report.

Import `job` to run it and `config` for its options.
"""
