# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes whose engine is the vendor's, driven by playbooks. Their carbonio is our own command line, which speaks the
same words and has our engine behind it: every command really begins, runs, is followed, and brings the mail back."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from ansible_collections.restante.carbonio.plugins.module_utils.runtime import settings as settings_file
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.node import Node
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.recovery import prove
from ansible_collections.restante.carbonio.plugins.module_utils.runtime.settings import CARBONIO, Settings
from playbook_kit import CHECKOUT, PLAYBOOKS, Run, run, run_tasks
from recovery_kit import NodeA, recovery_variables

ANN = {"account": "ann@example.com"}
ALL = {**ANN, "start_date": "first", "end_date": "last"}
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
MESSAGES = 4
LAUNCHER = """\
#!/bin/sh
echo "$*" >> {log}
PYTHONPATH={collections} exec {python} -m ansible_collections.restante.carbonio.plugins.module_utils.cli.main \\
    --config-file {config_file} "$@"
"""


class VendorNode(NamedTuple):
    """A node with a carbonio of its own."""

    root: Path

    @property
    def settings(self) -> Path:
        """Those of the collection, which name the vendor's engine."""
        return self.root / "etc" / "restante.json"

    @property
    def command(self) -> Path:
        """Its carbonio."""
        return self.root / "carbonio"

    @property
    def behind(self) -> Path:
        """The settings of what is behind its carbonio; no module under test reads them."""
        return self.root / "vendor" / "restante.json"

    def process_list(self) -> str:
        """Return all that its carbonio was ever given as words."""
        return (self.root / "words.log").read_text("utf-8")

    @contextlib.contextmanager
    def store(self) -> Iterator[EmbeddedStore]:
        """Open its mail server."""
        with contextlib.closing(EmbeddedStore.open(str(self.root / "vendor" / "mailstore_path"))) as store:
            yield store


def install(root: Path) -> VendorNode:
    """Make a node with a carbonio and an empty mail server."""
    node = VendorNode(root)
    places = {name: str(root / "vendor" / name) for name in PLACES}
    settings_file.save(str(node.behind), Settings(**places))
    EmbeddedStore.create(places["mailstore_path"]).close()
    node.command.write_text(LAUNCHER.format(
        log=root / "words.log", collections=CHECKOUT / "build" / "collections", python=sys.executable,
        config_file=node.behind,
    ), "utf-8")
    node.command.chmod(0o755)
    return node


def task(name: str, module: str, given: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, f"restante.carbonio.{module}": given, "diff": True, **more}


# -- mail that was deleted ---------------------------------------------------------------------------------------------


class Mended(NamedTuple):
    """What became of a node that had lost mail."""

    first: Run
    second: Run
    node: VendorNode

    def changed(self, *names: str) -> list[bool]:
        """Return whether tasks of the second play have changed something."""
        return [self.second.named(name)[0].changed for name in names]


def messages(node: VendorNode) -> list[bytes]:
    with node.store() as store:
        found = [one for one in store.changes("ann").items if one.kind == kinds.MESSAGE]
        return sorted(store.read_blob("ann", one.item_id) for one in found)


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> Mended:
    """A node that was backed up, has lost three messages, and has them again."""
    node = install(tmp_path_factory.mktemp("mended"))
    state = ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000)
    with node.store() as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("ann", kinds.ACCOUNT, "ann@example.com"))
        new = [NewItem("", state, b"Subject: %d\n\nhello" % number) for number in range(MESSAGES)]
        ids = [written.item_id for written in store.write_items("ann", new)]
    settings_file.save(str(node.settings), Settings(
        engine=CARBONIO, carbonio_command=str(node.command), carbonio_user="", state_path=str(node.root / "state"),
    ))
    first = run_tasks([
        task("scan", "smartscan", {}, vars={"restante_progress_seconds": 1}),
        task("scan again", "smartscan", {}),
    ], node.root, config_file=node.settings)
    assert first.status == 0, first.output
    with node.store() as store:
        store.delete_items("ann", ids[:3])
    second = run_tasks([
        task("item", "item_restore", {**ANN, "item_id": ids[0]}),
        task("undelete", "undelete", ALL),
        task("undelete again", "undelete", ALL),
        task("unknown", "item_restore", {"account": "nobody@example.com", "item_id": "1"}, ignore_errors=True),
        task("redo log", "redo_log", {"enabled": False}, ignore_errors=True),
    ], node.root, config_file=node.settings)
    assert second.status == 0, second.output
    return Mended(first, second, node)


