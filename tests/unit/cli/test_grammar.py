# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The grammar of the command line."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.cli.grammar import (
    Command,
    SyntaxFault,
    find,
    split,
    values,
)
from hypothesis import given
from hypothesis import strategies as st


def understood(*words: str) -> tuple[Command, dict[str, Any]]:
    """Return the command that a line names, and the values of its parameters."""
    command, rest = find(COMMANDS, split(words).words)
    return command, dict(values(command, rest))


@pytest.mark.parametrize("line", [
    "core doCreateBucket S3 carbonio-a KEY SECRET label eu-west-1",
    "core doCreateBucket S3 carbonio-a KEY SECRET label url https://s3.example.com prefix a notes b",
    "core doCreateBucket S3 carbonio-a KEY SECRET label eu-west-1 url https://s3.example.com",
    "core doCreateBucket CustomS3 carbonio-a KEY SECRET https://s3.example.com label region r signature_version V4",
    "core doCreateBucket MinIO carbonio-a KEY SECRET https://s3.example.com label",
    "core doCreateBucket Alibaba carbonio-a KEY SECRET label region cn-hangzhou",
    "core testS3Connection 5a0bd4ff-9a1b-4a6e-9f0c-2b7a6d9f2f10",
    "core listBuckets all",
    "core listBuckets s3 show_secrets TRUE",
    "backup doSmartScan start",
    "backup doSmartScan start notifications john@example.com,jane@example.com deep true",
    "backup retrieveMetadataFromArchive S3 /opt/zextras/restore/ bucket_configuration_id ID",
    "backup retrieveMetadataFromArchive Local /mnt/a /opt/zextras/restore/ threads 4",
    "backup doExternalRestore /opt/zextras/restore/ blobs_archive ID",
    "backup doexternalrestore /opt/backup/zextras/ accounts a@x.example,b@x.example domains x.example "
    "skip_domain_provisioning true",
    "backup doExternalRestore /tmp/external1 domains a.example,b.example concurrent_accounts 5",
    "backup setBackupVolume S3 ID volume_prefix a",
    "backup setBackupVolume Default start",
    "powerstore doDeduplicate message1,message2 dry_run true",
])
def test_the_documented_commands_are_understood(line: str) -> None:
    """R-111, R-181, R-183, R-294."""
    understood(*line.split())


def test_a_restore_has_the_documented_values() -> None:
    """R-111, R-112, R-301."""
    command, given_values = understood(
        *"backup doExternalRestore /path/to/data/ accounts a@x.example,b@x.example domains x.example "
        "filter_deleted false skip_system_accounts FALSE max_file_size 1000".split()
    )
    assert command.name == "backup doExternalRestore"
    assert given_values["source_path"] == "/path/to/data/"
    assert given_values["accounts"] == ["a@x.example", "b@x.example"]
    assert given_values["domains"] == ["x.example"]
    assert given_values["filter_deleted"] is False
    assert given_values["skip_system_accounts"] is False
    assert given_values["max_file_size"] == 1000
    assert given_values["restore_datasource"] is True, "what is not given has its documented default"


def test_the_region_may_stand_by_position_or_by_name() -> None:
    """C-12: the vendor's pages disagree."""
    start = "core doCreateBucket S3 name KEY SECRET label"
    by_position = understood(*f"{start} eu-west-1 url https://x.example".split())[1]
    by_name = understood(*f"{start} url https://x.example region eu-west-1".split())[1]
    assert by_position == by_name


@given(st.lists(st.sampled_from(["--progress", "--json", "--sync"]), max_size=3), st.data())
def test_options_may_stand_anywhere(options: list[str], data: st.DataObject) -> None:
    """R-297, and the mission's own text for --progress."""
    words = ["backup", "doSmartScan", "start"]
    for option in options:
        words.insert(data.draw(st.sampled_from([0, len(words)])), option)
    line = split(words)
    assert list(line.words) == ["backup", "doSmartScan", "start"]
    assert (line.options.progress, line.options.json, line.options.sync) == tuple(
        option in options for option in ("--progress", "--json", "--sync")
    )


@pytest.mark.parametrize("words", [["--host", "b"], ["--hostname=b"]])
def test_a_host_may_be_named(words: list[str]) -> None:
    """R-297."""
    assert split([*words, "backup", "getBackupInfo"]).options.host == "b"


@pytest.mark.parametrize(("text", "size"), [
    ("0", 0), ("1024", 1024), ("64 KB", 65536), ("64kb", 65536), ("2M", 2 << 20), ("1GB", 1 << 30), ("1 tb", 1 << 40),
    ("7B", 7),
])
def test_sizes_have_units(text: str, size: int) -> None:
    words = ["backup", "updateBackupVolume", "S3", "infrequent-access-threshold", text]
    assert understood(*words)[1]["infrequent_access_threshold"] == size


@pytest.mark.parametrize("text", ["", "KB", "-1", "1.5 GB", "1 PB", "٣", "1" * 16])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SyntaxFault, match="number of bytes"):
        understood("backup", "updateBackupVolume", "S3", "infrequent_access_threshold", text)


@given(st.sampled_from(COMMANDS), st.randoms())
def test_case_of_names_does_not_matter(command: Command, chance: Any) -> None:
    """R-298."""
    words = [chance.choice((str.upper, str.lower, str))(word) for word in (command.module, *command.words)]
    assert find(COMMANDS, words)[0] is command


@pytest.mark.parametrize("line, sentence", [
    ("backup", "needs a command"),
    ("mobile getDevices", "no module 'mobile'"),
    ("backup doEverything", "no command 'doEverything'"),
    ("backup retrieveMetadataFromArchive Tape /x", "followed by one of S3, Local"),
    ("backup doExternalRestore", "requires more parameters"),
    ("backup doExternalRestore /x accounts", "accounts has no value"),
    ("backup doExternalRestore /x nonsense true", "no parameter 'nonsense'"),
    ("backup doExternalRestore /x extra", "is too much"),
    ("backup doExternalRestore /x domains a domains b", "given twice"),
    ("backup doExternalRestore /x filter_deleted maybe", "it is true or false"),
    ("backup doExternalRestore /x concurrent_accounts many", "whole number"),
    ("backup doSmartScan now", "it is one of start"),
    (f"backup doSmartScan start read_error_threshold {'9' * 5000}", "it is a whole number from 0 to"),
    ("backup doSmartScan start read_error_threshold 1_0", "it is a whole number from 0 to"),
    ("--hosts b backup doSmartScan start", "no option --hosts"),
    ("backup doSmartScan start --host", "needs the name of a host"),
    ("backup updateBackupVolume S3 infrequent_access_threshold much", "number of bytes"),
    ("backup doSmartScan start --config-file", "needs the path"),
])
def test_a_line_that_is_not_understood_gets_a_sentence(line: str, sentence: str) -> None:
    with pytest.raises(SyntaxFault, match=sentence):
        understood(*line.split())


def test_no_command_hides_another() -> None:
    names = [(command.module, *(word.lower() for word in command.words)) for command in COMMANDS]
    for name in names:
        assert sum(other[:len(name)] == name for other in names) == 1


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_parameter_has_a_name_of_its_own(command: Command) -> None:
    names = [parameter.name for parameter in (*command.mandatory, *command.optional)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.example], ids=lambda command: command.name)
def test_the_examples_of_the_help_are_right(command: Command) -> None:
    assert understood(command.module, *shlex.split(command.example))[0] is command
