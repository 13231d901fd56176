# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cyrus: IMAP, ManageSieve, LMTP, CalDAV and CardDAV from the distribution's packages, with an administrator.

Its packages exclude Dovecot's. So they are not installed: with the libraries that the machine lacks they are unpacked
below build/, once, and the programs run from there. They log to syslog and nowhere else; a mount namespace of
its own gives them a /dev/log that ends in a file.
"""

from __future__ import annotations

import imaplib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap import settings as imap_settings
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings

from . import daemon
from .ports import free_port

PACKAGES = ("cyrus-imapd", "cyrus-caldav", "sasl2-bin")
USELESS = ("exim4", "gawk")
"""What Debian wants beside them and a test does not."""
PLACE = daemon.BUILD / "cyrus"
ROOT = PLACE / "root"
PROGRAMS = ROOT / "usr" / "lib" / "cyrus" / "bin"
SPECIAL_FOLDERS = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash", "Junk": "\\Junk"}
MASTER_USER, MASTER_PASSWORD = "cyrus", "password-of-the-master"
MAIL_USER = "mail"
"""A user that every Debian has; all mail is his."""

CONFIGURATION = """
cyrus_user: {user}
cyrus_group: {user}
configdirectory: {state}/configuration
partition-default: {state}/mail
defaultpartition: default
sievedir: {state}/sieve
proc_path: {directory}/run/proc
mboxname_lockpath: {directory}/run/lock
lmtpsocket: {directory}/run/lmtp
idlesocket: {directory}/run/idle
notifysocket: {directory}/run/notify
servername: localhost
defaultdomain: internal.example
virtdomains: userid
altnamespace: yes
unixhierarchysep: yes
admins: {master}
conversations: yes
search_engine: none
failedloginpause: 0
maxlogins_per_host: 0
allowplaintext: yes
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN
sasl_sasldb_path: {state}/sasldb2
tls_server_cert: {certificate}
tls_server_key: {key}
httpmodules: caldav carddav
{more}
"""
SERVICES = """
START {{
  recover cmd="{programs}/ctl_cyrusdb -C {configuration} -r"
  idled cmd="{programs}/idled -C {configuration}"
}}
SERVICES {{
  imap cmd="{programs}/imapd -C {configuration}" listen="127.0.0.1:{imap_port}" prefork=1
  imaps cmd="{programs}/imapd -C {configuration} -s" listen="127.0.0.1:{imaps_port}"
  sieve cmd="{programs}/timsieved -C {configuration}" listen="127.0.0.1:{sieve_port}"
  lmtp cmd="{programs}/lmtpd -C {configuration} -a" listen="127.0.0.1:{lmtp_port}"
  http cmd="{programs}/httpd -C {configuration}" listen="127.0.0.1:{http_port}"
}}
EVENTS {{
}}
"""
LOG_FROM_HERE = """
set -e
mount -t tmpfs -o mode=755 tmpfs dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom dev/
ln -s "$PWD/syslog" dev/log
mkdir dev/shm
[ ! -d /dev/shm ] || mount --bind /dev/shm dev/shm
mount --rbind dev /dev
exec "$@"
"""


def missing() -> str:
    """Return why Cyrus cannot be run here, empty when it can; unpacks it first where that is allowed."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return "only root on Debian or Ubuntu can unpack and start it"
    with daemon.alone(daemon.PACKAGES):
        try:
            if not ROOT.exists():
                _unpack()
        except subprocess.CalledProcessError as error:
            return f"{' '.join(map(str, error.cmd[:2]))} failed: {error.stderr.strip()[-500:]}"
    return ""


