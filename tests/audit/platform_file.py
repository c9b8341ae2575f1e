"""The key of the platform's file in these tests, and when everything in it happened."""

from __future__ import annotations

from datetime import UTC, datetime

KEY = bytes(range(32))
MOMENT = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
