"""Encrypted storage: per tenant one SQLite file and one folder of blobs, under one key. Layer 1."""
