# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Forms: the vendor's commands that modules drive, word for word (reference, sections 3.1 to 3.6).

tests/unit/vendor holds them against the list of the vendor's commands and against the grammar of our own command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from .words import Form, Option, date

_NOTIFICATIONS: Final = Option("notifications")
_ACCOUNT: Final = Option("account")
_BACKUP_PATH: Final = Option("backup_path")
_THREADS: Final = Option("threads", usual=10)
_BUCKET: Final = Option("bucket_configuration_id")
_PREFIX: Final = Option("volume_prefix")
_START: Final = ("start",)

# -- scans and maintenance (3.1) ---------------------------------------------------------------------------------------

UPLOADED: Final = ("remote_metadata_upload", "true")
"""Has the scan archive metadata too, as the nightly one does; without an external volume there is none to archive."""

SMART_SCAN: Final = Form(
    "backup doSmartScan",
    optional=(Option("deep", usual=False), Option("read_error_threshold", usual=0), _NOTIFICATIONS),
    fixed=_START, added=UPLOADED,
)
ACCOUNT_SCAN: Final = Form(
    "backup doAccountScan", (_ACCOUNT,), (Option("deep", usual=False), _NOTIFICATIONS), added=UPLOADED
)
PURGE: Final = Form("backup doPurge", optional=(Option("purge_days", "purgeDays"), _BACKUP_PATH))
COHERENCY_CHECK: Final = Form(
    "backup doCoherencyCheck",
    (_BACKUP_PATH,),
    (
        Option("accounts", "accountIds"), Option("compare_mailboxes", "checkZimbra", usual=False),
        Option("fix", "fixBackup", usual=False), _NOTIFICATIONS,
        Option("double_compressed", "fixDoubleGzip", usual="skip"),
    ),
)
EXPORT: Final = Form(
    "backup doExport",
    (Option("destination", "destination_path"),),
    (
        Option("domains"), Option("cos"), _NOTIFICATIONS, Option("threshold", usual=0),
        Option("read_error_threshold", usual=0), Option("skip_items", usual=False),
    ),
)
RETRIEVE_S3: Final = Form(
    "backup retrieveMetadataFromArchive S3",
    (Option("destination"),),
    (
        Option("bucket_name"), Option("access_key"), Option("secret", is_secret=True), _PREFIX, _BUCKET,
        Option("region"), Option("url"), Option("prefix"), _THREADS, _NOTIFICATIONS,
    ),
)
RETRIEVE_LOCAL: Final = Form(
    "backup retrieveMetadataFromArchive Local", (Option("source"), Option("destination")), (_THREADS, _NOTIFICATIONS)
)
LEGAL_HOLD_GET: Final = Form("backup legalHold get", (Option("accounts"),))
LEGAL_HOLD_SET: Final = Form("backup legalHold set", (Option("accounts"),))
LEGAL_HOLD_UNSET: Final = Form("backup legalHold unset", (Option("accounts"),))


def backup_volume(provider: str, migrate: bool) -> Form:
    """Return the form that chooses another backup volume. :param provider: of the bucket, or Default, or Local."""
    command = f"backup {'migrate' if migrate else 'set'}BackupVolume {_VOLUME_NAMES.get(provider, provider)}"
    threads = (_THREADS,) if migrate else ()
    if provider == "Default":
        return Form(command, fixed=_START)
    if provider == "Local":
        return Form(command, (Option("path"),), threads)
    return Form(command, (_BUCKET,), (_PREFIX, *threads))


_VOLUME_NAMES: Final = {"ScalityS3": "Scality"}
"""Providers that the commands of volumes call otherwise than those of buckets."""

# -- restores (3.3) ----------------------------------------------------------------------------------------------------

