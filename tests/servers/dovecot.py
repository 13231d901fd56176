# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dovecot: IMAP, ManageSieve and LMTP from the distribution's packages, with a master user.

Accounts log in with their whole address, and every address has a home by its digest. They are known from files of its
own, or from a directory in LDAP, which then checks the passwords too. An address may hold spaces, quotes,
slashes, whatever is not ASCII and most other things. There are limits:

- NUL ends what SASL sends, and a line break a line of accounts_file.
- % does not get through the expansion of master_user, without which the master user has no right to any mailbox.
- * divides the account from the master user; such an account can be reached with an authorisation identity only.
- / (the separator of the hierarchy) lets an account share mailboxes, but nobody finds them below shared/.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.settings import ImapSettings

from . import daemon
from .openldap import OpenLdap
from .ports import free_port

PACKAGES = {
    "/usr/lib/dovecot/imap": "dovecot-imapd",
    "/usr/lib/dovecot/lmtp": "dovecot-lmtpd",
    "/usr/lib/dovecot/managesieve": "dovecot-managesieved",
    "sievec": "dovecot-sieve",
    "/usr/lib/dovecot/modules/auth/libauthdb_ldap.so": "dovecot-ldap",
}
MDBOX, MAILDIR = "mdbox", "maildir"
LOCATIONS = {MDBOX: "mdbox", MAILDIR: "Maildir"}
"""Where mail lies in a home."""
SPECIAL_FOLDERS = {"Drafts": "\\Drafts", "Sent": "\\Sent", "Trash": "\\Trash", "Junk": "\\Junk"}
MASTER_USER, MASTER_PASSWORD = "master", "password-of-the-master"
MAIL_USER = "mail"
"""A user that every Debian has; all mail is his."""

CONFIGURATION = """
base_dir = {directory}/run
state_dir = {directory}/run
log_path = {log}
instance_name = {directory}
listen = 127.0.0.1
protocols = imap lmtp sieve
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
first_valid_uid = 1
first_valid_gid = 1
mail_uid = {user}
mail_gid = {user}
mail_location = {storage}:~/{location}
mail_fsync = {fsync}
mail_plugins = acl notify quota
mail_attribute_dict = file:%h/attributes
mail_max_userip_connections = 0
mailbox_list_index = yes
imap_metadata = yes
recipient_delimiter =
auth_username_chars =
auth_username_format =
auth_master_user_separator = *
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  master = yes
  result_success = continue
  args = {directory}/masters
}}
{accounts}
namespace inbox {{
  inbox = yes
  separator = {separator}
{special_folders}
}}
namespace shared {{
  type = shared
  separator = {separator}
  prefix = shared{separator}%%u{separator}
  location = {storage}:%%h/{location}
  subscriptions = no
  list = children
}}
plugin {{
  acl = vfile
  acl_shared_dict = file:{state}/mail/shared-mailboxes
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:bytes={quota}
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
protocol imap {{
  mail_plugins = acl notify quota imap_acl imap_quota imap_zlib
}}
protocol lmtp {{
  mail_plugins = acl notify quota sieve
  postmaster_address = postmaster@example.com
}}
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service imap-login {{
  service_count = 0
  inet_listener imap {{
    port = {imap_port}
  }}
  inet_listener imaps {{
    port = {imaps_port}
  }}
}}
service managesieve-login {{
  service_count = 0
  inet_listener sieve {{
    port = {sieve_port}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp_port}
  }}
}}
{more}
"""
OF_FILES = """
passdb {{
  driver = dict
  args = {directory}/accounts.conf
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={state}/mail/%Mu master_user=%u
}}
"""
FILES = """
uri = fs:posix:prefix={state}/users/
passdb_objects = passdb
key passdb {{
  key = %Mu
  format = json
}}
"""
"""A file for each account, which Dovecot reads whenever it needs it: a passwd-file it looks at once in a second."""
OF_DIRECTORY = """
passdb {{
  driver = ldap
  args = {directory}/accounts.conf
}}
userdb {{
  driver = ldap
  args = {directory}/accounts.conf
}}
"""
DIRECTORY = """
uris = {ldap.url}
dn = {ldap.reader}
dnpass = {ldap.password}
base = {ldap.base}
auth_bind = yes
pass_filter = (&(objectClass={ldap.person})(mail=%u))
pass_attrs =
user_filter = (&(objectClass={ldap.person})(mail=%u))
user_attrs = =uid={user}, =gid={user}, =home={state}/mail/{home}, =master_user=%u
iterate_filter = (objectClass={ldap.person})
iterate_attrs = mail=user
"""
"""The directory itself says whether a password is right: Dovecot tries to log in there with it."""


def missing() -> str:
    """Return why Dovecot cannot be run here, empty when it can; installs it first where that is allowed."""
    return daemon.missing(PACKAGES) or ("" if os.geteuid() == 0 else "only root can start it")


