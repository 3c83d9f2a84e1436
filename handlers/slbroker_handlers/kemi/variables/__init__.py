"""Pseudo-variables: `specs` says how they are written, `access` reads and sets them, `transform` transforms them.

The other files declare them by what they are about; all are there as soon as the first one was asked for.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _found in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
