# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The commands that look into a backup, and into mailbox.log, for what is to be restored (reference, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ..mailstore.mailbox_log import ACTIONS
from ..model import moment
from ..restore.search import DELETED, FILTERS, TYPES
from ..runtime import account_inspection, inspection, log_inspection, server_config
from ..runtime.node import Node
from ..runtime.searching import LIMIT, MOST_RECENT
from .grammar import BOOLEAN, INTEGER, LIST, PATH, TEXT, Command, Parameter, Type, choice

_ACCOUNT: Final = Parameter("account", Type("Account Name/ID", str), "also one that is deleted")
_BACKUP_PATH: Final = Parameter("backup_path", PATH, "another one than this node's", "")
_BUCKET: Final = (
    Parameter("blobs_archive", TEXT, "the Bucket ID of the bucket to read contents from", ""),
    Parameter("volume_prefix", TEXT, "the one of the backup that wrote to that bucket", ""),
)
_DATE: Final = '"dd/MM/yyyy HH:mm:ss"'


def _item(node: Node, **given: Any) -> Any:
    found = inspection.item(node, **given)
    if "blob" in found:
        found["blob"] = found["blob"].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return found


def _available_accounts(node: Node, output_file: str, output_headers: Sequence[str], **given: Any) -> Any:
    found = account_inspection.available_accounts(node, **given)
    if output_file:
        account_inspection.write_accounts(found, output_file, output_headers)
    return found


def _server_config(node: Node, date: str, backup_path: str, query: str, verbose: bool, colors: bool) -> Any:
    return server_config.server_config(node, date=date, backup_path=backup_path, query=query)


COMMANDS: Final = (
    Command(
        "backup", ("getItem",), "show the states of an item", _item,
        (_ACCOUNT, Parameter("item", TEXT, "its id")),
        (
            _BACKUP_PATH,
            Parameter("dump_blob", BOOLEAN, "also print its content", False),
            Parameter("date", Type(f"{_DATE}|first|last|all", str), "which state", moment.LAST),
            *_BUCKET,
        ),
        example="getItem john@example.com 339 dump_blob true",
    ),
    Command(
        "backup", ("doItemSearch",), "find items of an account; deleted messages, unless told otherwise",
        inspection.search_items,
        (_ACCOUNT,),
        (
            _BACKUP_PATH,
            Parameter("id", TEXT, "only the item with this id", ""),
            Parameter("search_string", TEXT, "in the name, the subject, the sender and so on; case matters", ""),
            Parameter("type", choice(*TYPES), "", "message"),
            Parameter("before", Type(_DATE, str), "received or created before", ""),
            Parameter("after", Type(_DATE, str), "received or created then or later", ""),
            Parameter("raw_metadata", BOOLEAN, "print the metadata as the backup has it", False),
            Parameter("search_filter", choice(*FILTERS), "", DELETED),
            Parameter("in_content", BOOLEAN, "also look for search_string among the contents", False),
            *_BUCKET,
            Parameter("deleted_before", Type(_DATE, str), "", ""),
            Parameter("deleted_after", Type(_DATE, str), "", ""),
            Parameter("limit", INTEGER, "how many items at most; 0 for all", LIMIT),
        ),
        example="doItemSearch john@example.com search_string Invoice after 2026-03-28",
    ),
    Command(
        "backup", ("getAccountInfo",), "show an account", account_inspection.account,
        (_ACCOUNT,),
        (
            _BACKUP_PATH,
            Parameter(
                "date", Type(f"{_DATE}|most_recent|least_recent|all", str), "which state",
                MOST_RECENT,
            ),
            Parameter("backupstats", BOOLEAN, "also count what is in its mailbox", False),
        ),
        example="getAccountInfo john@example.com backupstats true",
    ),
    Command(
        "backup", ("getAvailableAccounts",), "list the accounts that can be restored", _available_accounts,
        optional=(
            Parameter("date", Type(f"{_DATE}|last", str), "as of then", moment.LAST),
            _BACKUP_PATH,
            Parameter("domains", LIST, "only theirs", ()),
            Parameter("hide_deleted", BOOLEAN, "leave out what was deleted by then", False),
            Parameter("hide_system_accounts", BOOLEAN, "leave out service mailboxes", True),
            Parameter("hide_existing_accounts", BOOLEAN, "leave out what this node's mail server has", False),
            Parameter("output_file", PATH, "write the list to this new file, too", ""),
            Parameter("output_headers", LIST, f"what to write: {', '.join(account_inspection.HEADERS)}", ()),
        ),
        example="getAvailableAccounts domains example.com hide_existing_accounts true",
    ),
    Command(
        "backup", ("getAvailableDomains",), "list the domains of a backup", account_inspection.available_domains,
        (Parameter("date", Type(f"{_DATE}|last", str), "as of then"), Parameter("backup_path", PATH)),
        example="getAvailableDomains last /opt/zextras/backup/zextras",
    ),
    Command(
        "backup", ("getServerConfig", "standard"), "show the configuration of the server that the backup has",
        _server_config,
        optional=(
            Parameter("date", Type(f"{_DATE}|last|all", str), "as of then; all: every state of one entry", moment.LAST),
            _BACKUP_PATH,
            Parameter("query", TEXT, f"type/id/key; types are {', '.join(server_config.TYPES)}", "/"),
            Parameter("verbose", BOOLEAN, "accepted; all is shown", False),
            Parameter("colors", BOOLEAN, "accepted; there are none", False),
        ),
        example="getServerConfig standard query domain/example.com",
    ),
    Command(
        "backup", ("doMailboxLogSearch",), "find in mailbox.log what happened to items", log_inspection.search_log,
        optional=(
            Parameter("file", PATH, "the log; rotated files lie beside it", log_inspection.DEFAULT_FILE),
            Parameter("start", Type(_DATE, str), "then or later", ""),
            Parameter("end", Type(_DATE, str), "before", ""),
            Parameter("account", Type("Account Name/ID", str), "only in this mailbox", ""),
            Parameter("item", TEXT, "only the item with this id", ""),
            Parameter("message_id", TEXT, "only the message with this Message-ID", ""),
            Parameter("sender", TEXT, "only messages from this address, or a part of it", ""),
            Parameter("folder", TEXT, "only into this folder, by name, path or id", ""),
            Parameter("action", LIST, f"only {', '.join(ACTIONS)}", ()),
            Parameter("rotated", BOOLEAN, "also search the rotated files", True),
            Parameter("time_zone", TEXT, "that of the log, such as Europe/Rome, where it is not the node's", ""),
            Parameter("limit", INTEGER, "how many events at most; 0 for all", LIMIT),
        ),
        example="doMailboxLogSearch account john@example.com folder Trash start 2026-03-28",
    ),
)
