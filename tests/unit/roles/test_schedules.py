# Copyright: (c) 2026, the restante.carbonio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the role service has its jobs run, unless it is told otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).resolve().parents[3] / "roles" / "service"


def read(path: str) -> Any:
    return yaml.safe_load((ROLE / path).read_text(encoding="utf-8"))


def timer(job: str, **variables: str) -> str:
    """Return the timer of a job with the role's defaults and other variables."""
    given = {**read("defaults/main.yml"), **variables}
    jobs = {one["name"]: one for one in read("vars/main.yml")["service_jobs"]}
    calendar = jinja2.Template(jobs[f"restante-{job}"]["calendar"]).render(given)
    template = jinja2.Template((ROLE / "templates" / "job.timer.j2").read_text(encoding="utf-8"))
    return template.render(item={**jobs[f"restante-{job}"], "calendar": calendar}, ansible_managed="")


@pytest.mark.parametrize(("job", "calendar"), [
    ("smartscan", "*-*-* 04:00:00"), ("purge", "Sat *-*-* 04:00:00"),
])
def test_the_jobs_run_when_the_documentation_says(job: str, calendar: str) -> None:
    """R-215, R-237: and what was missed is not made up for."""
    lines = timer(job).splitlines()
    assert f"OnCalendar={calendar}" in lines and "Persistent=false" in lines


def test_another_schedule_can_be_given() -> None:
    assert "OnCalendar=*-*-* 02:30:00" in timer("smartscan", service_smartscan_calendar="*-*-* 02:30:00").splitlines()


@pytest.mark.parametrize("job", ["drill", "metrics"])
def test_what_needs_room_or_a_place_of_its_own_runs_only_where_it_is_asked_for(job: str) -> None:
    assert read("defaults/main.yml")[f"service_{job}_calendar"] == ""
    assert "OnCalendar=*:0/5" in timer(job, **{f"service_{job}_calendar": "*:0/5"}).splitlines()


def test_a_job_without_a_schedule_has_no_timer() -> None:
    """R-216."""
    jobs = [{"name": "on", "calendar": "daily"}, {"name": "off", "calendar": ""}]
    chosen = {
        name: jinja2.Environment(keep_trailing_newline=False).compile_expression(
            read("vars/main.yml")[name].strip("{} ")
        )(service_jobs=jobs)
        for name in ("service_jobs_on", "service_jobs_off")
    }
    assert {name: [one["name"] for one in found] for name, found in chosen.items()} == {
        "service_jobs_on": ["on"], "service_jobs_off": ["off"],
    }
    loops = [task.get("loop") for task in read("tasks/units.yml") if task["name"] == "Write their timers"]
    assert loops == ["{{ service_jobs_on }}"]
