# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an S3 archive does when the store, the network or the settings are not as they should be."""

from __future__ import annotations

import dataclasses
import hashlib
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive import s3_client
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketAdmin,
    BucketState,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.probe import (
    probe_conditional_writes,
    probe_connection,
)
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3 import S3Archive
from ansible_collections.restante.carbonio.plugins.module_utils.archive.s3_settings import S3Settings
from ansible_collections.restante.carbonio.plugins.module_utils.backup import commits
from ansible_collections.restante.carbonio.plugins.module_utils.model import moment
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import (
    Damaged,
    InvalidInput,
    NotFound,
    Refused,
    RestanteError,
    Unavailable,
)
from ansible_collections.restante.carbonio.plugins.module_utils.restore.retrieve import retrieve
from ansible_collections.restante.carbonio.plugins.module_utils.scan.upload import Uploader
from archive_kit import Backup, Interposed
from servers.faulty_proxy import (
    ALTER,
    DATED,
    DAYS_AHEAD,
    DRIP,
    DROP,
    ERROR_500,
    FLIP,
    HANG,
    LOSE,
    SHORT,
    SLOW_DOWN,
    TRUNCATE,
    UNLISTED,
    FaultyProxy,
    faulty_proxy,
)
from servers.ports import free_port

NAME = "commits/1.json"
SECRET = "Zm9yYmlkZGVuLXNlY3JldA"


@pytest.fixture
def proxy(moto_bucket: S3Settings) -> Iterator[FaultyProxy]:
    with faulty_proxy(moto_bucket.endpoint) as proxy:
        yield proxy


