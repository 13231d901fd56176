# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether an account is backed up."""

from __future__ import annotations

import pytest
from ansible_collections.restante.carbonio.plugins.module_utils.model import kinds
from ansible_collections.restante.carbonio.plugins.module_utils.model.state import Entry
from ansible_collections.restante.carbonio.plugins.module_utils.model.switch import Switch


def attrs(**values: str) -> dict[str, tuple[str, ...]]:
    return {name: (value,) for name, value in values.items() if value}


@pytest.mark.parametrize("own, own_cos, domain_cos, on", [
    ("", "", "", True), ("FALSE", "", "", False), ("false", "", "", False), ("TRUE", "off", "", True),
    ("", "off", "", False), ("", "", "off", False), ("", "on", "off", True), ("", "gone", "", True),
])
def test_the_accounts_own_word_counts_before_that_of_its_class_of_service(
    own: str, own_cos: str, domain_cos: str, on: bool
) -> None:
    """R-245."""
    coses = [
        Entry("off", kinds.COS, "off", attrs(backupEnabled="FALSE")), Entry("on", kinds.COS, "on"),
        Entry("d", kinds.COS, "default"),
    ]
    domain = Entry("x", kinds.DOMAIN, "Example.com", attrs(zimbraDomainDefaultCOSId=domain_cos))
    account = Entry("a", kinds.ACCOUNT, "ann@example.COM", attrs(backupEnabled=own, zimbraCOSId=own_cos))
    assert Switch(coses, [domain]).is_on(account) is on


def test_the_class_of_service_default_speaks_for_accounts_that_name_none() -> None:
    default = Entry("d", kinds.COS, "default", attrs(backupEnabled="FALSE"))
    assert not Switch([default], []).is_on(Entry("a", kinds.ACCOUNT, "ann@example.com"))
