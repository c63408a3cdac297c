"""What every run has: its command line, log, progress, exit codes and provenance.

Import `command_line` to parse options, `lifecycle` for exit codes and signals, `provenance` for versions without
secrets.
"""