@pytest.fixture
def settings(moto_bucket: S3Settings, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> S3Settings:
    """Settings that go through the proxy, with no waiting between attempts."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _unused: None)
    return dataclasses.replace(
        moto_bucket, endpoint=proxy.url, secret_key=SECRET, prefix="p", connect_timeout=1, read_timeout=0.5
    )


@pytest.fixture
def shaky(settings: S3Settings) -> S3Archive:
    return S3Archive(settings)


def without(header: str) -> Callable[..., None]:
    """Return what takes a header out of a request before it is sent."""

    def change(params: dict[str, Any], **_unused: object) -> None:
        params["headers"].pop(header, None)

    return change


def whole_text(error: BaseException) -> str:
    """Return all that a log could show of an error."""
    return "".join(traceback.format_exception(type(error), error, error.__traceback__)) + repr(error)


# -- faults that pass ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [ERROR_500, SLOW_DOWN, DROP, LOSE, HANG])
def test_a_write_that_failed_is_tried_again(shaky: S3Archive, proxy: FaultyProxy, fault: str) -> None:
    proxy.first(1, fault, "PUT")
    shaky.put(NAME, b"content")
    assert proxy.count("PUT") == 2
    assert shaky.get(NAME) == b"content"


@pytest.mark.parametrize("fault", [ERROR_500, SLOW_DOWN, DROP, LOSE, HANG])
def test_a_file_is_sent_again_from_its_beginning(
    shaky: S3Archive, proxy: FaultyProxy, tmp_path: Path, fault: str
) -> None:
    content = bytes(range(256)) * 4000
    (tmp_path / "file").write_bytes(content)
    proxy.first(1, fault, "PUT")
    shaky.put_file(NAME, str(tmp_path / "file"), hashlib.sha256(content).hexdigest())
    assert shaky.get(NAME) == content


@pytest.mark.parametrize("fault", [ERROR_500, DROP, LOSE, HANG])
def test_a_first_write_that_met_its_own_success_is_a_success(
    shaky: S3Archive, proxy: FaultyProxy, fault: str
) -> None:
    """After a time-out that came too late, the store says that the name is taken: by this very write."""
    proxy.first(1, fault, "PUT")
    assert shaky.put_new(NAME, b"mine, with a nonce")
    assert shaky.get(NAME) == b"mine, with a nonce"
    assert not shaky.put_new(NAME, b"another's")


@pytest.mark.parametrize("fault", [ERROR_500, SLOW_DOWN, DROP, TRUNCATE, HANG])
def test_a_read_that_failed_is_tried_again(shaky: S3Archive, proxy: FaultyProxy, fault: str) -> None:
    content = bytes(range(256)) * 1000
    shaky.put(NAME, content)
    proxy.first(1, fault, "GET")
    assert shaky.get(NAME) == content
    proxy.first(1, fault, "GET")
    assert shaky.get_range(NAME, 1000, 100_000) == content[1000:101_000]


@pytest.mark.parametrize("fault", [FLIP, SHORT, ALTER])
def test_a_commit_that_was_altered_on_its_way_is_read_again(shaky: S3Archive, proxy: FaultyProxy, fault: str) -> None:
    """It may still look like a commit: nothing but its neighbours, or the store's tag, tells."""
    shaky.put(NAME, b'{"a":1,"b":"some text"}')
    proxy.first(1, fault, "GET")
    assert shaky.get(NAME) == b'{"a":1,"b":"some text"}'


def test_a_file_that_comes_otherwise_each_time_is_told_as_damaged(shaky: S3Archive, proxy: FaultyProxy) -> None:
    shaky.put(NAME, bytes(1000))
    proxy.first(100, FLIP, "GET")
    with pytest.raises(Damaged, match=f"{NAME}.*other bytes each time"):
        shaky.get(NAME)


def test_a_file_whose_tag_is_no_digest_is_read_until_it_comes_the_same_twice(
    shaky: S3Archive, proxy: FaultyProxy
) -> None:
    """Stores that encrypt with keys of their own give such tags."""
    shaky.put(NAME, b"content")
    shaky._client.meta.events.register("after-call.s3.GetObject", lambda parsed, **_: parsed.update(ETag='"x-1"'))
    assert shaky.get(NAME) == b"content" and proxy.count("GET") == 2
    proxy.first(1, FLIP, "GET")
    assert shaky.get(NAME) == b"content" and proxy.count("GET") == 5


def test_an_altered_answer_does_not_make_two_writers_of_one(shaky: S3Archive, proxy: FaultyProxy) -> None:
    shaky.put(NAME, b"mine")
    proxy.first(1, FLIP, "GET")
    assert shaky.put_new(NAME, b"mine")


@pytest.mark.parametrize("change", [
    (b"</Key>", b"</Kex>"), (b"<Size>1", b"<Size>?"), (b"<Key>", b"<Kez>"), (b"<LastModified>2", b"<LastModified>x"),
    (b"Key>", b"Kez>"),
], ids=["cut short", "size", "tag", "date", "no name"])
def test_a_listing_that_was_altered_on_its_way_is_told_in_a_sentence(
    shaky: S3Archive, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch, change: tuple[bytes, bytes]
) -> None:
    shaky.put(NAME, b"x")
    monkeypatch.setattr(proxy, "changed", lambda _fault, content: content.replace(*change))
    for attempt in (lambda: list(shaky.list("")), lambda: shaky.erase(NAME)):
        with pytest.raises(Unavailable, match="cannot be read|500"):  # botocore's number for an answer that is no XML
            attempt()


def test_a_slow_answer_is_waited_for_and_one_that_never_ends_is_given_up(
    settings: S3Settings, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = S3Archive(dataclasses.replace(settings, read_timeout=1, attempts=2))
    archive.put(NAME, bytes(200))
    proxy.drip_seconds = 0.1
    proxy.first(100, DRIP, "GET")
    assert archive.get(NAME) == bytes(200)
    proxy.drip_seconds = 0.3
    with pytest.raises(Unavailable, match="too slowly"):
        archive.get(NAME)


def test_what_a_listing_of_versions_lacks_is_deleted_all_the_same(
    shaky: S3Archive, proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    shaky.put(NAME, b"x")
    proxy.first(1, UNLISTED, "GET", "versions")
    shaky.erase(NAME)
    assert shaky.size(NAME) is None


def test_versions_that_may_not_be_listed_are_known_to_be_left(
    moto_bucket: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    BucketAdmin(moto_bucket).apply(plan(BucketState(versioning=True), BucketAdmin(moto_bucket).present()))
    archive, pages = S3Archive(moto_bucket), S3Archive._pages

    def denied(self: S3Archive, operation: str, prefix: str, **arguments: str) -> Iterator[Any]:
        if operation == "list_object_versions":
            raise Refused("s3:ListBucketVersions is not allowed")
        return pages(self, operation, prefix, **arguments)

    archive.put(NAME, b"x")
    with monkeypatch.context() as patched:
        patched.setattr(S3Archive, "_pages", denied)
        assert not archive.erase(NAME) and archive.size(NAME) is None
    assert archive.erase(NAME)
    listed = archive._client.list_object_versions(Bucket=moto_bucket.bucket)
    assert not listed.get("Versions") and not listed.get("DeleteMarkers")


def test_the_time_is_that_of_the_store(shaky: S3Archive, proxy: FaultyProxy) -> None:
    assert abs(shaky.now() - moment.now()) < 60_000
    proxy.first(1, DATED, "HEAD")
    assert abs(shaky.now() - moment.now() - DAYS_AHEAD * 86_400_000) < 60_000


def test_a_server_that_ignores_ranges_does_no_harm(shaky: S3Archive) -> None:
    shaky.put(NAME, b"0123456789")
    shaky._client.meta.events.register("before-call.s3.GetObject", without("Range"))
    assert shaky.get_range(NAME, 2, 3) == b"234"


# -- faults that stay ------------------------------------------------------------------------------------------------

REQUESTS: dict[str, Callable[[S3Archive], object]] = {
    "GET": lambda archive: archive.get(NAME),
    "PUT": lambda archive: archive.put_new(NAME, b"x"),
    "HEAD": lambda archive: archive.size(NAME),
    "DELETE": lambda archive: archive.delete(NAME),
}


@pytest.mark.parametrize("fault", [ERROR_500, SLOW_DOWN, DROP, HANG])
@pytest.mark.parametrize("method", REQUESTS)
def test_a_store_that_does_not_recover_is_given_up_with_a_sentence(
    shaky: S3Archive, proxy: FaultyProxy, method: str, fault: str
) -> None:
    proxy.first(100, fault, method)
    with pytest.raises(Unavailable, match=f"{NAME}.*{proxy.url}") as caught:
        REQUESTS[method](shaky)
    assert proxy.count(method) == 3, "the attempts are bounded"
    assert SECRET not in whole_text(caught.value)


def test_a_read_that_always_breaks_off_is_given_up(shaky: S3Archive, proxy: FaultyProxy) -> None:
    shaky.put(NAME, bytes(100_000))
    proxy.first(100, TRUNCATE, "GET")
    with pytest.raises(Unavailable, match=NAME):
        shaky.get(NAME)
    assert proxy.count("GET") == 3


def test_an_endpoint_that_is_down_is_named(settings: S3Settings) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    archive = S3Archive(dataclasses.replace(settings, endpoint=url))
    for request in REQUESTS.values():
        with pytest.raises(Unavailable, match=url):
            request(archive)


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize("server", ["moto_bucket", "ceph_bucket"])
def test_a_missing_bucket_is_told_from_a_missing_file(
    request: pytest.FixtureRequest, server: str, request_: Callable[[S3Archive], object]
) -> None:
    bucket: S3Settings = request.getfixturevalue(server)
    archive = S3Archive(dataclasses.replace(bucket, bucket="no-such-bucket"))
    with pytest.raises(NotFound, match="there is no bucket no-such-bucket|There is no bucket no-such-bucket"):
        request_(archive)
    with pytest.raises(NotFound, match="no bucket"):
        list(archive.list(""))


@pytest.mark.parametrize("wrong", ["access_key", "secret_key"])
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_wrong_credentials_are_refused_with_a_sentence(
    ceph_bucket: S3Settings, wrong: str, request_: Callable[[S3Archive], object]
) -> None:
    changed = dataclasses.replace(ceph_bucket, access_key="nobody") if wrong == "access_key" else (
        dataclasses.replace(ceph_bucket, secret_key=SECRET)
    )
    with pytest.raises(Refused, match="credentials|Check the keys") as caught:
        request_(S3Archive(changed))
    assert SECRET not in whole_text(caught.value)
    assert ceph_bucket.secret_key not in whole_text(caught.value)


def test_missing_credentials_are_told_as_such(moto_bucket: S3Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    archive = S3Archive(dataclasses.replace(moto_bucket, access_key="", secret_key=""))
    with pytest.raises(InvalidInput, match="no credentials"):
        archive.get(NAME)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "from-the-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    S3Archive(dataclasses.replace(moto_bucket, access_key="", secret_key="")).put(NAME, b"x")


@pytest.mark.parametrize("changes, word", [
    ({"bucket": ""}, "name of the bucket"),
    ({"secret_key": ""}, "secret"),
    ({"access_key": ""}, "access key"),
    ({"access_key": "", "secret_key": "", "session_token": SECRET}, "session token"),
    ({"endpoint": "s3.example.com"}, "https://"),
    ({"endpoint": "ftp://s3.example.com"}, "ftp://"),
    ({"endpoint": "http://s3.example.com:port"}, "URL"),
    ({"endpoint": f"https://user:{SECRET}@s3.example.com"}, "password"),
    ({"profile": "no-such-profile"}, "no-such-profile"),
    ({"signature_version": "v9"}, "v9"),
    ({"addressing": "post"}, "post"),
])
def test_unusable_settings_are_told_before_any_request(
    settings: S3Settings, changes: dict[str, str], word: str
) -> None:
    with pytest.raises(InvalidInput, match=word) as caught:
        S3Archive(dataclasses.replace(settings, **changes))  # type: ignore[arg-type]
    assert SECRET not in whole_text(caught.value)


def test_an_impossible_bucket_name_is_told_as_such(settings: S3Settings) -> None:
    with pytest.raises(RestanteError, match="no bucket/name"):
        S3Archive(dataclasses.replace(settings, bucket="no bucket/name")).get(NAME)


def test_a_machine_without_boto3_is_told_how_to_get_it(
    settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_client, "BOTO3_MISSING", "ImportError: no boto3")
    with pytest.raises(InvalidInput, match="python3-boto3"):
        S3Archive(settings)


def test_no_secret_shows_in_what_a_log_could_print(settings: S3Settings) -> None:
    with_token = dataclasses.replace(settings, session_token=SECRET + "-token")
    archive = S3Archive(with_token)
    assert SECRET not in repr(with_token) + repr(archive) + archive.describe() + str(with_token) + str(archive)


# -- stores that lie -------------------------------------------------------------------------------------------------


def test_a_store_that_ignores_conditions_is_refused(shaky: S3Archive) -> None:
    shaky._careful_client.meta.events.register_last("before-call.s3.PutObject", without("If-None-Match"))
    with pytest.raises(Refused, match="does not honour conditional writes"):
        probe_conditional_writes(shaky)
    assert list(shaky.list("")) == [], "nothing is left of the probe"


def test_a_store_whose_conditions_are_not_atomic_is_refused(moto_bucket: S3Settings) -> None:
    class LookThenWrite(Interposed):
        """Honours the condition for one writer after the other only."""

        def put_new(self, name: str, data: bytes) -> bool:
            taken = self.archive.size(name) is not None
            if not taken:
                self.archive.put(name, data)
            return not taken or self.archive.get(name) == data

    with pytest.raises(Refused, match="writers of one new file"):
        probe_conditional_writes(LookThenWrite(S3Archive(moto_bucket)))


def test_a_versioned_bucket_of_an_old_radosgw_is_refused(ceph_bucket: S3Settings) -> None:
    """It ignores the condition there: found by the probe, and not by two servers."""
    archive = S3Archive(ceph_bucket)
    probe_conditional_writes(archive)
    archive._client.put_bucket_versioning(Bucket=ceph_bucket.bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(Refused, match="versioning"):
        probe_conditional_writes(archive)


def test_a_store_that_alters_what_it_keeps_fails_the_connection_test(
    shaky: S3Archive, proxy: FaultyProxy
) -> None:
    proxy.first(100, ALTER, "GET")
    with pytest.raises(RestanteError, match="other bytes"):
        probe_connection(shaky)


# -- the whole way over a bad line -----------------------------------------------------------------------------------


def test_upload_and_retrieval_get_through_a_line_that_fails_all_the_time(
    shaky: S3Archive, proxy: FaultyProxy, backup: Backup, tmp_path: Path
) -> None:
    faults = [ERROR_500, "", LOSE, "", "", TRUNCATE, "", SLOW_DOWN, "", DROP, "", "", ""]

    def decide(method: str, path: str) -> str:
        return faults[len(proxy.seen) % len(faults)]

    proxy.decide = decide
    backup.grow(commits=6)
    for _unused in range(20):
        try:
            Uploader(backup.repository, shaky, threads=2).sync()
            break
        except Unavailable:
            continue
    proxy.decide = lambda method, path: ""
    assert {file.name for file in shaky.list("")} == set(backup.files())
    proxy.decide = decide
    for _unused in range(20):
        try:
            report = retrieve(shaky, str(tmp_path / "restore"), threads=2)
            break
        except Unavailable:
            continue
    assert report.newest == 6 and not report.damages
    for name in [commits.name(6), "format.json"]:
        assert (tmp_path / "restore" / name).read_bytes() == (backup.path / name).read_bytes()
