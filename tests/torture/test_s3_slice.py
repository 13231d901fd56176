# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A short part of the torture of work with a bucket, chosen by a seed; and the tools themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.conftest import CHECKOUT, COLLECTIONS
from tests.servers import faulty_proxy, radosgw
from tests.servers.faulty_proxy import (
    DATED,
    DENIED,
    DRIP,
    DROP,
    FLIP,
    GHOST,
    KILL_AFTER,
    KILL_BEFORE,
    LOSE,
    MISSING,
    SHORT,
    SLOW_DOWN,
    TRUNCATE,
    UNCONDITIONAL,
    UNLISTED,
)
from tests.servers.needed import needed
from tests.torture.s3_layer import FOR_GOOD, KINDS, NO_MISHAP, ONCE, Layer, Mishap, s3_layer
from tests.torture.working import in_child

COUNT = 3
"""Mishaps of each group of jobs."""


def tortured(module: str, *options: str) -> str:
    """Run a torture; return what it said. It must find nothing."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.torture.{module}", *options], cwd=CHECKOUT, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("jobs", [
    ("scan", "realtime", "retrieve"), ("external restore", "item restore", "purge"), ("migrate", "coherency check"),
], ids=", ".join)
def test_work_with_a_bucket_that_meets_mishaps_tells_the_truth_and_ends_as_undisturbed(jobs: tuple[str, ...]) -> None:
    options = [option for job in jobs for option in ("--job", job)]
    assert f"{COUNT} mishaps, 0 findings" in tortured("s3", "--seed", "1", "--count", str(COUNT), *options)


def test_a_server_and_its_clone_do_not_mix_in_one_bucket() -> None:
    """R-203: one of them is told, and neither loses what is its own."""
    assert "2 mishaps, 0 findings" in tortured("s3", "--seed", "3", "--count", "2", "--job", "a cloned server")


def test_commands_and_a_gateway_that_are_killed_lose_nothing() -> None:
    """Real processes against a real S3 server; everything is compared at the end."""
    needed("radosgw", radosgw.missing())
    assert ", 0 findings" in tortured("s3_processes", "--seed", "1", "--seconds", "10")


# -- the tools ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layer() -> Iterator[Layer]:
    with s3_layer() as layer:
        client(layer).create_bucket(Bucket="bucket")
        yield layer


def client(layer: Layer, attempts: int = 1) -> object:
    return boto3.client(
        "s3", endpoint_url=layer.url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="s",
        config=Config(
            retries={"total_max_attempts": attempts}, s3={"addressing_style": "path"}, read_timeout=5,
            response_checksum_validation="when_required",
        ),
    )


def put(layer: Layer, key: str, **more: str) -> None:
    client(layer).put_object(Bucket="bucket", Key=key, Body=b"0123456789" * 10, **more)


def get(layer: Layer, key: str) -> bytes:
    return client(layer).get_object(Bucket="bucket", Key=key)["Body"].read()


def listed(layer: Layer) -> list[str]:
    return [one["Key"] for one in client(layer).list_objects_v2(Bucket="bucket").get("Contents", ())]


@pytest.fixture
def file(layer: Layer) -> str:
    """A file in the bucket, and one that looks like a pack."""
    layer.plan(NO_MISHAP)
    put(layer, "file")
    put(layer, f"packs/ab/ab{'0' * 62}")
    return "file"


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_requests_are_numbered_and_only_the_planned_ones_meet_a_mishap(layer: Layer, file: str) -> None:
    layer.plan(Mishap(2, SLOW_DOWN, 2))
    assert len(get(layer, file)) == 100
    for _unused in range(2):
        with pytest.raises(ClientError) as error:
            get(layer, file)
        assert code(error) == "SlowDown"
    assert len(get(layer, file)) == 100
    assert layer.seen() == [("GET", "/bucket/file")] * 4
    layer.plan(Mishap(1, DENIED, FOR_GOOD))
    for _unused in range(3):
        with pytest.raises(ClientError) as error:
            put(layer, "file")
        assert code(error) == DENIED


def test_a_request_is_dropped_before_or_after_the_store_has_done_it(layer: Layer, file: str) -> None:
    for fault, there in ((DROP, False), (LOSE, True)):
        layer.plan(Mishap(1, fault))
        with pytest.raises(ConnectionClosedError):
            put(layer, f"file-{fault}")
        assert (f"file-{fault}" in listed(layer)) is there
    layer.plan(Mishap(1, LOSE))
    with pytest.raises(ClientError) as error:  # what boto3 itself makes of it: the retry meets its own success
        client(layer, attempts=2).put_object(Bucket="bucket", Key="own", Body=b"x", IfNoneMatch="*")
    assert code(error) == "PreconditionFailed" and get(layer, "own") == b"x"


def test_bodies_are_altered_cut_and_dripped(layer: Layer, file: str) -> None:
    whole = get(layer, file)
    layer.plan(Mishap(1, FLIP), seed=5)
    flipped = get(layer, file)
    assert sum(bin(one ^ other).count("1") for one, other in zip(whole, flipped)) == 1 and len(flipped) == len(whole)
    layer.plan(Mishap(1, SHORT), seed=5)
    short = get(layer, file)
    assert whole.startswith(short) and short != whole
    layer.plan(Mishap(1, TRUNCATE))
    with pytest.raises(Exception, match="Connection broken|expected to consume|Read 50 out of 100|IncompleteRead"):
        get(layer, file)
    layer.plan(Mishap(1, DRIP))
    began = time.monotonic()
    assert get(layer, file) == whole
    assert time.monotonic() - began > 0.5


def test_files_are_missing_once_or_for_good_and_listings_lie(layer: Layer, file: str) -> None:
    pack = f"packs/ab/ab{'0' * 62}"
    layer.plan(Mishap(1, MISSING))
    with pytest.raises(ClientError) as error:
        get(layer, file)
    assert code(error) == "NoSuchKey" and get(layer, file)
    layer.plan(Mishap(1, MISSING, FOR_GOOD))
    for _unused in range(2):
        with pytest.raises(ClientError):
            get(layer, file)
        assert get(layer, pack), "one file is missing, not all"
    layer.plan(NO_MISHAP)
    there = listed(layer)
    layer.plan(Mishap(1, UNLISTED))
    assert len(listed(layer)) == len(there) - 1 and set(listed(layer)) == set(there)
    layer.plan(Mishap(1, GHOST))
    assert set(listed(layer)) - set(there) == {pack[:-1] + "1"}


def test_dates_lie_and_conditions_are_lost(layer: Layer, file: str) -> None:
    layer.plan(Mishap(1, UNCONDITIONAL))
    put(layer, file, IfNoneMatch="*")
    with pytest.raises(ClientError) as error:
        put(layer, file, IfNoneMatch="*")
    assert code(error) == "PreconditionFailed"

    def date() -> str:
        return str(client(layer).head_bucket(Bucket="bucket")["ResponseMetadata"]["HTTPHeaders"]["date"])

    layer.plan(Mishap(1, DATED))
    assert date()[5:16] != date()[5:16]


def test_who_asks_is_killed_before_or_after_the_store_has_done_it(layer: Layer, file: str) -> None:
    for fault, there in ((KILL_BEFORE, False), (KILL_AFTER, True)):
        key = fault.replace(" ", "-")

        def begun(group: int, fault: str = fault) -> None:
            layer.plan(Mishap(1, fault), group)

        ended = in_child(lambda key=key: put(layer, key), begun, lambda: None)
        assert ended.killed
        assert (key in listed(layer)) is there


def test_what_hangs_or_breaks_is_a_finding() -> None:
    assert in_child(lambda: "told", lambda _pid: None, lambda: None).told == "told"
    assert "has not ended after 0 s" in in_child(lambda: time.sleep(60), lambda _pid: None, lambda: None, 0.3).broken
    assert "ZeroDivisionError" in in_child(lambda: 1 // 0, lambda _pid: None, lambda: None).broken


def test_every_fault_of_the_proxy_is_among_those_that_are_tried() -> None:
    tried = {fault for fault, _times in KINDS}
    named = {value for name, value in vars(faulty_proxy).items() if name.isupper() and isinstance(value, str)}
    # A hang is a drop that takes as long as the client waits, and ALTER is FLIP in a fixed place.
    assert {value for value in named if not value.startswith("<")} - tried == {"hang", "alter"}
    assert {times for _fault, times in KINDS} >= {ONCE, FOR_GOOD}
