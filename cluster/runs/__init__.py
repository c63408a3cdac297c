"""What all runs share: options, command line, configuration file, log, progress, ids, exit codes and provenance.

Import `option` and `options` to declare options, `command_line` to parse them, `lifecycle` for exit codes and signals,
`provenance` for versions and for options without secrets.
"""
