"""`python -m kdlab.cli`: the command, where no script of that name was installed."""

import sys

from kdlab.cli import main

sys.exit(main())
