"""Who may find a document, and how careful one must be with it: the labels of documents. Layer 2.

Both labels together are one small integer, the access class, so that every search can be limited to the
classes that an asker may see while it searches, not afterwards. The database derives the same number from
the labels (`documents.access_class`); a test holds the two together.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

Audience: TypeAlias = Literal["public", "members", "admins"]
"""Who may find and read a document: visitors as well, those who belong to the tenant, its admins alone."""
Sensitivity: TypeAlias = Literal["public", "internal", "confidential"]
"""What may become of its text: `confidential` never leaves the machine, whatever a policy allows."""

AUDIENCES: Final[tuple[Audience, ...]] = get_args(Audience)
"""Widest first: who is in one is in all before it."""
SENSITIVITIES: Final[tuple[Sensitivity, ...]] = get_args(Sensitivity)
"""Least sensitive first."""

AccessClasses: TypeAlias = frozenset[int]
"""The access classes that a search may find."""


def access_class(audience: Audience, sensitivity: Sensitivity) -> int:
    """The number that stands for both labels, from 0 (public, public) to 8 (admins, confidential)."""
    return len(SENSITIVITIES) * AUDIENCES.index(audience) + SENSITIVITIES.index(sensitivity)


def readable_classes(asker: Audience, most_sensitive: Sensitivity = "confidential") -> AccessClasses:
    """The classes of documents that somebody of this audience may find, up to a sensitivity."""
    return frozenset(
        access_class(audience, sensitivity)
        for audience in AUDIENCES[: AUDIENCES.index(asker) + 1]
        for sensitivity in SENSITIVITIES[: SENSITIVITIES.index(most_sensitive) + 1]
    )


EVERYTHING: Final[AccessClasses] = readable_classes("admins")
"""No limit."""
