# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets and mail are only where they belong: the whole way of a backup, with everything that can be seen searched.

Under a umask that hides nothing, with as much output as Ansible has, and with Ansible's temporary files kept.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.embedded import EmbeddedStore
from ansible_collections.restante.carbonio.plugins.module_utils.mailstore.port import NewItem
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry, ItemState
from playbook_kit import CHECKOUT, TIMEOUT, command, environment
from recovery_kit import make_bucket
from secrets_kit import SYSLOG, Watch, files_with, readable_by_others

from tests.servers.endpoint import Endpoint
from tests.servers.mail_server import mail_server

CANARIES = {
    name: f"canary-{number}-{uuid.uuid4().hex}" for number, name in enumerate((
        "the bucket's secret", "the mail server's password", "the hash of an account's password",
        "the password of a data source", "a subject", "a body", "an address",
    ))
}
BUCKET_SECRET, SMTP_PASSWORD, HASH, SOURCE_PASSWORD, SUBJECT, BODY, ADDRESS = CANARIES.values()
WHERE_THEY_BELONG = {
    "the bucket's secret": ("a/etc/buckets.json", "b/etc/buckets.json", "c/etc/buckets.json"),
    "the mail server's password": ("a/etc/restante.json",),
}
MAIL_BELONGS = ("mailstore_path/", "backup_path/", "restore/", "cache_path/")
PLACES = ("backup_path", "cache_path", "state_path", "mailstore_path")
ACCOUNT = "ann@example.com"
CLI = "ansible_collections.restante.carbonio.plugins.module_utils.cli.main"


