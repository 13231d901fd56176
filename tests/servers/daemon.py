# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every server that a test starts needs: free ports, a certificate, and someone who starts and stops it."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tools import debian

from .ports import HOST

BUILD = Path(__file__).resolve().parents[2] / "build"
PACKAGES = BUILD / "packages"
"""Whoever holds the lock there may run apt-get."""
PATIENCE = 60.0
ORDERLY = 10.0
"""How long a server may take to stop by itself."""


class Certificate(NamedTuple):
    """A server's certificate and whom to trust for it; all files are PEM."""

    authority: Path
    certificate: Path
    key: Path


@contextmanager
def alone(place: Path) -> Iterator[None]:
    """Let no other process of the tests do the same at the same time. :param place: a folder; the lock is there."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def missing(packages: Mapping[str, str]) -> str:
    """Return what tools.debian.missing does. Only one process at a time asks, since apt-get lets no second one in."""
    with alone(PACKAGES):
        return debian.missing(packages)


def greets(host: str, port: int, *, speaks: bool = True) -> bool:
    """Return whether a server answers. :param speaks: whether it is to speak first."""
    with contextlib.suppress(OSError), socket.create_connection((host, port), PATIENCE) as connection:
        return not speaks or bool(connection.recv(1))
    return False


def certify(directory: Path) -> Certificate:
    """Make an authority of its own for a server on 127.0.0.1 (or localhost), and the server's certificate."""
    now = datetime.datetime.now(datetime.timezone.utc)
    made = Certificate(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _unused in range(2))
    authority, server = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("Authority of a test", "localhost")
    )
    names = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(HOST))]
    )
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    usage = dict.fromkeys((
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ), False)
    for path, subject, key, extensions in (
        (made.authority, authority, authority_key, (
            (x509.BasicConstraints(True, None), True), (authority_id, False),
            (x509.KeyUsage(**{**usage, "key_cert_sign": True}), True),
        )),
        (made.certificate, server, server_key, (
            (x509.BasicConstraints(False, None), True), (names, False),
            (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), False),
        )),
    ):
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(authority).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        path.write_bytes(builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    made.key.touch(mode=0o600)
    made.key.write_bytes(server_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    return made


def end(process: subprocess.Popen[bytes], how: signal.Signals, *, whole: bool = False) -> None:
    """End a server, and kill what is left of its processes, which are a group of their own.

    :param whole: tell all of its processes and not only the first, for a server that takes its time to tell them.
    """
    if process.poll() is None and how != signal.SIGKILL:
        (os.killpg if whole else os.kill)(process.pid, how)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(ORDERLY)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    while _lives(process.pid):  # and might hold a port, or write
        time.sleep(0.002)


def _lives(group: int) -> bool:
    """Return whether a process of a group still runs; one that has ended may wait long for being asked how."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _parent, of_group = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:3]
            if int(of_group) == group and state not in "ZX":
                return True
    return False


def copy_tree(source: Path, target: Path) -> None:
    """Make a folder what another one is, owners and modes with it."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", "--reflink=auto", source, target], check=True)


class Server:
    """A server that can be stopped, killed and started again; what it keeps stays."""

    def __init__(
        self, directory: Path, port: int, command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None, *, greets: bool = True, whole: bool = False,
    ) -> None:
        """Say how it is started; all that it keeps lies in the folder _state.

        :param port: where it answers when it is up.
        :param greets: whether it speaks first there.
        :param whole: whether all of its processes are told to stop, and not only the first.
        """
        self.host = HOST
        self._directory, self._state, self._log = directory, directory / "state", directory / "log"
        self._port, self._command, self._environment = port, command, environment
        self._greets, self._whole = greets, whole
        self._process: subprocess.Popen[bytes] | None = None
        directory.chmod(0o755)  # a server's own user comes by here
        self._state.mkdir()
        self._list([])

    @property
    def accounts_file(self) -> str:
        """A file with the address of every account on a line of its own."""
        return str(self._state / "accounts")

    def start(self) -> None:
        """Start it; it answers when this returns."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=self._directory, env=self._environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            if greets(HOST, self._port, speaks=self._greets):
                return
            time.sleep(0.01)
        raise RuntimeError(f"{self._command[0]} does not answer on port {self._port}: {self.log()[-3000:]}")

    def stop(self) -> None:
        """Stop it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill it and every process of it at once."""
        self._end(signal.SIGKILL)

    def snapshot(self) -> None:
        """Keep all accounts, and all that they have, as they are."""
        self.stop()
        copy_tree(self._state, self._directory / "snapshot")
        self.start()

    def put_back(self) -> None:
        """Make everything what it was at the last snapshot."""
        self.stop()
        copy_tree(self._directory / "snapshot", self._state)
        self.start()

    def log(self) -> str:
        """Return what it has logged so far."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def close(self) -> None:
        """End it for good."""
        self.kill()

    def _end(self, how: signal.Signals) -> None:
        if self._process:
            end(self._process, how, whole=self._whole)
            self._process = None

    def _accounts(self) -> list[str]:
        return Path(self.accounts_file).read_text(encoding="utf-8").split("\n")[:-1]

    def _list(self, accounts: Sequence[str]) -> None:
        new = Path(f"{self.accounts_file}.new")
        new.write_text("".join(f"{address}\n" for address in accounts), encoding="utf-8")
        new.replace(self.accounts_file)


MEMORY = Path("/dev/shm")
ENOUGH = 1 << 30
"""Bytes that have to be free there for what a server of a test keeps."""
AnyServer = TypeVar("AnyServer", bound=Server)


@contextmanager
def running(make: Callable[[Path], AnyServer], *, in_memory: bool = False) -> Iterator[AnyServer]:
    """Make a server in a folder of its own, and let it run for as long as the with statement lasts.

    :param in_memory: let it keep what it has in memory, where the machine has enough, for a server that waits for the
        disk at each step. It is there as long as the machine runs, also when the server is killed.
    """
    roomy = in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ENOUGH
    # Short: a socket's path has an end.
    directory = Path(tempfile.mkdtemp(prefix="srv-", dir=MEMORY if roomy else None))
    try:
        server = make(directory)
        try:
            server.start()
            yield server
        finally:
            server.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
