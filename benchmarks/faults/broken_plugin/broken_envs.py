"""Environments of a package whose own import fails."""

import not_there  # noqa: F401
