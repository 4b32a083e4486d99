"""`python -m seriatim` is the command `seriatim`."""

import sys

if __name__ == "__main__":
    from seriatim.cli import main

    sys.exit(main())
