# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The words of the vendor's command: as its pages have them, as our own command line takes them, and no others."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.restante.carbonio.plugins.module_utils.cli import grammar
from ansible_collections.restante.carbonio.plugins.module_utils.cli.commands import COMMANDS
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput
from ansible_collections.restante.carbonio.plugins.module_utils.vendor import forms
from ansible_collections.restante.carbonio.plugins.module_utils.vendor.words import Form, Option, refuse_others

VENDOR: Mapping[str, Mapping[str, Any]] = {
    f"{module} {name}": fields
    for module, names in yaml.safe_load(
        (Path(__file__).parents[1] / "cli" / "vendor_commands.yml").read_text("utf-8")
    ).items()
    for name, fields in names.items()
}
PROVIDERS = ("Default", "Local", "S3", "Alibaba", "Ceph", "Cloudian", "CustomS3", "EMC", "ScalityS3")
LEVELS = ("account", "cos", "domain", "server", "global")
BEYOND_THE_PAGES = {
    # volume_prefix of S3 is in older pages and what retrieveMetadataFromArchive has to match (C-17).
    ("backup setBackupVolume S3", "volume_prefix"),
    *((f"backup migrateBackupVolume {name}", "volume_prefix") for name in (
        "S3", "Alibaba", "Ceph", "Cloudian", "CustomS3", "EMC", "Scality",
    )),
}


def all_forms() -> Iterator[Form]:
    for value in vars(forms).values():
        if isinstance(value, Form):
            yield value
    yield from forms.CREATE_BUCKET.values()
    for queue in ("backup", "powerstore"):
        yield from (make(queue) for make in (forms.monitor, forms.stop, forms.all_operations))
    for provider in PROVIDERS:
        yield from (forms.backup_volume(provider, migrate) for migrate in (False, True))
    for level in LEVELS:
        yield forms.dump(level)
        yield from (forms.attribute(verb, level) for verb in ("get", "set", "unset"))


FORMS = {form.command: form for form in all_forms()}
SAMPLES: Mapping[str, Any] = {
    "date": "2026-03-28T09:29:49+00:00", "start_date": "first", "end_date": "last", "undelete_start_date": "first",
    "before": "2026-03-28", "after": "2026-03-27", "provider": "S3", "type": "contact", "search_filter": "all",
    "volume_type": "secondary", "double_compressed": "fix", "signature_version": "v2", "purge_days": "30",
}


def filled(form: Form) -> tuple[str, ...]:
    """Return the words of a form with every parameter given, none with its usual value."""
    def sample(option: Option) -> Any:
        if option.name in SAMPLES:
            return SAMPLES[option.name]
        if isinstance(option.usual, bool) or option.called in ("volume_compressed", "compress"):
            return not option.usual
        if isinstance(option.usual, int) or "threshold" in option.name:
            return 7
        return f"some-{option.name}"

    options = (*form.mandatory, *form.by_position, *form.optional)
    return form.fill({option.name: sample(option) for option in options}, "UTC").words


@pytest.mark.parametrize("command", FORMS)
def test_every_form_is_as_the_vendors_pages_have_it(command: str) -> None:
    form, theirs = FORMS[command], VENDOR[command]
    mandatory = theirs.get("mandatory", [])
    if form.fixed:
        assert mandatory[0] == "action" and list(form.fixed) == theirs["values"]["action"]
        mandatory = mandatory[1:]
    assert [option.called for option in form.mandatory] == mandatory
    named = {option.called for option in (*form.by_position, *form.optional)} | set(form.added[::2])
    beyond = {name for where, name in BEYOND_THE_PAGES if where == command}
    assert named - beyond <= set(theirs.get("optional", []))


@pytest.mark.parametrize("command", [
    command for command in FORMS if not command.endswith((" set global", " unset global"))  # there is none with us
])
def test_every_form_filled_in_is_understood_by_our_own_command_line(command: str) -> None:
    found, rest = grammar.find(COMMANDS, filled(FORMS[command]))
    assert found.name == command
    given = grammar.values(found, rest)
    options = (*FORMS[command].mandatory, *FORMS[command].by_position, *FORMS[command].optional)
    assert {option.called.replace("-", "_") for option in options} <= set(given)


