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
options:
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
    description: Which kind of mail server this node runs.
    type: str
    choices: [embedded]
  mailstore_path:
    description: The directory of an embedded mail store. Defaults to V(/var/lib/restante/mailstore).
    type: path
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
    "backup_path": {"type": "path"},
    "cache_path": {"type": "path"},
    "state_path": {"type": "path"},
    "mailstore_adapter": {"type": "str", "choices": ["embedded"]},
    "mailstore_path": {"type": "path"},
    "mailstore_create": {"type": "bool", "default": False},
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
