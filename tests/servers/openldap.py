# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""slapd: a directory in LDAP from the distribution's packages, with Carbonio's names (openldap.schema)."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import importlib
import importlib.util
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import daemon
from .ports import HOST, free_port

PACKAGES = {"slapd": "slapd", "ldapsearch": "ldap-utils"}
LIBRARY_PACKAGES = {"cc": "gcc", "/usr/include/ldap.h": "libldap2-dev", "/usr/include/sasl/sasl.h": "libsasl2-dev"}
"""What python-ldap is built with."""
PASSWORD = "password-of-the-directory"
LIMIT = 500
"""Entries that a search gives the manager without pages, and the reader at all."""
UNNAMED = "127.0.0.2"
STANDARD = Path("/etc/ldap/schema")
OURS = Path(__file__).with_suffix(".schema")

CONFIGURATION = """
include {directory}/core.schema
include {standard}/cosine.schema
include {standard}/inetorgperson.schema
{ours}
pidfile {directory}/pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload pw-sha2
TLSCACertificateFile {certificate.authority}
TLSCertificateFile {certificate.certificate}
TLSCertificateKeyFile {certificate.key}
database mdb
suffix "{base}"
directory {data}
maxsize 1073741824
dbnosync
readonly {read_only}
index objectClass,uid,mail,dc,cn eq
limits dn.exact="{manager}" size={limit} size.prtotal=unlimited
limits dn.exact="{reader}" size={limit} size.prtotal={limit}
access to attrs=userPassword by dn.exact="{manager}" write by dn.exact="{reader}" read by * auth
access to * by dn.exact="{manager}" write by * read
{indices}
"""
INDICES = "index zimbraId,zimbraMailAlias,zimbraDomainName,zimbraSignatureId eq"
USER = """
dn: {dn}
objectClass: organizationalRole
objectClass: simpleSecurityObject
userPassword: {password}
"""
CARBONIO, COMPANY = "cn=zimbra", "dc=example,dc=com"
FIRST = {
    CARBONIO: "dn: cn=zimbra\nobjectClass: organizationalRole\n",
    COMPANY: "dn: dc=example,dc=com\nobjectClass: dcObject\nobjectClass: organization\no: Example\n",
}


USES_LIBRARY = "ansible_collections.restante.carbonio.plugins.module_utils.mailstore.imap.ldap_server"


STANDARD_NAMES = {
    "zimbraAccount": "inetOrgPerson", "zimbraId": "entryUUID", "zimbraMailAlias": "mail", "zimbraDomain": "dcObject",
    "zimbraDomainName": "", "zimbraMailDeliveryAddress": "", "zimbraSignature": "", "zimbraCOS": "",
    "zimbraDistributionList": "",
}
"""What a directory without Carbonio's names calls things: the engine's setting ldap_attributes."""


def missing() -> str:
    """Return why slapd or python-ldap cannot be had here, empty when they can; installs them where that is allowed."""
    reason = install()
    user: Any = sys.modules.get(USES_LIBRARY)
    if not reason and user is not None and user.LDAP_MISSING:
        return "python-ldap has only just been installed, after the adapter had looked for it: run the tests again"
    return reason


def install() -> str:
    """Install slapd and python-ldap where that is allowed; return why they are not there, empty when they are."""
    reason = daemon.missing(PACKAGES if _has_library() else {**PACKAGES, **LIBRARY_PACKAGES})
    if reason or _has_library():
        return reason
    with daemon.alone(daemon.PACKAGES):
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "python-ldap"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )
    return "" if _has_library() else f"pip install python-ldap failed: {done.stderr.strip()[-500:]}"


def _has_library() -> bool:
    importlib.invalidate_caches()
    return importlib.util.find_spec("ldap") is not None


