# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module rc_conf."""

from __future__ import annotations

from typing import Any

from tests.doubles.freebsd.host import FreebsdHost
from tests.laws.laws import Case

RC = """\
# made by hand
hostname="castor.example.org"
sshd_enable="yes"   # as ever
jail_list="db  old"
cloned_interfaces='bridge0'
"""
LOADER = 'zfs_load="YES"\nkern.geom.label.gptid.enable="0" # names of disks\n'
LOADER_FILE, SYSCTL_FILE = "/boot/loader.conf", "/etc/sysctl.conf"


def host() -> FreebsdHost:
    return FreebsdHost({"/etc/rc.conf": RC, "/etc/rc.conf.local": 'jail_enable="NO"\n', LOADER_FILE: LOADER})


def case(name: str, *variables: dict[str, Any], fresh: Any = host) -> Case:
    return Case("rc_conf", name, fresh, {"variables": list(variables)})


def tunable(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "file": LOADER_FILE, **more}


CASES = [
    case("nothing"),
    case("new on an empty host", {"name": "jail_enable", "value": True}, fresh=FreebsdHost),
    case(
        "changed, the same by meaning, and where it is",
        {"name": "hostname", "value": "pollux.example.org"},
        {"name": "sshd_enable", "value": True},
        {"name": "jail_enable", "value": True},
        {"name": "cron_enable", "value": "YES"},
    ),
    case(
        "words",
        {"name": "jail_list", "add": ["web", "db"], "remove": ["old"]},
        {"name": "cloned_interfaces", "remove": ["bridge0"]},
        {"name": "local_startup", "add": ["/opt/rc.d"]},
        {"name": "kld_list", "remove": ["if_wg"]},
    ),
    case(
        "absent",
        {"name": "hostname", "state": "absent"},
        {"name": "jail_enable", "state": "absent"},
        {"name": "pf_enable", "state": "absent"},
        {"name": "unheard_of", "state": "absent"},
    ),
    case(
        "another file of shell", {"name": "daily_show_success", "value": "NO", "file": "/etc/periodic.conf"}
    ),
    case(
        "tunables",
        tunable("kern.racct.enable", value=1),
        tunable("kern.geom.label.gptid.enable", value=True),
        tunable("zfs_load", state="absent"),
        tunable("if_epair_load", value=True),
        {"name": "net.link.tap.up_on_open", "value": 1, "file": SYSCTL_FILE},
        {"name": "net.inet.ip.forwarding", "value": 1, "file": SYSCTL_FILE},
    ),
    case("tunables that are not there", tunable("kern.hz", state="absent"), fresh=FreebsdHost),
]
