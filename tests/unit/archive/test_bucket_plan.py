# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The plan that brings a bucket into its desired state."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.archive.bucket_admin import (
    BucketState,
    Encryption,
    LifecycleRule,
    ObjectLock,
    Present,
    Step,
    plan,
)
from ansible_collections.restante.carbonio.plugins.module_utils.model.errors import InvalidInput

RULE = LifecycleRule("old", noncurrent_days=30)
FULL = BucketState(True, Encryption("AES256"), True, (RULE,), ObjectLock("GOVERNANCE", 7))


def test_nothing_is_planned_for_a_bucket_that_is_as_desired() -> None:
    assert plan(FULL, Present(FULL, {})) == []


def test_what_is_not_desired_is_left_as_it_is() -> None:
    assert plan(BucketState(), Present(FULL, {})) == []


def test_a_missing_bucket_is_created_first_with_its_lock() -> None:
    steps = plan(FULL, None)
    assert steps[0] == Step("bucket", None, True)
    assert [step.setting for step in steps[1:]] == [
        "versioning", "encryption", "public_access_blocked", "lifecycle", "object_lock"
    ]


def test_only_the_difference_is_planned() -> None:
    present = Present(BucketState(versioning=True, encryption=Encryption("aws:kms", "key")), {})
    assert plan(BucketState(versioning=True, encryption=Encryption("AES256")), present) == [
        Step("encryption", Encryption("aws:kms", "key"), Encryption("AES256"))
    ]


def test_switching_off_what_was_never_set_is_no_change() -> None:
    off = BucketState(versioning=False, encryption=Encryption(), public_access_blocked=False, lifecycle=())
    assert plan(off, Present(BucketState(), {})) == []
    assert plan(off, None) == [Step("bucket", None, False)]


def test_what_the_server_cannot_tell_of_is_not_planned_again_and_again() -> None:
    assert plan(BucketState(versioning=True), Present(BucketState(), {"versioning": "501"})) == []


@pytest.mark.parametrize("state, word", [
    (BucketState(encryption=Encryption("rot13")), "rot13"),
    (BucketState(object_lock=ObjectLock("FOREVER", 1)), "FOREVER"),
    (BucketState(object_lock=ObjectLock("GOVERNANCE")), "days"),
    (BucketState(object_lock=ObjectLock("", 3)), "mode"),
    (BucketState(object_lock=ObjectLock(), versioning=False), "versioning"),
    (BucketState(lifecycle=(LifecycleRule("empty"),)), "empty"),
])
def test_an_impossible_state_is_refused(state: BucketState, word: str) -> None:
    with pytest.raises(InvalidInput, match=word):
        state.check()


def test_a_possible_state_is_not() -> None:
    FULL.check()
    BucketState().check()
