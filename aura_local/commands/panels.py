"""Headings of the help page."""

from __future__ import annotations

from typing import Final

SERVING: Final = "Serve"
CONVERSING: Final = "Talk and listen"
DOCUMENTS: Final = "Documents"
ACCESS: Final = "Tenants and keys"
INSTALLATION: Final = "This installation"
