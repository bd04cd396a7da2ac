"""``python -m mmrl`` is the ``mmrl`` command."""

import sys

from mmrl.cli import main

sys.exit(main())