@pytest.mark.parametrize(("form", "given", "line"), [
    (forms.SMART_SCAN, {"deep": False}, "carbonio backup doSmartScan start remote_metadata_upload true"),
    (
        forms.SMART_SCAN, {"deep": True, "read_error_threshold": 5, "notifications": ["a@x.org", "b@x.org"]},
        "carbonio backup doSmartScan start deep true read_error_threshold 5 notifications a@x.org,b@x.org "
        "remote_metadata_upload true",
    ),
    (forms.ITEM_RESTORE, {"account": "ann@x.org", "item_id": "4784", "date": "last"},
     "carbonio backup doItemRestore ann@x.org 4784"),
    (
        forms.UNDELETE, {"account": "ann@x.org", "start_date": "08/10/2012 10:15:00", "end_date": "last",
                         "target_original_folder": False, "apply_hsm": False},
        "carbonio backup doUndelete ann@x.org '08/10/2012 10:15:00' last target_original_folder false",
    ),
    (
        forms.NEW_ACCOUNT_RESTORE, {"source_account": "a@x.org", "destination_account": "b@x.org",
                                    "date": "2023-03-28T07:29:49Z", "restore_datasource": False, "undelete": True},
        "carbonio backup doRestoreOnNewAccount a@x.org b@x.org '28/03/2023 07:29:49' restore_datasource false undelete "
        "true",
    ),
    (
        forms.EXTERNAL_RESTORE, {"source_path": "/opt/zextras/restore/", "blobs_archive": "60b8139c", "accounts": [],
                                 "skip_system_accounts": True, "concurrent_accounts": 5},
        "carbonio backup doExternalRestore /opt/zextras/restore/ concurrent_accounts 5 blobs_archive 60b8139c",
    ),
    (forms.backup_volume("Default", False), {}, "carbonio backup setBackupVolume Default start"),
    (forms.backup_volume("ScalityS3", True), {"bucket_configuration_id": "60b8", "threads": 10},
     "carbonio backup migrateBackupVolume Scality 60b8"),
    (forms.RESTORE_BLOBS, {"volume": "1"}, "carbonio backup doRestoreBlobs 1 dryrun false"),
    (forms.attribute("set", "server"), {"name": "mx.x.org", "attribute": "ZxBackup_RealTimeScanner", "value": "FALSE"},
     "carbonio config set server mx.x.org ZxBackup_RealTimeScanner FALSE"),
    (forms.CREATE_BUCKET["S3"], {"bucket_name": "b", "access_key": "K", "secret": "s3cret", "label": "l",
                                 "region": "EU_WEST_1", "url": "https://x.org"},
     "carbonio core doCreateBucket S3 b K '********' l EU_WEST_1 url https://x.org"),
])
def test_modules_arguments_become_the_documented_command_lines(form: Form, given: Any, line: str) -> None:
    assert form.fill(given, "UTC").shown == line


def test_dates_are_told_in_the_time_zone_of_the_node() -> None:
    given = {"account": "a", "item_id": "1", "date": "2026-07-01T10:00:00Z"}
    assert forms.ITEM_RESTORE.fill(given, "Europe/Rome").words[-1] == "01/07/2026 12:00:00"


@pytest.mark.parametrize(("given", "sentence"), [
    ({"account": "", "item_id": "1"}, "account is empty"),
    ({"account": "--host", "item_id": "1"}, "an option of its own"),
    ({"account": "ann\nbackup doPurge", "item_id": "1"}, "control characters"),
    ({"account": "ann", "item_id": "1", "date": "tomorrow"}, "is not a date"),
])
def test_what_carbonio_would_take_for_something_else_is_refused(given: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        forms.ITEM_RESTORE.fill(given)


def test_an_element_of_a_list_has_no_comma() -> None:
    with pytest.raises(InvalidInput, match="has a comma in it"):
        forms.EXTERNAL_RESTORE.fill({"source_path": "/r", "accounts": ["a,b"]})


def test_what_a_command_has_nothing_for_is_refused_and_not_dropped() -> None:
    others = {"hide_in_gal": False, "notifications": []}
    refuse_others({"hide_in_gal": False, "notifications": []}, others, "backup doItemRestore")
    with pytest.raises(InvalidInput, match="backup doItemRestore has nothing for hide_in_gal"):
        refuse_others({"hide_in_gal": True}, others, "backup doItemRestore")


def test_a_secret_is_in_the_line_for_the_prompt_and_in_nothing_that_is_shown() -> None:
    secret = "wJalr/K7MDENG+bPxRfiCY="
    command = forms.RETRIEVE_S3.fill({"destination": "/re store", "bucket_name": "b", "secret": secret})
    assert secret not in command.shown
    assert shlex.split(command.line) == list(command.words)
    assert command.line == f'backup retrieveMetadataFromArchive S3 "/re store" bucket_name b secret {secret}\n'


def test_a_secret_that_the_prompt_cannot_be_told_is_refused_and_not_repeated() -> None:
    command = forms.RETRIEVE_S3.fill({"destination": "/r", "secret": 'mis"chief'})
    with pytest.raises(InvalidInput) as refused:
        command.line.strip()
    assert "mis" not in str(refused.value)
