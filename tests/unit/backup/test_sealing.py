# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is sealed comes out as it went in, with the same secret, nonce and context, and in no other case."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.backup import sealing
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import Damaged, InvalidInput
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

secrets = st.binary(min_size=sealing.SECRET_SIZE, max_size=sealing.SECRET_SIZE)
nonces = st.binary(min_size=sealing.NONCE_SIZE, max_size=sealing.NONCE_SIZE)


@given(secrets, nonces, st.binary(max_size=500), st.binary(max_size=50))
def test_what_is_sealed_comes_out_again(secret: bytes, nonce: bytes, data: bytes, context: bytes) -> None:
    sealed = sealing.seal(secret, nonce, data, context)
    assert len(sealed) == len(data) + sealing.TAG_SIZE
    assert sealing.unseal(secret, nonce, sealed, context) == data
    assert sealed == AESGCM(secret).encrypt(nonce, data, context), "anybody's AES-256-GCM opens it"


@given(st.data(), secrets, nonces, st.binary(max_size=200), st.binary(min_size=1, max_size=20))
def test_one_altered_bit_of_anything_is_noticed(
    data: st.DataObject, secret: bytes, nonce: bytes, plain: bytes, context: bytes
) -> None:
    parts = [secret, nonce, sealing.seal(secret, nonce, plain, context), context]
    which = data.draw(st.integers(0, 3))
    bit = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    altered = bytearray(parts[which])
    altered[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(altered)
    with pytest.raises(Damaged):
        sealing.unseal(*parts)


@pytest.mark.parametrize("length", range(sealing.TAG_SIZE + 3))
def test_what_is_cut_short_is_noticed(length: int) -> None:
    secret, nonce = sealing.new_secret(), sealing.new_nonce()
    with pytest.raises(Damaged):
        sealing.unseal(secret, nonce, sealing.seal(secret, nonce, b"mail", b"")[:length], b"")


@pytest.mark.parametrize("length", range(sealing.NONCE_SIZE))
def test_a_nonce_that_is_cut_short_is_noticed(length: int) -> None:
    with pytest.raises(Damaged):
        sealing.unseal(sealing.new_secret(), bytes(length), bytes(40), b"")


def test_secrets_and_nonces_are_never_the_same_twice() -> None:
    assert len({sealing.new_secret() for _time in range(1000)}) == 1000
    assert len({sealing.new_nonce() for _time in range(1000)}) == 1000


@given(secrets, st.binary(max_size=40), st.binary(max_size=40))
def test_a_derived_secret_is_of_one_purpose(secret: bytes, one: bytes, other: bytes) -> None:
    assert (sealing.derive(secret, one) == sealing.derive(secret, other)) == (one == other)
    assert sealing.derive(secret, one) != secret


def test_without_the_package_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "HAS_CRYPTOGRAPHY", False)
    with pytest.raises(InvalidInput, match="python3-cryptography"):
        sealing.seal(bytes(32), bytes(12), b"", b"")
    with pytest.raises(InvalidInput, match="python3-cryptography"):
        sealing.unseal(bytes(32), bytes(12), bytes(16), b"")
