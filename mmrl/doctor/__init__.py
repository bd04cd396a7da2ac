"""The examination of an installation, for ``mmrl doctor``: what works, what is missing, and what
mends it.

Nothing here imports a package that may be broken: that is done by a process of its own
(:mod:`mmrl.doctor.probe`), which may crash.
"""

from __future__ import annotations

from mmrl.doctor.extras import examine_extras
from mmrl.doctor.findings import Finding
from mmrl.doctor.packages import examine_packages
from mmrl.doctor.system import examine_system

__all__ = ["examine"]


def examine() -> list[Finding]:
    """All findings, by section."""
    return [*examine_system(), *examine_packages(), *examine_extras()]
