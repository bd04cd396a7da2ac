"""``python -m mmrl`` is the ``mmrl`` command."""

import sys

if sys.path[:1] and not sys.flags.safe_path:  # Python has put the working directory first
    del sys.path[0]

from mmrl.cli import main

sys.exit(main())
