"""A worker process of the local runner: Beam's own, whose log goes to the runner alone, which prints its warnings.

Beam's own program prints every step of its start and end to stderr as well.
"""

from __future__ import annotations

import logging

from cluster.engines.beam_notices import leave_out_notices


def main() -> None:
    """Serve the runner that started this process, until it has no more work."""
    logging.getLogger().addHandler(logging.NullHandler())  # or Beam adds one that prints
    leave_out_notices()
    from apache_beam.runners.worker import sdk_worker_main  # after that, as importing it writes a notice

    sdk_worker_main.main([])


if __name__ == "__main__":
    main()
