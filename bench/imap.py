# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ours and other programs on the same mail in a Dovecot: a restore into it, a first scan of it, another one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from . import mail_peers
from .comparisons import COMPARED_MESSAGES
from .mail_peers import MailServer
from .measure import Failed, Usage, in_turns, step
from .place import CORES, Place, at_most, expect
from .report import Row, seconds
from .steps import MAILBOXES

MOST = 0.99
"""Of the messages, what a peer has to bring: mbsync refuses some of real mail, and says that all is well."""


def imap_restore(place: Place) -> Iterator[Row]:
    """The same mail into a Dovecot that is empty: ours, and four others. Each has one of its own every time."""
    backup, messages = place.backup(), place.scale.messages

    def into(work: Callable[[MailServer], Usage]) -> Usage:
        with mail_peers.serve(place.new("dovecot"), MAILBOXES) as server:
            usage = work(server)
            arrived = server.messages()
            if arrived < messages * (MOST if work in (mbsync, offlineimap) else 1):
                raise Failed(f"of {messages} messages {arrived} have arrived")
            return usage._replace(facts={**usage.facts, "arrived": arrived})

    def maildirs(server: MailServer) -> Path:
        target = server.home / "maildirs"
        step("mail", "maildirs", place.tree(), target, mail_peers.OWNER)
        return target

    def ours(server: MailServer) -> Usage:
        return step("imap", "restore", server.file, backup, server.directory, CORES)

    def raw(server: MailServer) -> Usage:
        return step("raw_imap", "append", server.file, place.tree(), CORES)

    def doveadm(server: MailServer) -> Usage:
        return mail_peers.doveadm_import(server, maildirs(server))

    def mbsync(server: MailServer) -> Usage:
        return mail_peers.Mbsync(server, maildirs(server), mail_peers.PUSH).run()

    def offlineimap(server: MailServer) -> Usage:
        return mail_peers.OfflineImap(server, maildirs(server)).run()

    def unpacked(server: MailServer) -> Usage:
        return step("imap", "append_backup", server.file, backup, CORES)

    usage, sent, least, *others = in_turns(place.scale.runs, *(partial(into, work) for work in (
        ours, raw, unpacked, doveadm, mbsync,
    )))
    others.append(into(offlineimap))  # which takes minutes
    name = f"External Restore over IMAP by {CORES} processes"
    limit = (
        "reading, unpacking and checking the same messages from the backup and sending them by raw MULTIAPPEND, "
        f"without folders, mirror or records: {seconds(least.seconds)}"
    )
    yield Row(
        name, usage, "at most 1.15x", at_most(1.15, usage, sent), "raw MULTIAPPEND of the same files", sent, "", limit
    )
    for peer, theirs in zip(("doveadm import", "mbsync", "offlineimap"), others):
        left = messages - theirs.facts["arrived"]
        note = f"{peer} has left out {left} of {messages:,} messages." if left else ""
        yield Row(name, usage, "faster", at_most(1, usage, theirs), peer, theirs, note, limit)


def imap_first_scan(place: Place) -> Iterator[Row]:
    """A first backup of the mail in a Dovecot."""
    with mail_peers.serve(place.new("dovecot"), MAILBOXES) as server:
        step("raw_imap", "append", server.file, place.tree(), CORES)

        def ours() -> Usage:
            usage = step("imap", "scan", server.file, place.new("mirror"), place.new("imap-backup"))
            return expect(usage, "new_blobs", place.scale.messages)

        def doveadm() -> Usage:
            target = server.home / place.new("doveadm-backup").name
            target.mkdir()
            shutil.chown(target, mail_peers.OWNER)
            return mail_peers.doveadm_backup(server, target)

        def mbsync() -> Usage:
            return mail_peers.Mbsync(server, place.new("mbsync"), mail_peers.PULL).run()

        def fetch() -> Usage:
            return step("raw_imap", "fetch", server.file, CORES)

        usage, *others, limit = in_turns(place.scale.runs, ours, doveadm, mbsync, fetch)
    for peer, theirs in zip(("doveadm backup", "mbsync"), others):
        yield Row(
            "first SmartScan over IMAP", usage, "faster", at_most(1, usage, theirs), peer, theirs, "",
            f"raw FETCH of all messages over {CORES} connections: {seconds(limit.seconds)}",
        )


def imap_unchanged_scan(place: Place) -> Iterator[Row]:
    """Another backup when nothing has changed, of many accounts."""
    count = place.scale.compared_accounts
    tree = place.new("accounts-mail")
    step("mail", "tree_of_accounts", count, COMPARED_MESSAGES, tree)
    with mail_peers.serve(place.new("dovecot"), count) as server:
        step("raw_imap", "append", server.file, tree, CORES)
        mirror, backup = place.new("mirror"), place.new("imap-backup")
        step("imap", "scan", server.file, mirror, backup)
        mbsync = mail_peers.Mbsync(server, place.new("mbsync"), mail_peers.PULL)
        mbsync.run()

        def ours() -> Usage:
            return expect(step("imap", "scan", server.file, mirror, backup), "new_items", 0)

        usage, theirs, limit = in_turns(
            place.scale.runs, ours, mbsync.run, lambda: step("raw_imap", "look", server.file, CORES)
        )
    yield Row(
        f"SmartScan over IMAP, nothing changed, {count:,} accounts of {COMPARED_MESSAGES} messages", usage, "faster",
        at_most(1, usage, theirs), "mbsync, a second time", theirs, "",
        f"to log in and ask how the mailboxes stand, and no more, over {CORES} connections: {seconds(limit.seconds)}",
    )
