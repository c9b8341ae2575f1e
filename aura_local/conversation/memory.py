"""What a session remembers: each question with what was heard of its answer, in the tenant's file.

A conversation belongs to whoever began it: to everybody else of the tenant it does not exist. Visitors are
not remembered: of theirs only what they used is stored.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import sqlite_utils

from aura_local.conversation.allowance import LedgerWrite
from aura_local.conversation.events import Citation
from aura_local.conversation.prompt import Exchange
from aura_local.errors import NotFound
from aura_local.storage.database import Database


class ConversationMemory:
    """The turns of one session. A turn is durable when `remember` or `store` returns."""

    def __init__(
        self,
        database: Database,
        session_id: str,
        exchanges: Sequence[Exchange],
        turns: int,
        *,
        kept: bool = True,
    ) -> None:
        self._database = database
        self._exchanges = list(exchanges)
        self._turns = turns
        self._unstored: dict[int, Exchange] = {}
        self._kept = kept
        self.session_id = session_id

    @classmethod
    async def begin(
        cls, database: Database, language: str, *, owner: str = "", kept: bool = True
    ) -> ConversationMemory:
        """A new session of the principal whose subject is `owner`; unless `kept`, no word of it is stored."""
        session_id = secrets.token_hex(8)
        if not kept:
            return cls(database, session_id, (), 0, kept=False)
        row = {"id": session_id, "language": language, "created_at": _now(), "owner": owner}

        def change(connection: sqlite_utils.Database) -> None:
            connection.table("sessions").insert(row)

        await database.write(change)
        return cls(database, session_id, (), 0)

    @classmethod
    async def resume(
        cls, database: Database, session_id: str, *, owner: str = "", exchanges: int = 8
    ) -> ConversationMemory:
        """An earlier session of the same owner. Raises `NotFound`."""

        def query(connection: sqlite_utils.Database) -> tuple[bool, int, list[Exchange]]:
            ours = "SELECT 1 FROM sessions WHERE id = ? AND owner = ?"
            known = bool(list(connection.query(ours, [session_id, owner])))
            rows = list(
                connection.query(
                    "SELECT user_text, heard_text, ordinal FROM turns WHERE session_id = ?"
                    " ORDER BY ordinal DESC LIMIT ?",
                    [session_id, exchanges],
                )
            )
            turns = int(rows[0]["ordinal"]) if rows else 0
            return known, turns, [Exchange(row["user_text"], row["heard_text"]) for row in reversed(rows)]

        known, turns, found = await database.read(query)
        if not known:
            raise NotFound("There is no such conversation; leave session_id out to begin one.")
        return cls(database, session_id, found, turns)

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Oldest first."""
        return tuple(self._exchanges)

    async def remember(
        self,
        *,
        question: str,
        answer: str,
        heard: str,
        cancelled: bool,
        citations: Sequence[Citation],
        stages_ms: Mapping[str, float],
        used: LedgerWrite | None = None,
    ) -> None:
        """Add and store a turn that is over. Raises `StorageUnavailable`; then nothing was stored."""
        place = self.add(Exchange(question, heard))
        await self.store(
            place, answer=answer, cancelled=cancelled, citations=citations, stages_ms=stages_ms, used=used
        )

    def add(self, exchange: Exchange) -> int:
        """Let the conversation go on from a turn that is over; returns its place, for `store`."""
        self._turns += 1
        self._exchanges.append(exchange)
        self._unstored[self._turns] = exchange
        return self._turns

    async def store(
        self,
        place: int,
        *,
        answer: str,
        cancelled: bool,
        citations: Sequence[Citation],
        stages_ms: Mapping[str, float],
        used: LedgerWrite | None = None,
    ) -> None:
        """Store a turn that was added, and what it used, both or neither. Raises `StorageUnavailable`."""
        exchange = self._unstored.pop(place)
        row = {
            "session_id": self.session_id,
            "ordinal": place,
            "user_text": exchange.question,
            "answer_text": answer,
            "heard_text": exchange.heard_answer,
            "cancelled": int(cancelled),
            "citations": json.dumps([asdict(citation) for citation in citations]),
            "timings": json.dumps(dict(stages_ms)),
            "created_at": _now(),
        }

        def change(connection: sqlite_utils.Database) -> None:
            if self._kept:
                connection.table("turns").insert(row)
            if used is not None:
                used(connection)

        await self._database.write(change)

    async def account(self, used: LedgerWrite) -> None:
        """Store what was used for an answer that nobody heard. Raises `StorageUnavailable`."""
        await self._database.write(used)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