class Cyrus(daemon.Server):
    """A Cyrus, and what tests do with it besides talking to it."""

    def __init__(self, directory: Path, more: str) -> None:
        self.imap_port, self.imaps_port, self.sieve_port, self.lmtp_port, self.http_port = (
            free_port() for _unused in range(5)
        )
        self.master_user, self.master_password = MASTER_USER, MASTER_PASSWORD
        configuration, services = directory / "imapd.conf", directory / "cyrus.conf"
        super().__init__(directory, self.imap_port, [
            "unshare", "--mount", "sh", "-c", LOG_FROM_HERE, "sh", PROGRAMS / "master", "-D",
            "-C", configuration, "-M", services, "-p", directory / "pid",
        ], _environment())
        certificate = daemon.certify(directory)
        self.ca_file = str(certificate.authority)
        shutil.chown(certificate.key, MAIL_USER)
        (directory / "dev").mkdir()
        for part in ("run", "state/configuration", "state/configuration/db", "state/mail", "state/sieve"):
            (directory / part).mkdir()
            shutil.chown(directory / part, MAIL_USER, MAIL_USER)
        configuration.write_text(CONFIGURATION.format(
            directory=directory, state=self._state, user=MAIL_USER, master=MASTER_USER,
            certificate=certificate.certificate, key=certificate.key, more=more,
        ), encoding="utf-8")
        services.write_text(SERVICES.format(
            programs=PROGRAMS, configuration=configuration, imap_port=self.imap_port, imaps_port=self.imaps_port,
            sieve_port=self.sieve_port, lmtp_port=self.lmtp_port, http_port=self.http_port,
        ), encoding="utf-8")
        self._set_password(f"{MASTER_USER}@localhost", MASTER_PASSWORD)
        self._syslog = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._syslog.bind(str(directory / "syslog"))
        (directory / "syslog").chmod(0o666)
        threading.Thread(target=self._keep_log, daemon=True).start()

    def settings(self, **changes: Any) -> ImapSettings:
        """Return how the engine gets to this server."""
        dav = f"http://{self.host}:{self.http_port}/dav"
        return ImapSettings(**{
            "host": self.host, "port": self.imaps_port, "ca_file": self.ca_file, "sieve_port": self.sieve_port,
            "master_user": self.master_user, "master_password": self.master_password,
            "impersonation": imap_settings.PROXY, "accounts_file": self.accounts_file,
            "carddav_url": f"{dav}/addressbooks/user/{{user}}/", "caldav_url": f"{dav}/calendars/user/{{user}}/",
            **changes,
        })

    def add_account(self, address: str, password: str = "", *, quota: int = 0) -> None:
        """Let an address be an account, with its folders for special uses.

        :param password: empty to let only the administrator log in (who cannot do so for DAV).
        :param quota: how many bytes it may have; 0 for no limit.
        """
        with self._logged_in() as administrator:
            _ask(administrator, "CREATE", _quoted(f"user/{address}"))
            if quota:
                _ask(administrator, "SETQUOTA", _quoted(f"user/{address}"), f"(STORAGE {quota // 1024})")
        with self._logged_in(address) as user:
            for name, use in SPECIAL_FOLDERS.items():
                _ask(user, "CREATE", name, f"(USE ({use}))")
        if password:
            self._set_password(address, password)
        self._list([*self._accounts(), address])

    def remove_account(self, address: str) -> None:
        """Let an address be no account any more, and its mail be gone."""
        with self._logged_in() as administrator:
            _ask(administrator, "SETACL", _quoted(f"user/{address}"), MASTER_USER, "lrx")
            _ask(administrator, "DELETE", _quoted(f"user/{address}"))
        self._list([other for other in self._accounts() if other != address])

    def close(self) -> None:
        """End it for good, and let nobody read its log any more."""
        super().close()
        self._syslog.close()

    def _keep_log(self) -> None:
        with self._log.open("ab", buffering=0) as log:
            while True:
                try:
                    line = self._syslog.recv(65536)
                except OSError:  # closed
                    return
                log.write(line.rstrip(b"\n\0") + b"\n")

    def _set_password(self, name: str, password: str) -> None:
        user, _at, realm = name.rpartition("@")
        passwords = self._state / "sasldb2"
        subprocess.run(
            [ROOT / "usr" / "sbin" / "saslpasswd2", "-p", "-c", "-f", passwords, "-u", realm, user],
            env=_environment(), input=password.encode(), check=True,
        )
        shutil.chown(passwords, MAIL_USER, MAIL_USER)

    @contextmanager
    def _logged_in(self, address: str = "") -> Iterator[imaplib.IMAP4]:
        """Talk to the server as an account, or as the administrator."""
        with imaplib.IMAP4(self.host, self.imap_port) as connection:
            credentials = f"{address}\0{MASTER_USER}\0{MASTER_PASSWORD}".encode()
            connection.authenticate("PLAIN", lambda _: credentials)
            yield connection


@contextmanager
def cyrus(more: str = "", *, in_memory: bool = False) -> Iterator[Cyrus]:
    """Serve mail on free ports of 127.0.0.1 for as long as the with statement lasts. Up in some tenths of a second.

    :param more: further configuration.
    :param in_memory: do not wait for the disk (daemon.running): it does so several times for each mailbox and message.
    """
    with daemon.running(lambda directory: Cyrus(directory, more), in_memory=in_memory) as server:
        yield server


def _unpack() -> None:
    """Fetch the packages and what they need and the machine has not, and unpack them. Takes some seconds."""
    packages, new = PLACE / "packages", PLACE / "new"
    shutil.rmtree(new, ignore_errors=True)
    (packages / "partial").mkdir(parents=True, exist_ok=True)
    for command in (
        ["update"],
        [
            "install", "--download-only", "-y", "--no-install-recommends", "-o", f"Dir::Cache::archives={packages}",
            "-o", "Debug::NoLocking=1", *PACKAGES,
        ],
    ):
        _run("apt-get", "-q", *command)
    for package in sorted(packages.glob("*.deb")):
        if not package.name.startswith(USELESS):
            _run("dpkg-deb", "--extract", package, new)
    new.rename(ROOT)


def _run(*command: str | Path) -> None:
    subprocess.run(
        command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=True,
    )


def _environment() -> dict[str, str]:
    """Let programs find the libraries that were unpacked, and those of the machine."""
    libraries = [path for top in (ROOT / "usr", ROOT) for path in sorted(top.glob("lib/*-linux-gnu*"))]
    triplets = {path.name for path in libraries}
    plugins = [path / "sasl2" for path in libraries] + [Path("/usr/lib", name, "sasl2") for name in sorted(triplets)]
    return {
        **os.environ, "LD_LIBRARY_PATH": ":".join(map(str, libraries)), "SASL_PATH": ":".join(map(str, plugins)),
    }


def _ask(connection: imaplib.IMAP4, command: str, *arguments: str) -> None:
    status, answer = connection.xatom(command, *arguments)
    if status != "OK":
        raise RuntimeError(f"{command} {' '.join(arguments)}: {answer[-1]!r}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
