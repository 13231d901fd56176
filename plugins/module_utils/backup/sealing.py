# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption with authentication, AES-256-GCM of the cryptography package; the one place that imports it."""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Final

from ..model.errors import Damaged, InvalidInput

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

SECRET_SIZE: Final = 32
NONCE_SIZE: Final = 12
TAG_SIZE: Final = 16
"""Bytes by which sealed data is longer than plain data."""


def require() -> None:
    """Raise InvalidInput where the cryptography package is missing."""
    if not HAS_CRYPTOGRAPHY:
        raise InvalidInput(
            "The Python package cryptography is missing on this node, and the backup is encrypted; install it "
            "(apt-get install python3-cryptography, or pip install cryptography)."
        )


def new_secret() -> bytes:
    """Return a random secret."""
    return secrets.token_bytes(SECRET_SIZE)


def new_nonce() -> bytes:
    """Return a random nonce: with one secret, some 2^32 of them may be used."""
    return secrets.token_bytes(NONCE_SIZE)


def derive(secret: bytes, purpose: bytes) -> bytes:
    """Return a secret for one purpose: who has it knows neither the first nor those for others.

    It is BLAKE2b with a key (RFC 7693), in a third of the time of HMAC-SHA256: each content that is read takes two.
    """
    return hashlib.blake2b(purpose, key=secret, digest_size=SECRET_SIZE).digest()


def seal(secret: bytes, nonce: bytes, data: bytes, context: bytes) -> bytes:
    """Encrypt data; what comes out is opened with the same nonce and context alone.

    :param context: what goes beside it in the clear, and must not be altered or exchanged either.
    """
    require()
    return AESGCM(secret).encrypt(nonce, data, context)


def unseal(secret: bytes, nonce: bytes, data: Any, context: bytes) -> bytes:
    """Return what seal() was given. :raises Damaged: it, its nonce or its context is another, or the secret is."""
    require()
    try:
        return AESGCM(secret).decrypt(nonce, data, context)
    except (InvalidTag, ValueError, OverflowError) as error:  # the two last: a nonce, or data, of a wrong length
        raise Damaged("The encrypted data is altered, or was encrypted with another key.") from error
