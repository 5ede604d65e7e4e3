"""Configuration files: which one speaks of a file, what it says, and what of that holds beside the call.

Used by the front ends, above the engine, which only sees `Options`. A file of options is read once a run.
"""

from __future__ import annotations

from torchmode_lint.configuration.nearest import Configuration
from torchmode_lint.configuration.reading import Setting, from_call
from torchmode_lint.configuration.table import OPTIONS, Option

__all__ = ["OPTIONS", "Configuration", "Option", "Setting", "from_call"]