class OpenLdap(daemon.Server):
    """A slapd that can be stopped, killed and started again; what it has stored stays."""

    def __init__(self, directory: Path, *, carbonio: bool, international: bool) -> None:
        self.base = "" if carbonio else COMPANY
        """What the directory begins with."""
        self.person = "zimbraAccount" if carbonio else "inetOrgPerson"
        """The object class of an account."""
        self.password = PASSWORD
        above = CARBONIO if carbonio else COMPANY
        self.manager, self.reader = f"cn=manager,{above}", f"cn=reader,{above}"
        """Who may write everything, and who may only read."""
        port, tls_port = free_port(), free_port()
        self.url, self.tls_url = f"ldap://{HOST}:{port}", f"ldaps://{HOST}:{tls_port}"
        self.unnamed_url = f"ldaps://{UNNAMED}:{tls_port}"
        """The same at an address that is not in its certificate."""
        self._configuration = directory / "slapd.conf"
        # AppArmor, where a distribution has it, lets the installed program read the installed directory alone.
        self._program = directory / "slapd"
        super().__init__(directory, port, [
            self._program, "-d", "0", "-f", self._configuration,
            "-h", f"{self.unnamed_url} {self.tls_url} {self.url}",  # it listens in this order
        ], greets=False)
        shutil.copy(str(shutil.which("slapd")), self._program)
        self._certificate = daemon.certify(directory)
        self.ca_file = str(self._certificate.authority)
        self._carbonio = carbonio
        core = (STANDARD / "core.schema").read_text(encoding="utf-8")
        (directory / "core.schema").write_text(_of_any_letters(core) if international else core, encoding="utf-8")
        self._configure(read_only=False)
        self._load(FIRST[above] + "".join(USER.format(dn=dn, password=PASSWORD) for dn in (self.manager, self.reader)))

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return the settings of this directory, for ImapSettings: as the manager, without TLS."""
        return {
            "directory": "ldap", "ldap_url": self.url, "ldap_bind_dn": self.manager, "ldap_password": PASSWORD,
            "ldap_base": self.base, "ldap_attributes": {} if self._carbonio else STANDARD_NAMES, **changes,
        }

    def add_person(self, address: str, password: str) -> None:
        """Let somebody be in a company's directory, as its administrator does it."""
        local, connection = address.partition("@")[0], self.connect()
        unit = ("ou=people", {"objectClass": [b"organizationalUnit"], "ou": [b"people"]})
        person = (f"uid={local},ou=people", {
            "objectClass": [b"inetOrgPerson"], "uid": [local.encode()], "cn": [local.encode()], "sn": [b"Example"],
            "mail": [address.encode()], "userPassword": [_hashed(password)],
        })
        for rdn, attributes in (unit, person):
            with contextlib.suppress(importlib.import_module("ldap").ALREADY_EXISTS):
                connection.add_s(f"{rdn},{self.base}", list(attributes.items()))
        connection.unbind_s()

    def remove_person(self, address: str) -> None:
        """Take somebody out of a company's directory."""
        connection = self.connect()
        connection.delete_s(f"uid={address.partition('@')[0]},ou=people,{self.base}")
        connection.unbind_s()

    def connect(self) -> Any:
        """Return a connection of python-ldap, as the manager."""
        ldap: Any = importlib.import_module("ldap")
        connection = ldap.initialize(self.url)
        connection.simple_bind_s(self.manager, PASSWORD)
        return connection

    def empty(self) -> None:
        """Remove all that was not there in the beginning."""
        connection = self.connect()
        names = [dn for dn, _attrs in connection.search_s(self.base, 2, "(objectClass=*)", ["1.1"])]
        for dn in reversed(names):  # what lies under another comes after it
            if dn not in (self.manager, self.reader, CARBONIO, COMPANY if self.base else ""):
                connection.delete_s(dn)
        connection.unbind_s()

    def start(self, read_only: bool = False) -> None:
        """Start it; it answers when this returns. :param read_only: whether it refuses all writes."""
        self._configure(read_only)
        super().start()

    def _configure(self, read_only: bool) -> None:
        self._configuration.write_text(CONFIGURATION.format(
            directory=self._directory, standard=STANDARD, data=self._state, certificate=self._certificate,
            ours=f"include {OURS}" if self._carbonio else "", indices=INDICES if self._carbonio else "",
            base=self.base, manager=self.manager, reader=self.reader, limit=LIMIT,
            read_only="on" if read_only else "off",
        ), encoding="utf-8")

    def _load(self, ldif: str) -> None:
        done = subprocess.run(
            [self._program, "-Tadd", "-f", self._configuration], input=ldif, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"slapadd: {done.stderr[-2000:]}")


@contextmanager
def openldap(carbonio: bool = True, international: bool = True) -> Iterator[OpenLdap]:
    """Serve a directory on free ports of 127.0.0.1 for as long as the with statement lasts. Up in a tenth of a second.

    :param carbonio: whether it has Carbonio's names and holds all domains, or is one company's with none but standard
        ones. :param international: whether addresses may be of any letters (RFC 6532), which Debian's schema forbids.
    """
    with daemon.running(
        lambda directory: OpenLdap(directory, carbonio=carbonio, international=international)
    ) as server:
        yield server


def _hashed(password: str) -> bytes:
    """Return a password as slapd keeps it: {SSHA}, RFC 2307 with salt."""
    salt = secrets.token_bytes(8)
    return b"{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt)


def _of_any_letters(schema: str) -> str:
    """Return core.schema with a mail attribute of any letters."""
    begin = schema.index("NAME ( 'mail'")
    end = schema.index(")", schema.index("SYNTAX", begin))
    mail = schema[begin:end].replace("IA5", "").replace("1466.115.121.1.26", "1466.115.121.1.15")
    return schema[:begin] + mail + schema[end:]