ITEM_RESTORE: Final = Form(
    "backup doItemRestore", (_ACCOUNT, Option("item_id")),
    (Option("date", usual="last", write=date), Option("restore_folder")),
)
UNDELETE: Final = Form(
    "backup doUndelete",
    (_ACCOUNT, Option("start_date", write=date), Option("end_date", write=date)),
    (Option("target_original_folder", usual=True), Option("apply_hsm", usual=False), _NOTIFICATIONS),
)
NEW_ACCOUNT_RESTORE: Final = Form(
    "backup doRestoreOnNewAccount",
    (Option("source_account"), Option("destination_account"), Option("date", write=date)),
    (
        Option("apply_hsm", usual=False), _NOTIFICATIONS, Option("restore_datasource", usual=True),
        Option("undelete", usual=False), Option("undelete_start_date", usual="first", write=date),
    ),
)
EXTERNAL_RESTORE: Final = Form(
    "backup doExternalRestore",
    (Option("source_path"),),
    (
        Option("accounts"), Option("input_file"), Option("domains"), Option("filter_deleted", usual=True),
        Option("skip_system_accounts", usual=True), Option("skip_aliases", usual=False),
        Option("skip_distribution_lists", usual=False), Option("skip_coses", usual=False),
        Option("skip_account_provisioning", usual=False), Option("skip_domain_provisioning", usual=False),
        Option("provisioning_only", usual=False), Option("concurrent_accounts", usual=1),
        Option("max_file_size", usual=0), Option("restore_datasource", usual=True),
        Option("force_as_external_restore", usual=False), _NOTIFICATIONS, Option("blobs_archive"),
    ),
)
RESTORE_BLOBS: Final = Form(
    "backup doRestoreBlobs",
    (Option("volume", "volume_id"),),
    (_BACKUP_PATH, Option("threads", usual=4), Option("blobs_archive"), Option("compressed", "compress")),
    added=("dryrun", "false"),
)
CHECK_SHARES: Final = Form("backup doCheckShares", fixed=_START)
FIX_SHARES: Final = Form("backup doFixShares", (Option("import_idmap_file"),))

# -- inspection (3.2) --------------------------------------------------------------------------------------------------

BACKUP_INFO: Final = Form("backup getBackupInfo", optional=(_BACKUP_PATH,))
ITEM: Final = Form(
    "backup getItem", (_ACCOUNT, Option("item")),
    (_BACKUP_PATH, Option("date", usual="last", write=date), Option("blobs_archive")),
)
ITEM_SEARCH: Final = Form(
    "backup doItemSearch",
    (_ACCOUNT,),
    (
        _BACKUP_PATH, Option("id"), Option("search_string"), Option("type", usual="message"),
        Option("before", write=date), Option("after", write=date), Option("raw_metadata", usual=False),
        Option("search_filter", usual="deleted"),
    ),
)
ACCOUNT_INFO: Final = Form(
    "backup getAccountInfo", (_ACCOUNT,),
    (_BACKUP_PATH, Option("date", usual="most_recent", write=date), Option("backupstats", usual=False)),
)
AVAILABLE_ACCOUNTS: Final = Form(
    "backup getAvailableAccounts",
    optional=(
        Option("date", usual="last", write=date), _BACKUP_PATH, Option("domains"), Option("hide_deleted", usual=False),
        Option("hide_system_accounts", usual=True), Option("hide_existing_accounts", usual=False),
    ),
)
MAP: Final = Form("backup getMap", (Option("file_path"),))

# -- operations (3.1, 3.4, 3.5) ----------------------------------------------------------------------------------------

OPERATION_LOG: Final = Form("core getOperationLog")
NOTIFICATIONS: Final = Form("core getNotification", optional=(Option("id"),))


def all_operations(module: str) -> Form:
    """Return the form that lists what runs or waits in a queue."""
    return Form(f"{module} getAllOperations")


def monitor(module: str) -> Form:
    """Return the form that shows an operation of a queue."""
    return Form(f"{module} monitor", (Option("operation_uuid"),))


def stop(module: str) -> Form:
    """Return the form that stops an operation of a queue."""
    return Form(f"{module} doStopOperation", (Option("operation_uuid"),))


