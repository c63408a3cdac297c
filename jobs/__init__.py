"""The programs that users run, one screen each: parse, run, exit code.

Nothing imports them; what they run is in `cluster`.
"""
