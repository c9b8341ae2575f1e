"""What is in an encrypted database once its pages are decrypted, free ones included."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PAGE_BYTES = 4096
RESERVED_BYTES = 80  # IV and authentication code, https://www.zetetic.net/sqlcipher/design/


def plain_pages(path: Path, key: bytes) -> bytes:
    """All pages of a closed SQLCipher file under a raw key."""
    content, plain = path.read_bytes(), b""
    for start in range(0, len(content), PAGE_BYTES):
        page = content[start : start + PAGE_BYTES]
        if start == 0:
            page = page[16:]  # the salt stands before the first page
        initial = page[-RESERVED_BYTES : -RESERVED_BYTES + 16]
        decryptor = Cipher(algorithms.AES256(key), modes.CBC(initial)).decryptor()
        plain += decryptor.update(page[:-RESERVED_BYTES]) + decryptor.finalize()
    return plain