# -- buckets (3.4) -----------------------------------------------------------------------------------------------------

LIST_BUCKETS: Final = Form("core listBuckets", (Option("provider"),))
TEST_BUCKET: Final = Form(
    "core testS3Connection", (Option("bucket_configuration_id", "s3BucketConfigurationUuid"),)
)
DELETE_BUCKET: Final = Form("core doDeleteBucket", (Option("provider"), _BUCKET))

_NAMED: Final = (Option("bucket_name"), Option("access_key"), Option("secret", is_secret=True))
_LABEL, _URL, _NOTES = Option("label"), Option("url"), Option("notes")
_REGION, _IN_BUCKET = Option("region"), Option("prefix")
_SIGNATURE: Final = Option("signature_version", usual="v4", write=lambda value, time_zone: str(value).upper())


def _bucket(provider: str, mandatory: Sequence[Option], optional: Sequence[Option]) -> tuple[str, Form]:
    return provider, Form(f"core doCreateBucket {provider}", (*_NAMED, *mandatory), optional)


CREATE_BUCKET: Final[Mapping[str, Form]] = dict((
    # The pages disagree on whether a bucket of S3 must have a region; where it has one, it comes by position (C-12).
    ("S3", Form("core doCreateBucket S3", (*_NAMED, _LABEL), (_URL, _IN_BUCKET, _NOTES), by_position=(_REGION,))),
    _bucket("Alibaba", (_LABEL,), (_URL, _IN_BUCKET, _REGION, _NOTES)),
    *(_bucket(one, (_URL, _LABEL), (_IN_BUCKET, _NOTES)) for one in ("Ceph", "Cloudian", "EMC", "ScalityS3")),
    _bucket("CustomS3", (_URL, _LABEL), (_IN_BUCKET, _NOTES, _REGION, _SIGNATURE)),
    _bucket("MinIO", (_URL, _LABEL), (_IN_BUCKET, _NOTES, _SIGNATURE)),
))
"""By provider; the vendor's command can create no other."""
UPDATE_BUCKET: Final = Form("core doUpdateBucket", (Option("provider"), _BUCKET), (*_NAMED, _REGION, _URL))

# -- volumes (3.5) -----------------------------------------------------------------------------------------------------

ALL_VOLUMES: Final = Form("powerstore getAllVolumes")
CREATE_VOLUME: Final = Form(
    "powerstore doCreateVolume FileBlob",
    (Option("name", "volume_name"), Option("volume_type"), Option("path", "volume_path")),
    (Option("compressed", "volume_compressed", False), Option("compression_threshold", "compression_threshold_bytes")),
)
UPDATE_VOLUME: Final = Form(
    "powerstore doUpdateVolume FileBlob",
    (Option("name", "current_volume_name"),),
    (
        Option("volume_type"), Option("path", "volume_path"), Option("current", "current_volume", False),
        Option("compressed", "volume_compressed"), Option("compression_threshold"),
    ),
)
DELETE_VOLUME: Final = Form("powerstore doDeleteVolume", (Option("name", "volume_name"),))
DEDUPLICATE: Final = Form("powerstore doDeduplicate", (Option("volume", "volume_name"),))

# -- attributes (3.6) --------------------------------------------------------------------------------------------------

_ATTRIBUTE: Final = Option("attribute")


def attribute(verb: str, level: str) -> Form:
    """Return the form that gets, sets or unsets an attribute; the global level has no name."""
    named = () if level == "global" else (Option("name"),)
    return Form(f"config {verb} {level}", (*named, _ATTRIBUTE, *((Option("value"),) if verb == "set" else ())))


def dump(level: str) -> Form:
    """Return the form that shows all attributes of an entry."""
    if level == "global":
        return Form("config dump global")
    return Form(f"config dump {level}", (Option("name"),), (Option("show_inherited", "show-inherited", True),))
