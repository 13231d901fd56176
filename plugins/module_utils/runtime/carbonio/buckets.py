# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buckets and the backup volume, by the vendor's commands (reference, sections 3.1 and 3.4).

The vendor's list of buckets shows no secret. Whether the one that is given is the one that is kept is tried, by its own
test of the connection: what works is left alone.
"""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ...model.errors import InvalidInput, NotFound, RestanteError, Unavailable
from ...vendor import answers, fields, forms
from ...vendor.words import Command, refuse_others
from .. import settings as settings_file
from ..call import Call
from ..settings import BackupVolume
from .work import Place, opened, planned, work

_OURS_ALONE: Final = dict.fromkeys((
    "profile", "storage_class", "storage_class_from", "ca_file", "versioning", "encryption", "public_access_blocked",
    "lifecycle", "object_lock_mode", "object_lock_days",
))
_CREATED: Final = frozenset(("url", "region", "prefix", "notes", "signature_version"))
"""What a new configuration of some providers can have, and of others not."""
_COMPARED: Final = {"bucket_name": "name", "access_key": "access_key", "region": "region", "url": "url"}
"""What a configuration can be given anew, by the module's options; for each its field of Bucket."""


class Bucket(NamedTuple):
    """A bucket configuration as the vendor's list shows it; fields that it leaves out are empty."""

    id: str
    name: str
    label: str
    provider: str
    region: str
    access_key: str
    url: str
    prefix: str
    usage: str
    """Which servers have their backup in it."""


def _buckets(place: Place) -> list[Bucket]:
    return [
        Bucket(*(
            str(fields.field(row, *names) or "") for names in (
                ("uuid", "id"), ("bucketName",), ("label",), ("storeType",), ("region",), ("accessKey",),
                ("url", "endpoint"), ("destinationPath", "prefix"),
                ("usage in external backup", "usageInExternalBackup"),
            )
        ))
        for row in fields.rows(place.carbonio.tell(forms.LIST_BUCKETS, provider="all"))
    ]


def _named(buckets: list[Bucket], name: str) -> Bucket | None:
    """Return the configuration with an id or a label; where the list shows no labels, the bucket's name is it."""
    found = [one for one in buckets if name in (one.id, one.label or one.name)]
    if len(found) > 1:
        raise InvalidInput(
            f"Several bucket configurations of carbonio are called {name!r}; name one by its bucket_configuration_id: "
            f"{', '.join(one.id for one in found)}."
        )
    return found[0] if found else None


def named(place: Place, name: str) -> Bucket:
    """Return the bucket configuration with an id or a label. :raises NotFound: there is none."""
    found = _named(_buckets(place), name)
    if found is None:
        raise NotFound(
            f"carbonio has no bucket configuration {name!r}; carbonio core listBuckets all shows those it has."
        )
    return found


def bucket_id(place: Place, name: str) -> str:
    """Return the id of a bucket configuration. Errors as named()."""
    return named(place, name).id


def info(call: Call) -> dict[str, Any]:
    """Answer the module bucket_info."""
    place, provider = opened(call), call["provider"]
    found = [one._asdict() for one in _buckets(place) if provider.lower() in ("all", one.provider.lower())]
    if not call["test"]:
        return {"buckets": found}
    place.carbonio.tell(forms.TEST_BUCKET, bucket_configuration_id=bucket_id(place, call["test"]))
    return {"buckets": found, "connection": "connection ok"}


def bucket(call: Call) -> dict[str, Any]:
    """Answer the module bucket. :raises InvalidInput: it asks for what carbonio cannot do."""
    refuse_others(call.arguments, _OURS_ALONE, "core doCreateBucket")
    place = opened(call)
    wanted_id = call["bucket_configuration_id"] or ""
    present = _named(_buckets(place), wanted_id or call["label"] or call["bucket_name"])
    if call["state"] == "absent":
        return _forget(place, present, call.check_mode)
    if present is None and wanted_id:
        raise NotFound(f"carbonio has no bucket configuration {wanted_id}; leave the id out for a new one.")
    return _create(place, call) if present is None else _update(place, call, present)


def _create(place: Place, call: Call) -> dict[str, Any]:
    provider = call["provider"] or "S3"
    if provider not in forms.CREATE_BUCKET:
        raise InvalidInput(f"carbonio can create no bucket of {provider}; there are {', '.join(forms.CREATE_BUCKET)}.")
    given = {**call.arguments, "label": call["label"] or call["bucket_name"]}
    form = forms.CREATE_BUCKET[provider]
    refuse_others(given, dict.fromkeys(_CREATED - form.takes()), form.command)
    command = form.fill(given)
    made = ""
    if not call.check_mode:
        made = answers.bucket_id(command, place.carbonio.ask(command))
        place.carbonio.tell(forms.TEST_BUCKET, bucket_configuration_id=made)
    after = {"bucket": given["bucket_name"], "label": given["label"], "provider": provider}
    return _outcome(True, made, after, command, {})


