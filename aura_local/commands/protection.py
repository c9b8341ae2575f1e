"""What protects the data at rest, and against whom: the sentences of `aura doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from aura_local.settings import Settings

_KEY_PROTECTS: Final[dict[Literal["file", "passphrase"], str]] = {
    "file": (
        "Protects a copied or stolen data folder, and its backups. Does not protect against someone who "
        "takes the key file too, as with the whole disk of this machine."
    ),
    "passphrase": (
        "Protects the whole disk of this machine while the server is not running: the key is sealed by the "
        "passphrase. Does not protect against guessing a weak passphrase."
    ),
}
VECTORS_ON_DISK: Final = (
    'vectors not encrypted, use an encrypted disk, or retrieval.index_location = "memory"; much of a text '
    "can be told from its vectors"
)
VECTORS_IN_MEMORY: Final = "in memory alone, built from the encrypted tenant file when it opens"


def encryption(settings: Settings) -> dict[str, Any]:
    """Cipher, source of the master key, what they protect against, and what is not encrypted. Blocking."""
    from aura_local.storage.sealed_key import SEALED_FILE

    source = settings.master_key_source
    key_file = settings.master_key_file if source == "file" else settings.home / SEALED_FILE
    on_disk = settings.retrieval.index_location == "disk"
    return {
        "cipher": _cipher(),
        "master_key_source": source,
        "master_key_file": str(key_file),
        "master_key_present": key_file.is_file(),
        "protects": _KEY_PROTECTS[source],
        "vectors_encrypted": not on_disk,
        "vectors": VECTORS_ON_DISK if on_disk else VECTORS_IN_MEMORY,
        "left_on_disk": on_disk_index_folders(settings.home) if not on_disk else 0,
    }


def on_disk_index_folders(home: Path) -> int:
    """Tenants that still have an index on the disk; each goes when its tenant is next asked something."""
    return sum(1 for _ in home.glob("tenants/*/chroma"))


def _cipher() -> str:
    import sqlcipher3.dbapi2 as sqlcipher

    connection = sqlcipher.connect(":memory:")
    try:
        (version,) = connection.execute("PRAGMA cipher_version").fetchone()
    finally:
        connection.close()
    return f"SQLCipher {version}"
