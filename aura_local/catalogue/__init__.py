"""The model catalogues and the store that proves a model's files. Layer 2."""
