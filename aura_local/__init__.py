"""AURA Local: a self-hosted voice AI that answers aloud from an organisation's own documents.

Importing this package loads no engine and no model; see `aura_local.engine` for the composition root.
"""

__version__ = "0.1.0"
