"""`python -m latentia`: the command line without the installed script."""

import sys

from latentia.cli.main import run

sys.exit(run())
