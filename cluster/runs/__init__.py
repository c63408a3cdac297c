"""What all runs share: options, command line, log, progress, ids, exit codes and provenance.

Import `options` to declare options, `command_line` to parse them, `lifecycle` for exit codes and signals, `provenance`
for versions and for options without secrets.
"""
