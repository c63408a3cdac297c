"""`python -m framemill`, where the command is not on the path."""

import sys

from framemill.command import main

if __name__ == "__main__":
    sys.exit(main())
