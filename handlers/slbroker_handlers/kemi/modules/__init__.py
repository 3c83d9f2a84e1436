"""The modules of KSR, a file each, called as Kamailio calls them; `core` has the functions of KSR itself.

To import this is to have them all in `exports.MODULES`. They know the request and the variables, not one another.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module

for _found in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_found.name}")