def _update(place: Place, call: Call, present: Bucket) -> dict[str, Any]:
    given = {name: call[name] for name in _COMPARED if call[name]}
    known = {name: getattr(present, field) for name, field in _COMPARED.items()}
    different = {name: value for name, value in given.items() if known[name] and _plain(value) != _plain(known[name])}
    for name, is_so in (("provider", present.provider), ("prefix", present.prefix)):
        if call[name] and is_so and call[name].strip("/") != is_so.strip("/"):
            raise InvalidInput(
                f"The {name} of the bucket configuration {present.id} is {is_so}, and carbonio cannot change it; make "
                "a new configuration with a label of its own."
            )
    if "access_key" in different or call["secret"] and not different and not _works(place, call, present):
        different["secret"] = call["secret"]
    command = forms.UPDATE_BUCKET.fill({
        **different, "provider": present.provider, "bucket_configuration_id": present.id,
    })
    if different and not call.check_mode:
        place.carbonio.ask(command)
        place.carbonio.tell(forms.TEST_BUCKET, bucket_configuration_id=present.id)
    shown = {name: value for name, value in different.items() if name != "secret"}
    after = {
        "bucket": present.name, "label": present.label, "provider": present.provider, "region": present.region,
        **({"secret": "(not shown, another one)"} if "secret" in different else {}),
    }
    return _outcome(bool(different), present.id, {**after, **shown}, command, {name: known[name] for name in shown})


def _works(place: Place, call: Call, present: Bucket) -> bool:
    """Return whether the bucket can be reached as it is configured; check mode, which writes nothing, supposes so."""
    try:
        if not call.check_mode:
            place.carbonio.tell(forms.TEST_BUCKET, bucket_configuration_id=present.id)
    except Unavailable:
        raise
    except RestanteError:
        return False
    return True


def _plain(value: str) -> str:
    return value.lower().replace("_", "-").rstrip("/")  # the vendor writes eu-west-1 as EU_WEST_1


def _forget(place: Place, present: Bucket | None, dry_run: bool) -> dict[str, Any]:
    if present is None:
        return {"changed": False, "diff": {"before": {}, "after": {}}}
    command = forms.DELETE_BUCKET.fill({"provider": present.provider, "bucket_configuration_id": present.id})
    if not dry_run:
        place.carbonio.ask(command)
    return _outcome(True, present.id, {}, command, {"bucket": present.name, "label": present.label})


def _outcome(
    changed: bool, bucket_configuration_id: str, after: Mapping[str, Any], command: Command, before: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "changed": changed, "bucket_configuration_id": bucket_configuration_id, "bucket": after,
        "steps": [command.shown] if changed else [], "unsupported": {},
        "diff": {"before": before, "after": after if changed else before},
    }


# -- the backup volume -------------------------------------------------------------------------------------------------


def backup_volume(call: Call) -> dict[str, Any]:
    """Answer the module backup_volume.

    No command of the vendor's tells which directory is the volume; so what was set last is kept in our settings too.
    """
    place = opened(call)
    buckets = _buckets(place)
    wanted, provider = BackupVolume(call["type"]), call["type"].title()
    if call["type"] == "local":
        wanted = BackupVolume("local", path=call["path"])
    elif call["type"] == "s3":
        chosen = _named(buckets, call["bucket_configuration_id"])
        if chosen is None:
            raise NotFound(f"carbonio has no bucket configuration {call['bucket_configuration_id']!r}.")
        provider = chosen.provider
        wanted = BackupVolume("s3", bucket_configuration_id=chosen.id, volume_prefix=call["volume_prefix"].strip("/"))
    settings = dataclasses.replace(place.node.settings, backup_volume=wanted)
    settings_file.check(settings)
    present = _present(place, buckets)
    outcome = {
        "changed": wanted != present, "backup_volume": dataclasses.asdict(wanted),
        "diff": {"before": dataclasses.asdict(present), "after": dataclasses.asdict(wanted)},
    }
    form = forms.backup_volume(provider, call["migrate"])
    command = form.fill({**dataclasses.asdict(wanted), "threads": call["threads"]})
    if not outcome["changed"]:
        return outcome
    if call.check_mode:
        return {**outcome, "plan": planned([command])["plan"]}
    if call["migrate"]:
        outcome.update(work(place, "Migrate Backup Volume", [command]).result)
    else:
        place.carbonio.ask(command)
    settings_file.save(place.node.config_file, settings)
    return outcome


def _present(place: Place, buckets: list[Bucket]) -> BackupVolume:
    """Return where the backup is archived: in the bucket that is said to be used by this server, or where we set it."""
    noted = place.node.settings.backup_volume
    used = [one.id for one in buckets if platform.node() in one.usage or one.usage == "this node"]
    if not used:
        return BackupVolume() if noted.type == "s3" else noted
    return noted if noted.bucket_configuration_id in used else BackupVolume("s3", bucket_configuration_id=used[0])
