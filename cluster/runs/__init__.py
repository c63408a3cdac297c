"""What all runs share: command line, log, progress, ids, exit codes and provenance.

Import `command_line` to parse options, `lifecycle` for exit codes and signals, `provenance` for versions without
secrets.
"""
