"""Tests of the signed bundle."""
