"""The signed air-gap bundle: one file with all that a machine without a network needs. Layer 4."""