def test_a_scan_is_told_of_while_it_runs_and_counts_when_it_has_found_something(mended: Mended) -> None:
    assert "[node] SmartScan: SmartScan" in mended.first.output
    assert [mended.first.named(name)[0].changed for name in ("scan", "scan again")] == [True, False]


def test_what_was_deleted_is_back_once(mended: Mended) -> None:
    assert mended.changed("item", "undelete", "undelete again") == [True, True, False]
    assert messages(mended.node) == [b"Subject: %d\n\nhello" % number for number in range(MESSAGES)]
    restored = mended.second.named("undelete")[0].result["report"]["restored"]
    assert restored["item"] >= 2


def test_bad_input_fails_with_the_words_of_the_command(mended: Mended) -> None:
    [unknown], [refused] = mended.second.named("unknown"), mended.second.named("redo log")
    assert unknown.outcome == "failed" and "no account 'nobody@example.com'" in unknown.result["msg"]
    assert refused.outcome == "failed" and "redo_log has no equivalent" in refused.result["msg"]


def test_each_operation_of_ours_names_the_one_that_it_has_followed(mended: Mended) -> None:
    ours = Node.load(str(mended.node.settings)).operations.list()
    theirs = {record.id: record for record in Node.load(str(mended.node.behind)).operations.list()}
    assert [record.state for record in ours] == [*["successful"] * 5, "failed"]
    followed = [theirs.pop(*record.result["vendor_operations"].values()) for record in ours[:5]]
    assert [record.state for record in followed] == ["successful"] * 5
    # Before each of the three restores, the command behind scans what its backup does not have yet.
    assert [(record.type, record.state) for record in theirs.values()] == [("SmartScan", "successful")] * 3


# -- a node that was lost ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recovered(node_a: NodeA, tmp_path_factory: pytest.TempPathFactory) -> tuple[VendorNode, Run]:
    """A node that was recovered from the bucket of a lost one by the role."""
    node = install(tmp_path_factory.mktemp("recovered"))
    variables = {
        **recovery_variables(node_a, node.root), "s3_recovery_mailstore_create": False,
        "s3_recovery_engine": "carbonio", "s3_recovery_carbonio_command": str(node.command),
        "s3_recovery_backup_volume": False, "s3_recovery_final_smartscan": False, "external_restore_deduplicate": False,
    }
    return node, run(PLAYBOOKS / "s3_recovery.yml", variables, node.root, "--diff")


def test_a_lost_node_is_recovered_by_the_same_role(recovered: tuple[VendorNode, Run], node_a: NodeA) -> None:
    node, done = recovered
    assert done.status == 0, done.output
    assert prove(Node.load(str(node.behind)), str(node.root / "restore")).passed
    restored = done.named("Restore")[0].result
    assert restored["restored"]["item"] >= node_a.held["message"] and not restored["unrestored_items"]


def test_its_mail_server_is_as_it_was_before(recovered: tuple[VendorNode, Run]) -> None:
    node, done = recovered
    assert done.named("Tune the mail server for the restore")[0].changed
    with node.store() as store:
        assert not any(volume.compressed for volume in store.volumes())
    assert Node.load(str(node.behind)).settings.realtime_scanner


def test_the_secret_of_the_bucket_was_on_no_process_list_and_in_no_output(
    recovered: tuple[VendorNode, Run], node_a: NodeA
) -> None:
    node, done = recovered
    secret = node_a.endpoint.secret_key
    assert secret not in node.process_list() and "testS3Connection" in node.process_list()
    assert secret not in done.output + json.dumps([one.result for one in done.tasks], default=str)
    for record in (node.root / "state" / "operations").glob("*.json"):
        assert secret not in record.read_text("utf-8")
