# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Units: what systemctl shows, and the order of steps."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._system.units import parse_show
from ansible_collections.twin.datacenter.plugins.modules.units import SUBJECT
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.world import Fault
from tests.doubles.memory import MemoryHost
from tests.doubles.system import server

# systemd 257; systemd 252 shows the same properties.
SHOWN = """\
Names=chrony.service chronyd.service
LoadState=loaded
ActiveState=active
UnitFileState=enabled

Names=nope.service
LoadState=not-found
ActiveState=inactive
UnitFileState=

Names=lxc-net.service
LoadState=loaded
ActiveState=inactive
UnitFileState=disabled
"""


def apply(host: MemoryHost, *items: dict[str, Any]) -> list[str]:
    return reconcile(SUBJECT, {"units": list(items)}, host, host).plan.sentences


def test_a_unit_is_known_by_all_its_names() -> None:
    both = {"enabled": True, "active": True}
    off = {"enabled": False, "active": False}
    assert parse_show(SHOWN) == {
        "chrony.service": both,
        "chronyd.service": both,
        "nope.service": None,
        "lxc-net.service": off,
    }


def test_enable_before_start_and_stop_before_disable() -> None:
    host = server(
        units={
            "on.service": {"enabled": True, "active": True},
            "off.service": {"enabled": False, "active": False},
        }
    )
    assert apply(
        host,
        {"name": "on.service", "enabled": False, "active": False},
        {"name": "off.service", "enabled": True, "active": True},
    ) == ["stop on.service", "disable on.service", "enable off.service", "start off.service"]


def test_a_unit_that_systemd_does_not_know_is_refused_but_announced_in_check_mode() -> None:
    item = {"name": "no.service", "enabled": True}
    with pytest.raises(Refused, match="knows no such unit"):
        apply(server(), item)
    assert reconcile(SUBJECT, {"units": [item]}, server().reader()).plan.sentences == ["enable no.service"]


def test_a_unit_that_does_not_start_shows_its_log() -> None:
    host = server(units={"bad.service": {"enabled": True, "active": False}})
    real = host.programs[2].call

    def call(argv: Any, stdin: str) -> Any:
        from tests.doubles.memory import answered

        return answered(argv, err="Job failed.\n", rc=1) if argv[1] == "start" else real(argv, stdin)

    host.programs[2].call = call  # type: ignore[method-assign]
    with pytest.raises(TwinError, match="its log ends with 'it went wrong'"):
        apply(host, {"name": "bad.service", "active": True})


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"name": "chrony"}], "units chrony: the type is missing; write chrony.service or the like"),
        ([{"name": "a.service"}, {"name": "a.service"}], "more than once"),
    ],
)
def test_bad_input_is_refused(items: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(Refused, match=words):
        apply(server(), *items)


def test_services_of_freebsd() -> None:
    host = FreebsdHost({"/etc/rc.conf": 'ntpd_enable="NO"\nsshd_enable="yes"\n'})
    wanted = ({"name": "ntpd", "enabled": True, "active": True}, {"name": "cron", "active": False},
              {"name": "sshd", "enabled": True})  # fmt: skip
    assert apply(host, *wanted) == ["enable ntpd", "start ntpd"]
    assert 'ntpd_enable="YES"' in (host.read("/etc/rc.conf") or "") and host.read("/var/db/ntp/ntpd.pid")
    assert not apply(host, *wanted)
    off = {"name": "ntpd", "enabled": False, "active": False}
    assert apply(host, off) == ["stop ntpd", "disable ntpd"]


def test_a_service_that_starts_nothing_is_not_asked_whether_it_runs() -> None:
    host = FreebsdHost()
    apply(host, {"name": "rctl", "enabled": True})
    assert ("service", "rctl", "onestatus") not in host.calls


def test_a_service_that_freebsd_does_not_know() -> None:
    with pytest.raises(Refused, match="unit chrony.service: the host knows no such unit"):
        apply(FreebsdHost(), {"name": "chrony.service", "active": True})


def test_a_service_that_does_not_start_and_does_not_say_so() -> None:
    host = FreebsdHost()
    host.world.faults["service"] = Fault(rc=0, about="onestart")
    with pytest.raises(TwinError, match="start ntpd"):
        apply(host, {"name": "ntpd", "active": True})
