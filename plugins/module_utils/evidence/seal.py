# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The seal of a report: the SHA-256 of each of its files in a manifest, and a signature of that manifest.

Both can be checked without us: sha256sum reads the manifest, openssl the signature, which is Ed25519 (RFC 8032) of the
cryptography package; this is the one place that signs. It shows that nobody has altered a report who does not have the
key: so whoever judges the reports keeps the public key, not the node.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from ..model.durable import make_directories
from ..model.errors import InvalidInput, NotFound, Refused

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
except ImportError:
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

MANIFEST: Final = "SHA256SUMS"
SIGNATURE: Final = "SHA256SUMS.sig"
WITHOUT_LIBRARY: Final = (
    "The Python package cryptography is missing on the node (apt-get install python3-cryptography, or pip install "
    "cryptography)."
)

_LINE = re.compile(r"([0-9a-f]{64})  ([^/\0]+)")
_LARGEST: Final = 1 << 16


class Signer:
    """A private key in a file, PEM (PKCS #8)."""

    def __init__(self, path: str) -> None:
        """Read the key; it is made where there is none, with its public half beside it, <path>.pub.

        :raises InvalidInput: the file is no key of Ed25519. :raises Refused: it cannot be read or made, or others may
            read it too.
        """
        if not os.path.exists(path):
            _make(path)
        data = _private(path)
        try:
            key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError) as error:
            raise InvalidInput(_no_key(path)) from error
        if not isinstance(key, Ed25519PrivateKey):
            raise InvalidInput(_no_key(path))
        self._key = key
        self.public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        """The public key, PEM."""
        self.fingerprint = fingerprint(self.public)

    def sign(self, data: bytes) -> bytes:
        """Return the signature of data, 64 bytes."""
        signature: bytes = self._key.sign(data)
        return signature


def fingerprint(public: bytes) -> str:
    """Return the SHA-256 of a public key in its DER form, as `openssl pkey -pubin -outform DER | sha256sum` has it.

    :param public: PEM. :raises InvalidInput: it is no public key of Ed25519.
    """
    return hashlib.sha256(
        _public(public, "The public key").public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).hexdigest()


def manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of files, as sha256sum writes one."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return "".join(lines).encode("utf-8")


class Verdict(NamedTuple):
    """What became of a report since it was sealed."""

    signed: bool
    """Whether there is a signature."""
    genuine: bool
    """Whether the signature is one of the key, and every file is as it was."""
    altered: Sequence[str]
    """Files that are not as they were."""
    missing: Sequence[str]
    unlisted: Sequence[str]
    """Files that are no part of the report: somebody has put them beside it."""
    problem: str
    """Why it is not genuine, as a sentence; empty where it is."""

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as a JSON object."""
        return {**self._asdict(), "altered": list(self.altered), "missing": list(self.missing),
                "unlisted": list(self.unlisted)}


def verify(directory: str, public: bytes | None) -> Verdict:
    """Say whether a report is what was sealed.

    :param public: the key that it has to be signed with, PEM, from where the one who asks has kept it; None where there
        is none: then it cannot be genuine.
    :raises NotFound: the directory holds no report. :raises InvalidInput: it, or the key, cannot be read as one.
    """
    path = os.path.join(directory, MANIFEST)
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST)
    except FileNotFoundError as error:
        raise NotFound(f"{directory} holds no report of a drill: there is no {MANIFEST} in it.") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); run this as the user that owns it.") from error
    listed = dict(_listed(data, path))
    there = {name: os.path.join(directory, name) for name in os.listdir(directory)}
    missing = sorted(set(listed) - set(there))
    altered = sorted(name for name in listed if name in there and _digest(there[name]) != listed[name])
    unlisted = sorted(set(there) - set(listed) - {MANIFEST, SIGNATURE})
    signed = SIGNATURE in there
    problem = _problem(data, there.get(SIGNATURE), public)
    if altered or missing:
        problem = " ".join(filter(None, (
            problem,
            f"Altered since: {', '.join(altered)}." if altered else "",
            f"Gone: {', '.join(missing)}." if missing else "",
        )))
    return Verdict(signed, not problem, altered, missing, unlisted, problem)


def _problem(data: bytes, signature: str | None, public: bytes | None) -> str:
    if signature is None:
        return "The report is not signed: anybody could have written it."
    if public is None:
        return "There is no public key to hold the signature against; name the one that was kept."
    with open(signature, "rb") as file:
        given = file.read(_LARGEST)
    try:
        _public(public, "The public key").verify(given, data)
    except InvalidSignature:
        return "The signature is not one of this key: the manifest was altered, or was signed with another key."
    return ""


def _listed(data: bytes, path: str) -> Iterator[tuple[str, str]]:
    for line in data.decode("utf-8", "replace").splitlines():
        found = _LINE.fullmatch(line)
        if found is None:
            raise InvalidInput(f"{path} is no manifest of a report.")
        yield found[2], found[1]


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while True:
                piece = file.read(1 << 20)
                if not piece:
                    return digest.hexdigest()
                digest.update(piece)
    except OSError:
        return ""


def _public(data: bytes, what: str) -> Any:
    if not HAS_CRYPTOGRAPHY:
        raise InvalidInput(f"A signature cannot be checked here. {WITHOUT_LIBRARY}")
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"{what} is no public key of Ed25519, PEM.") from error
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidInput(f"{what} is no public key of Ed25519, PEM.")
    return key


def _make(path: str) -> None:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    try:
        make_directories(os.path.dirname(os.path.abspath(path)))
        for name, data, mode in ((f"{path}.pub", public, 0o644), (path, private, 0o600)):
            part = f"{name}.part"
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, name)
    except OSError as error:
        raise Refused(
            f"The signing key {path} cannot be made ({error.strerror}); name a place for it by signing_key."
        ) from error


def _private(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_LARGEST)
    except OSError as error:
        raise Refused(f"The signing key {path} cannot be read ({error.strerror}); give it to this user.") from error
    if stat.S_IMODE(mode) & 0o077:
        raise Refused(f"Others than its owner may read the signing key {path}; take that from them: chmod 600 {path}.")
    return data


def _no_key(path: str) -> str:
    return (
        f"{path} is no private key of Ed25519 without a passphrase; make one with: openssl genpkey -algorithm ed25519 "
        f"-out {path}"
    )
