# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The keys of a node's encrypted backup: an account forgotten by its key, and another master key."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from ..backup import commits
from ..backup.repository import Repository
from ..care.forgetting import candidates, forget
from ..care.keyrings import numbers, remove_keyrings
from ..model import moment
from ..model.errors import InvalidInput, NotABackup, Refused, RestanteError
from ..operations.notifications import INFORMATION, WARNING
from ..operations.progress import SILENT, Progress
from . import master_key
from . import settings as settings_file
from .backups import PATIENCE
from .call import Call
from .node import Node
from .operations import operation
from .settings import ENCRYPTION_KEYS, Settings

FORGET: Final = "Forget Account"
CHANGE: Final = "Change Master Key"


def forget_accounts(
    node: Node, accounts: Sequence[str], notifications: Sequence[str] = (), dry_run: bool = False
) -> dict[str, Any]:
    """Destroy the keys of accounts, here and in the archive: what the backup holds of them is out of reach then.

    Accounts that are forgotten already are none to it: run again, it only finishes what a kill or an archive that did
    not answer has left.

    :param accounts: addresses or ids.
    :raises InvalidInput: the backup is not encrypted, or no account is named.
    :raises NotFound: it knows no such account. :raises Refused: an account is still there, or on hold.
    :return: changed, accounts (name and id), warnings, diff, and operation_id where something was done.
    """
    if not accounts:
        raise InvalidInput("Name the accounts, by address or id.")
    with contextlib.closing(node.repository()) as repository:
        wanted = candidates(repository, accounts)
        behind, reasons = (False, []) if wanted else _is_behind(node, repository)
    rows = [{"name": one.name, "id": one.account_id} for one in wanted]
    outcome: dict[str, Any] = {
        "changed": bool(wanted) or behind, "accounts": rows, "warnings": reasons,
        "diff": {"before": "".join(f"{one.name} {one.account_id}\n" for one in wanted), "after": ""},
    }
    if dry_run or not outcome["changed"]:
        return outcome
    with operation(node, FORGET, {"accounts": [one.account_id for one in wanted]}) as running:
        with contextlib.closing(node.repository()) as repository:
            if wanted:
                with repository.writer(PATIENCE) as writer:
                    forget(writer, candidates(repository, accounts), moment.now())
            outcome["warnings"] = _in_archive(node, repository, running)
            outcome["changed"] = bool(wanted) or _is_level(node, repository)
        running.record.result = {"accounts": [one.account_id for one in wanted], "warnings": outcome["warnings"]}
    ids = "".join(f"{one.account_id}\n" for one in wanted)
    text = "\n".join([f"The keys of these accounts were destroyed:\n{ids}", *outcome["warnings"]])
    level = WARNING if outcome["warnings"] else INFORMATION
    node.notifications().notify(level, f"{FORGET}: ended", text, notifications)
    return {**outcome, "operation_id": running.id}


def _is_behind(node: Node, repository: Repository) -> tuple[bool, list[str]]:
    """Return whether the archive has another keyring than the newest one, or lacks the newest commit, as a kill or a
    full disk may leave it; and why that is not known where it is not.
    """
    archive = node.archive(repository.server_id)
    if archive is None or repository.keys is None:
        return False, []
    try:
        lacking = archive.size(commits.name(repository.newest())) is None
        return lacking or numbers(archive) != [repository.keys.ring.number], []
    except RestanteError as error:
        return False, [f"Whether the archive still has a former keyring is not known. {error}"]


def _is_level(node: Node, repository: Repository) -> bool:
    """Return whether the archive is known to have the newest keyring alone, and the newest commit."""
    return _is_behind(node, repository) == (False, [])


def _in_archive(node: Node, repository: Repository, progress: Progress = SILENT) -> list[str]:
    """Bring the keyring and what goes with it into the archive; return why former ones are still there."""
    archive = node.archive(repository.server_id)
    if archive is None or repository.keys is None:
        return []
    try:
        done = node.uploader(repository, archive).sync(progress)
        reasons = remove_keyrings(archive, repository.keys.ring.number)
    except RestanteError as error:
        return [f"The archive still has the former keyring; the next upload, or this once more, replaces it. {error}"]
    kept = [f"The archive keeps a former keyring, and with it the keys, for now: {reason}" for reason in reasons]
    return [*done.warnings, *kept]


def change_master_key(node: Node, given: dict[str, str], dry_run: bool = False) -> dict[str, Any]:
    """Put the keyring of the node's backup under another master key, and name that in the settings.

    Nothing else is written anew: the master key wraps the keys that everything is encrypted with.

    :param given: one of ENCRYPTION_KEYS and what it is from now on. The settings still name the former one.
    :raises RestanteError: one of the two keys cannot be had, or the former one is another; nothing is changed.
    :return: changed, warnings, diff, and operation_id where something was done.
    """
    after = with_key(node.settings, given)
    new = master_key.of(after)
    if not new:
        raise InvalidInput(f"Say where the new master key comes from: {', '.join(ENCRYPTION_KEYS)}.")
    wraps = not _opens_with(node, new[0])
    behind, reasons = False, list[str]()
    if not wraps and after == node.settings:
        with contextlib.closing(node.repository()) as repository:
            behind, reasons = _is_behind(node, repository)
    outcome: dict[str, Any] = {
        "changed": wraps or after != node.settings or behind, "warnings": reasons,
        "diff": {"before": _named(node.settings), "after": _named(after)},
    }
    if dry_run or not outcome["changed"]:
        return outcome
    with operation(node, CHANGE, _named(after)) as running:
        if wraps:
            with contextlib.closing(node.repository()) as repository:
                with repository.writer(PATIENCE) as writer:
                    writer.wrap_keys(new[0])
        # From here on only the new key opens it: killed here, this once more finds that and writes the settings.
        settings_file.save(node.config_file, with_key(settings_file.load(node.config_file), given))
        changed = Node.load(node.config_file)
        with contextlib.closing(changed.repository()) as repository:
            outcome["warnings"] = _in_archive(changed, repository, running)
            outcome["changed"] = wraps or after != node.settings or _is_level(changed, repository)
        running.record.result = {"warnings": outcome["warnings"]}
    return {**outcome, "operation_id": running.id}


def with_key(settings: Settings, given: dict[str, str]) -> Settings:
    """Return settings that name another master key. :raises InvalidInput: they name none, or several."""
    named = dataclasses.replace(
        settings,
        encryption_key_file=given.get("encryption_key_file", ""),
        encryption_key_variable=given.get("encryption_key_variable", ""),
        encryption_key_command=given.get("encryption_key_command", ""),
    )
    settings_file.check(named)
    return named


def _opens_with(node: Node, key: bytes) -> bool:
    """Return whether a master key opens the node's backup already. :raises NotABackup: there is none."""
    try:
        Repository.open(node.settings.backup_path, masters=[key]).close()
    except NotABackup as error:
        raise NotABackup(
            f"{error} For a backup that is still to be made, name the master key in the settings (backup_config)."
        ) from error
    except Refused:
        return False
    return True


def _named(settings: Settings) -> dict[str, str]:
    return {name: getattr(settings, name) for name in ENCRYPTION_KEYS if getattr(settings, name)}


def answer_forget(call: Call) -> dict[str, Any]:
    """Answer the module account_forget."""
    return forget_accounts(call.node(), call["accounts"], call["notifications"], call.check_mode)


def answer_change(call: Call) -> dict[str, Any]:
    """Answer the module master_key."""
    given = {name: call[name] for name in ENCRYPTION_KEYS if call[name]}
    return change_master_key(call.node(), given, call.check_mode)