class Way:
    """What has become of the whole way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.nodes = root / "nodes"
        self.temporary = root / "tmp"
        self.output: dict[str, str] = {}
        """What programs said, by what they were."""
        self.mailed: list[str] = []
        self.watch = Watch(CANARIES)

    def run(self, name: str, words: Sequence[str], given: str = "", variables: dict[str, str] | None = None) -> None:
        """Run a program; it must succeed."""
        done = subprocess.run(
            words, input=given, cwd=self.root, umask=0, text=True, timeout=TIMEOUT, check=False,
            env={
                **environment(self.root / "controller"), **(variables or {}), "TMPDIR": str(self.temporary),
                "PYTHONPATH": str(CHECKOUT / "build" / "collections"),
            },
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        self.output[name] = done.stdout
        assert done.returncode == 0, f"{name}: {done.stdout[-3000:]}"


def fill(path: Path) -> str:
    """Make a mail server with one account, in which the canaries are; return the id of its data source."""
    with contextlib.closing(EmbeddedStore.create(str(path))) as store:
        store.create_entry(Entry("d", kinds.DOMAIN, "example.com"))
        store.create_entry(Entry("ann", kinds.ACCOUNT, ACCOUNT, attrs={"userPassword": (f"{{SSHA512}}{HASH}",)}))
        mail = f"From: {ADDRESS}@elsewhere.example\nSubject: {SUBJECT}\n\n{BODY}\n".encode()
        source = {
            "type": "imap", "host": "imap.elsewhere.example", "username": "ann", "password": SOURCE_PASSWORD,
            "folder": "2", "enabled": False,
        }
        written = store.write_items("ann", [
            NewItem("", ItemState("", kinds.MESSAGE, "2", date=1_700_000_000_000, flags="u"), mail),
            NewItem("", ItemState("", kinds.DATA_SOURCE, "", "elsewhere", attrs=source), None),
        ])
    return str(written[1].item_id)


def playbook(way: Way, endpoint: Endpoint, bucket: str, smtp_port: int, source: str) -> None:
    """Back up node A, and restore it on node B, from a playbook."""

    def node(name: str, **settings: Any) -> list[dict[str, Any]]:
        places = {place: str(way.nodes / name / place) for place in PLACES}
        return [
            {"restante.carbonio.backup_config": {**places, **settings}},
            {"restante.carbonio.bucket": {
                "bucket_name": bucket, "provider": "CustomS3", "url": endpoint.url, "access_key": "key",
                "secret": "{{ bucket_secret }}",
            }},
        ]

    def play(name: str, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        config = {"config_file": str(way.nodes / name / "etc" / "restante.json")}
        return {
            "hosts": "node", "gather_facts": False, "module_defaults": {"group/restante.carbonio.all": config},
            "tasks": tasks,
        }

    restore = str(way.nodes / "b" / "restore")
    plays = [
        play("a", [
            *node("a", smtp_host="127.0.0.1", smtp_port=smtp_port, smtp_username="restante",
                  smtp_password="{{ smtp_password }}", administrator="admin@example.com"),
            {"restante.carbonio.backup_volume": {"type": "s3", "bucket_configuration_id": bucket}},
            {"restante.carbonio.smartscan": {}, "diff": True},
            {"restante.carbonio.config_info": {"level": "account", "name": ACCOUNT}},
            {"restante.carbonio.item_info": {"account": ACCOUNT, "item": source}},
            {"restante.carbonio.coherency_check": {}},
        ]),
        play("b", [
            *node("b"),
            {"restante.carbonio.metadata_retrieve": {
                "source_type": "s3", "bucket_configuration_id": bucket, "destination": restore,
            }},
            {"restante.carbonio.external_restore": {"source_path": restore, "blobs_archive": bucket}, "diff": True},
            {"restante.carbonio.restore_verify_info": {"source_path": restore}},
        ]),
    ]
    controller = way.root / "controller"
    controller.mkdir(mode=0o700)
    tasks = controller / "tasks.yml"
    tasks.write_text(json.dumps(plays), encoding="utf-8")
    words = command(tasks, {"bucket_secret": BUCKET_SECRET, "smtp_password": SMTP_PASSWORD}, controller, ["-vvv"])
    way.run("ansible-playbook -vvv", words, variables={"ANSIBLE_PIPELINING": "false", "ANSIBLE_KEEP_REMOTE_FILES": "1"})


def command_line(way: Way, endpoint: Endpoint, bucket: str) -> None:
    """The same on node C, by the command line."""
    node, config = way.nodes / "c", way.nodes / "c" / "etc" / "restante.json"

    def restante(*words: str, given: str = "") -> None:
        way.run(
            f"restante {' '.join(words[:2])}", [sys.executable, "-m", CLI, "--config-file", str(config), *words], given
        )

    places = {place: str(node / place) for place in PLACES}
    (node / "etc").mkdir(mode=0o700, parents=True)
    config.write_text(json.dumps(places), encoding="utf-8")
    config.chmod(0o600)
    restante("core", "doCreateBucket", "CustomS3", bucket, "key", "-", endpoint.url, "c", given=f"{BUCKET_SECRET}\n")
    restante("core", "listBuckets", "all")
    restante("backup", "retrieveMetadataFromArchive", "S3", str(node / "restore"), "bucket_configuration_id", "c")
    given = ("bucket_name", bucket, "access_key", "key", "secret", "-", "url", endpoint.url)
    words = ("backup", "retrieveMetadataFromArchive", "S3", str(node / "restore" / "again"), *given)
    restante(*words, given=f"{BUCKET_SECRET}\n")
    restante("--sync", "backup", "doExternalRestore", str(node / "restore"), "blobs_archive", "c")
    restante("--sync", "backup", "doSmartScan", "start")
    restante("config", "get", "account", ACCOUNT, "userPassword")
    restante("config", "dump", "account", ACCOUNT)
    restante("--sync", "backup", "doPurge")


@pytest.fixture(scope="module")
def way(endpoint: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    """The whole way, gone."""
    way = Way(tmp_path_factory.mktemp("secrets"))
    way.temporary.mkdir()
    for name in "abc":
        (way.nodes / name).mkdir(mode=0o700, parents=True)
    source = fill(way.nodes / "a" / "mailstore_path")
    for name in "bc":
        EmbeddedStore.create(str(way.nodes / name / "mailstore_path")).close()
    bucket = f"secrets-{uuid.uuid4().hex[:8]}"
    make_bucket(endpoint, bucket)
    with mail_server() as mail, way.watch.going_on():
        mail.credentials = ("restante", SMTP_PASSWORD)
        playbook(way, endpoint, bucket, mail.port, source)
        command_line(way, endpoint, bucket)
        way.mailed = [one.message.as_string() for one in mail.mails]
    yield way


def test_no_program_says_them(way: Way) -> None:
    seen = {(name, where) for where, text in way.output.items() for name, canary in CANARIES.items() if canary in text}
    assert seen == set()


def test_no_process_shows_them(way: Way) -> None:
    assert way.watch.found == set()
    assert way.watch.processes > 10


def test_no_notification_tells_them(way: Way) -> None:
    assert way.mailed, "the scan was told"
    assert not [name for name, canary in CANARIES.items() if any(canary in text for text in way.mailed)]


def test_they_are_in_the_files_that_are_for_them_and_in_no_others(way: Way) -> None:
    found = files_with(CANARIES, way.nodes)
    mail = {(name, path) for name, path in found if path.partition("/")[2].startswith(MAIL_BELONGS)}
    assert not {(name, path) for name, path in mail if name in WHERE_THEY_BELONG}
    assert found - mail == {(name, path) for name, paths in WHERE_THEY_BELONG.items() for path in paths}
    assert {name for name, _path in found} >= {"the bucket's secret", "the mail server's password", "a body"}


def test_nothing_is_left_of_them_in_temporary_files(way: Way) -> None:
    """But for the arguments of a module, which Ansible itself puts beside it where it was told to keep both."""
    assert files_with(CANARIES, way.temporary) == set()
    kept = files_with(CANARIES, way.root / "controller") - {
        (name, "variables.json") for name in WHERE_THEY_BELONG
    }
    assert kept and all(Path(path).name.startswith("AnsiballZ_") for _name, path in kept)
    folders = {(way.root / "controller" / path).parent for _name, path in kept}
    assert [folder for folder in folders if folder.stat().st_mode & 0o077] == []


def test_nothing_that_was_written_can_be_read_by_others(way: Way) -> None:
    assert [path for name in "abc" for path in readable_by_others(way.nodes / name)] == []
    assert [path for path in readable_by_others(way.temporary) if Path(path.split()[0]) != way.temporary] == []


def test_the_search_finds_what_is_there(way: Way, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(f"x{BODY}x")
    (tmp_path / "file").chmod(0o644)
    assert files_with(CANARIES, tmp_path) == {("a body", "file")}
    assert any(line.endswith("644") for line in readable_by_others(tmp_path))
    watch = Watch(CANARIES)
    with watch.going_on():
        sleeper = subprocess.Popen(["sleep", "30"], env={"CANARY": SMTP_PASSWORD})
        second = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)", BUCKET_SECRET])
        for _unused in range(100):
            if len(watch.found) >= 2:
                break
            with contextlib.suppress(subprocess.TimeoutExpired):
                sleeper.wait(0.1)
        for process in (sleeper, second):
            process.kill()
            process.wait()
    assert watch.found >= {
        "the mail server's password in /proc/<pid>/environ", "the bucket's secret in /proc/<pid>/cmdline"
    }


def test_what_modules_log_was_looked_at_where_it_could_be(way: Way) -> None:
    assert bool(way.watch.logged) is not SYSLOG.exists()
