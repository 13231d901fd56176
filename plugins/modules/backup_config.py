#!/usr/bin/python
# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_config
short_description: Write the backup settings of a node
description:
  - Keeps the settings of a node in O(config_file), which every other module and the command line read.
  - Settings that are not given are left as they are; a new file gets the vendor's defaults.
  - The file is readable by its owner only.
version_added: 0.1.0
extends_documentation_fragment:
  - restante.carbonio.attributes
  - restante.carbonio.attributes.diff
attributes:
  vendor_engine:
    support: N/A
options:
  engine:
    description:
      - What backs up and restores on this node. Defaults to V(restante), the engine of this collection.
      - V(carbonio) is the vendor's Carbonio Backup. The same modules and roles then drive its command; the attribute
        C(vendor_engine) of each module tells what of it works there.
    type: str
    choices: [restante, carbonio]
  carbonio_command:
    description: The vendor's command, for O(engine=carbonio). Defaults to V(/opt/zextras/bin/carbonio).
    type: path
  carbonio_user:
    description:
      - Who the vendor's command is for. Defaults to V(zextras). A module that root runs becomes that user for it; one
        that anybody else runs is refused.
      - Empty for whoever runs the module.
    type: str
  carbonio_timeout:
    description:
      - Seconds after which one run of the vendor's command is given up. Defaults to V(300).
      - Operations may take longer; they are looked at again and again.
    type: int
  backup_path:
    description: Where the backup of this node is kept, an absolute path. Defaults to V(/opt/zextras/backup/zextras).
    type: path
  cache_path:
    description: Where a restore keeps what it fetched from a bucket. Defaults to V(/opt/zextras/cache).
    type: path
  state_path:
    description: Where operations and notifications are recorded. Defaults to V(/var/lib/restante).
    type: path
  mailstore_adapter:
    description:
      - Which kind of mail server this node runs, or backs up.
      - V(imap) is any server that speaks IMAP, with ManageSieve, CardDAV and CalDAV beside it where there is that.
    type: str
    choices: [embedded, imap]
  mailstore_path:
    description:
      - The directory of an embedded mail store.
      - For any other mail server, where the engine keeps what it last saw there.
      - Defaults to V(/var/lib/restante/mailstore).
    type: path
  imap:
    description:
      - How the mail server is reached, for O(mailstore_adapter=imap). What is not given stays as it is.
    type: dict
    suboptions:
      host:
        description: The mail server.
        type: str
      port:
        description: Its port for IMAP. Defaults to V(993).
        type: int
      security:
        description: How the connection is protected. Defaults to V(tls).
        type: str
        choices: [tls, starttls, none]
      ca_file:
        description: The authorities that certificates are checked against, a PEM file; the system's where it is empty.
        type: path
      master_user:
        description: Who may log in as every account, so that no user's password is needed.
        type: str
      master_password:
        description: Its password.
        type: str
      impersonation:
        description:
          - How the master user becomes an account. V(separator) logs in as C(account*master) (Dovecot), V(proxy) is
            authorised as the account by SASL PLAIN (Cyrus, Dovecot, Carbonio).
          - Defaults to V(separator).
        type: str
        choices: [separator, proxy]
      separator:
        description: What stands between account and master user. Defaults to V(*).
        type: str
      login_name:
        description: What an account logs in with. Defaults to V(address).
        type: str
        choices: [address, local_part]
      timeout:
        description: Seconds without an answer after which a server counts as unavailable. Defaults to V(60).
        type: int
      connections:
        description: How many connections to the mail server may be open at once. Defaults to V(4).
        type: int
      sieve_host:
        description: The ManageSieve server; O(imap.host) where it is empty.
        type: str
      sieve_port:
        description: Its port; V(0) where there is no ManageSieve, and filters are left out. Defaults to V(4190).
        type: int
      sieve_security:
        description: How the connection to it is protected. Defaults to V(starttls).
        type: str
        choices: [tls, starttls, none]
      carddav_url:
        description:
          - The home of an account's address books, with C({user}) where what it logs in with goes.
          - Empty where there is no CardDAV, and contacts are left out.
        type: str
      caldav_url:
        description: The home of an account's calendars, likewise.
        type: str
      dav_user_template:
        description:
          - What is logged in with for CardDAV and CalDAV, with C({user}) where what the account logs in with goes.
          - Empty for the same way as for IMAP.
        type: str
      dav_password:
        description: The password that goes with O(imap.dav_user_template).
        type: str
      dav_token_key:
        description: A key in base64 that tokens for CardDAV and CalDAV are signed with (Cyrus, C(http_jwt_key_dir)).
        type: str
      directory:
        description: Where accounts are known from. Defaults to V(list).
        type: str
        choices: [ldap, list]
      accounts_file:
        description: For V(list), a file with an address on each line.
        type: path
      ldap_url:
        description: The directory server, such as C(ldaps://ldap.example.com).
        type: str
      ldap_starttls:
        description: Whether a connection to C(ldap://) is protected by StartTLS. Defaults to V(false).
        type: bool
      ldap_bind_dn:
        description: Who the engine binds as.
        type: str
      ldap_password:
        description: Its password.
        type: str
      ldap_base:
        description: The entry below which everything lies; empty for the root.
        type: str
      ldap_attributes:
        description:
          - Names of this directory by Carbonio's, for attributes and object classes, where it has others.
          - An empty name says that the directory has no such thing.
        type: dict
  mailstore_create:
    description: Make an empty embedded mail store where there is none.
    type: bool
    default: false
  realtime_scanner:
    description: Whether changes are recorded as they happen, as the vendor's C(ZxBackup_RealTimeScanner).
    type: bool
  data_retention_days:
    description:
      - For how many days the past of items is kept; V(0) for ever. Defaults to V(30).
      - As the vendor's C(ZxBackup_DataRetentionDays). M(restante.carbonio.purge) goes by it.
    type: int
  account_retention_days:
    description:
      - For how many days a deleted account is kept, with all it held; V(0) for ever. Defaults to V(30).
      - As the vendor's C(backupAccountsRetentionDays).
    type: int
  purge_grace_days:
    description:
      - For how many days files stay that a purge has taken out of the backup, for restores that began before.
        Defaults to V(7).
    type: int
  encryption_key_file:
    description:
      - The file with the master key of encrypted backups, 32 random bytes as 64 hexadecimal digits or as base64, which
        only the service user may read. Keep a copy of it elsewhere; without it, nothing can be restored.
      - Where this, O(encryption_key_variable) or O(encryption_key_command) is set, backups that are made are encrypted,
        and only encrypted ones are read. An existing backup stays what it was made as.
    type: path
  encryption_key_variable:
    description: The environment variable with the master key, of the processes that work with the backup.
    type: str
  encryption_key_command:
    description:
      - A command that prints the master key, as the client of a key service does. It is run without a shell, as the
        service user, whenever the backup is opened.
    type: str
  witness_path:
    description:
      - A file in another place, on a share for instance, which is told after each upload what the archive holds.
        M(restante.carbonio.metadata_retrieve) refuses by it an archive that was put back to an older state.
    type: path
  time_zone:
    description: The zone in which dates without an offset are meant, by its IANA name; empty for the node's own.
    type: str
  administrator:
    description: The address that every notification is sent to; several with commas between.
    type: str
  initiator_domain:
    description:
      - The mail domain of the users of this node. Whoever starts an operation is told at their name in it.
      - Where it is empty, they are told where the operation was given their address.
    type: str
  notification_level:
    description: The least urgent type of notification that is mailed; all are kept. Defaults to V(Information).
    type: str
    choices: [Information, Warning, Error, Critical]
  smtp_host:
    description: The server that notifications are sent through; empty to keep them on the node only.
    type: str
  smtp_port:
    description: The port of O(smtp_host). Defaults to V(25).
    type: int
  smtp_security:
    description: How the connection to O(smtp_host) is protected. Defaults to V(none).
    type: str
    choices: [none, starttls, tls]
  smtp_ca_file:
    description: The authorities to trust, a PEM file; the system's where it is empty.
    type: path
  smtp_username:
    description: The name to log in with; empty for no login.
    type: str
  smtp_password:
    description: The password to log in with.
    type: str
  smtp_sender:
    description: The address that notifications come from; O(administrator) where it is empty.
    type: str
seealso:
  - module: restante.carbonio.backup_config_info
  - module: restante.carbonio.backup_volume
"""

EXAMPLES = r"""
- name: Keep the backup on a disk of its own
  restante.carbonio.backup_config:
    backup_path: /srv/backup/zextras
    administrator: postmaster@example.com

- name: Keep the past of items for a year, and deleted accounts for ever
  restante.carbonio.backup_config:
    data_retention_days: 365
    account_retention_days: 0

- name: Encrypt the backup that is to be made
  restante.carbonio.backup_config:
    encryption_key_file: /etc/restante/master.key
    witness_path: /mnt/elsewhere/mail1.witness.json

- name: Back up a Dovecot whose accounts are in LDAP
  restante.carbonio.backup_config:
    mailstore_adapter: imap
    imap:
      host: imap.example.com
      master_user: backup
      master_password: "{{ vault_imap_master }}"
      directory: ldap
      ldap_url: ldaps://ldap.example.com
      ldap_bind_dn: cn=backup,dc=example,dc=com
      ldap_password: "{{ vault_ldap_password }}"

- name: Switch the Realtime Scanner off for an import
  restante.carbonio.backup_config:
    realtime_scanner: false
"""

RETURN = r"""
settings:
  description: The settings as they are now, without secrets.
  returned: success
  type: dict
  sample: {"backup_path": "/opt/zextras/backup/zextras", "realtime_scanner": true}
python:
  description: The Python that the modules run with on this node.
  returned: success
  type: str
  sample: /usr/bin/python3
missing_libraries:
  description: What this Python lacks of the libraries that the other modules need.
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.restante.carbonio.plugins.module_utils.runtime import configuration
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.module import run

ARGUMENTS = {
    "engine": {"type": "str", "choices": ["restante", "carbonio"]},
    "carbonio_command": {"type": "path"},
    "carbonio_user": {"type": "str"},
    "carbonio_timeout": {"type": "int"},
    "backup_path": {"type": "path"},
    "cache_path": {"type": "path"},
    "state_path": {"type": "path"},
    "mailstore_adapter": {"type": "str", "choices": ["embedded", "imap"]},
    "mailstore_path": {"type": "path"},
    "mailstore_create": {"type": "bool", "default": False},
    "imap": {"type": "dict", "options": {
        "host": {"type": "str"},
        "port": {"type": "int"},
        "security": {"type": "str", "choices": ["tls", "starttls", "none"]},
        "ca_file": {"type": "path"},
        "master_user": {"type": "str"},
        "master_password": {"type": "str", "no_log": True},
        "impersonation": {"type": "str", "choices": ["separator", "proxy"]},
        "separator": {"type": "str"},
        "login_name": {"type": "str", "choices": ["address", "local_part"]},
        "timeout": {"type": "int"},
        "connections": {"type": "int"},
        "sieve_host": {"type": "str"},
        "sieve_port": {"type": "int"},
        "sieve_security": {"type": "str", "choices": ["tls", "starttls", "none"]},
        "carddav_url": {"type": "str"},
        "caldav_url": {"type": "str"},
        "dav_user_template": {"type": "str"},
        "dav_password": {"type": "str", "no_log": True},
        "dav_token_key": {"type": "str", "no_log": True},
        "directory": {"type": "str", "choices": ["ldap", "list"]},
        "accounts_file": {"type": "path"},
        "ldap_url": {"type": "str"},
        "ldap_starttls": {"type": "bool"},
        "ldap_bind_dn": {"type": "str"},
        "ldap_password": {"type": "str", "no_log": True},
        "ldap_base": {"type": "str"},
        "ldap_attributes": {"type": "dict"},
    }},
    "realtime_scanner": {"type": "bool"},
    "data_retention_days": {"type": "int"},
    "account_retention_days": {"type": "int"},
    "purge_grace_days": {"type": "int"},
    "encryption_key_file": {"type": "path", "no_log": False},
    "encryption_key_variable": {"type": "str", "no_log": False},
    "encryption_key_command": {"type": "str", "no_log": False},
    "witness_path": {"type": "path"},
    "time_zone": {"type": "str"},
    "administrator": {"type": "str"},
    "initiator_domain": {"type": "str"},
    "notification_level": {"type": "str", "choices": ["Information", "Warning", "Error", "Critical"]},
    "smtp_host": {"type": "str"},
    "smtp_port": {"type": "int"},
    "smtp_security": {"type": "str", "choices": ["none", "starttls", "tls"]},
    "smtp_ca_file": {"type": "path"},
    "smtp_username": {"type": "str"},
    "smtp_password": {"type": "str", "no_log": True},
    "smtp_sender": {"type": "str"},
}


def main() -> None:
    run(configuration.change, ARGUMENTS)


if __name__ == "__main__":
    main()