class Dovecot(daemon.Server):
    """A Dovecot, and what tests do with it besides talking to it."""

    def __init__(
        self, directory: Path, *, storage: str, separator: str, quota: int, fsync: bool, more: str,
        ldap: OpenLdap | None, home: str,
    ) -> None:
        self.imap_port, self.imaps_port, self.sieve_port, self.lmtp_port = (free_port() for _unused in range(4))
        self.storage, self.separator = storage, separator
        self.master_user, self.master_password = MASTER_USER, MASTER_PASSWORD
        self.configuration = directory / "dovecot.conf"
        """What doveadm is to be told, to work on this server."""
        super().__init__(directory, self.imap_port, ["dovecot", "-F", "-c", self.configuration], whole=True)
        for part in ("mail", "users"):
            (self._state / part).mkdir()
        shutil.chown(self._state / "mail", MAIL_USER, MAIL_USER)
        certificate = daemon.certify(directory)
        self.ca_file = str(certificate.authority)
        (directory / "masters").write_text(f"{MASTER_USER}:{{PLAIN}}{MASTER_PASSWORD}\n", encoding="utf-8")
        places = {"directory": directory, "state": self._state, "user": MAIL_USER, "ldap": ldap, "home": home}
        (directory / "accounts.conf").write_text((DIRECTORY if ldap else FILES).format(**places), encoding="utf-8")
        special_folders = "\n".join(
            f"  mailbox {name} {{\n    special_use = {use}\n    auto = create\n  }}"
            for name, use in SPECIAL_FOLDERS.items()
        )
        self.configuration.write_text(CONFIGURATION.format(
            **places, accounts=(OF_DIRECTORY if ldap else OF_FILES).format(**places), log=self._log,
            certificate=certificate.certificate, key=certificate.key, storage=storage, location=LOCATIONS[storage],
            separator=separator, fsync="optimized" if fsync else "never", special_folders=special_folders, quota=quota,
            imap_port=self.imap_port, imaps_port=self.imaps_port, sieve_port=self.sieve_port, lmtp_port=self.lmtp_port,
            more=more,
        ), encoding="utf-8")

    def settings(self, **changes: Any) -> ImapSettings:
        """Return how the engine gets to this server."""
        return ImapSettings(**{
            "host": self.host, "port": self.imaps_port, "ca_file": self.ca_file, "sieve_port": self.sieve_port,
            "master_user": self.master_user, "master_password": self.master_password,
            "accounts_file": self.accounts_file, **changes,
        })

    def add_account(self, address: str, password: str = "") -> None:
        """Let an address be an account. Without a password only the master user can log in."""
        self.add_accounts([address], password)

    def add_accounts(self, addresses: Sequence[str], password: str = "") -> None:
        """Let addresses be accounts, as add_account."""
        for address in addresses:
            if not address or {"\0", "\n", "%"} & set(address):
                raise ValueError(f"{address!r} cannot be an account's address.")
            record = json.dumps({"password": "{PLAIN}" + (password or secrets.token_hex())})
            (self._state / "users" / _digest(address)).write_text(record, encoding="utf-8")
        self._list([*self._accounts(), *addresses])

    def remove_account(self, address: str) -> None:
        """Let an address be no account any more, and its mail be gone."""
        self._list([other for other in self._accounts() if other != address])
        (self._state / "users" / _digest(address)).unlink()
        shutil.rmtree(self._home(address), ignore_errors=True)

    def mail(self, address: str) -> Path:
        """Return where the mail of an account lies."""
        return self._home(address) / LOCATIONS[self.storage]

    def lose_mail(self) -> None:
        """Delete the spool, as a disk does that fails."""
        self.stop()
        shutil.rmtree(self._state / "mail")
        (self._state / "mail").mkdir()
        shutil.chown(self._state / "mail", MAIL_USER, MAIL_USER)
        self.start()

    def doveadm(self, *arguments: str) -> str:
        """Run doveadm on this server; return what it prints."""
        done = subprocess.run(
            ["doveadm", "-c", self.configuration, *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", errors="surrogateescape", check=False,
        )
        if done.returncode:
            raise RuntimeError(f"doveadm {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def _home(self, address: str) -> Path:
        return self._state / "mail" / _digest(address)


@contextmanager
def dovecot(
    storage: str = MDBOX, separator: str = "/", quota: int = 10 << 30, fsync: bool = True, more: str = "",
    ldap: OpenLdap | None = None, home: str = "%Mu", *, in_memory: bool = False,
) -> Iterator[Dovecot]:
    """Serve mail on free ports of 127.0.0.1 for as long as the with statement lasts. Up in some tenths of a second.

    :param quota: how many bytes an account may have.
    :param fsync: whether mail is safe on the disk before it is acknowledged.
    :param more: further configuration.
    :param ldap: the directory whose accounts are all that there are.
    :param home: what Dovecot calls the home of one of those; by default the digest of its address.
    :param in_memory: do not wait for the disk, whatever is done (daemon.running).
    """
    with daemon.running(lambda directory: Dovecot(
        directory, storage=storage, separator=separator, quota=quota, fsync=fsync, more=more, ldap=ldap, home=home,
    ), in_memory=in_memory) as server:
        yield server


def _digest(address: str) -> str:
    """Return the name of an account among files: what Dovecot makes of %Mu."""
    return hashlib.md5(address.encode(), usedforsecurity=False).hexdigest()
