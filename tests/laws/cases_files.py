# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Uses of module files."""

from __future__ import annotations

from typing import Any

from tests.doubles.system import freebsd_server, server
from tests.laws.laws import CANARY, Case


def item(path: str, **more: Any) -> dict[str, Any]:
    return {"path": path, **more}


CASES = [
    Case("files", "nothing", server, {"files": []}),
    Case(
        "files",
        "new, changed and removed",
        lambda: server(files={"/etc/motd": "old\n", "/etc/issue": "x\n"}),
        {
            "files": [
                item("/etc/twin", state="directory", mode="0700", owner="alice"),
                item("/etc/twin/new", content="text\n", mode="0600", owner="alice", group="staff"),
                item("/srv", state="directory", owner="100000", group="100000"),
                item("/etc/motd", content="new\n", restart=["ssh.service"]),
                item("/etc/issue", state="absent"),
                item("/etc/hosts", block="192.0.2.11 castor"),
                item("/etc/subuid", lines=["root:100000:65536"]),
            ]
        },
    ),
    Case(
        "files",
        "permissions alone",
        lambda: server(files={"/etc/motd": "old\n"}),
        {"files": [item("/etc/motd", mode="4750", owner="alice")]},
    ),
    Case(
        "files",
        "units that must hear of it",
        server,
        {
            "files": [
                item("/etc/systemd/system/a.service", content="[Service]\n", restart=["a.service"]),
                item("/etc/ssh/sshd_config.d/a.conf", content="# a\n", reload=["ssh.service"]),
            ]
        },
    ),
    Case(
        "files",
        "of FreeBSD",
        lambda: freebsd_server({"/etc/motd": "old\n", "/etc/issue": "x\n"}, running=["sshd"]),
        {
            "files": [
                item("/etc/twin", state="directory", mode="0700", owner="alice"),
                item("/srv", state="directory", owner="100000", group="100000"),
                item("/etc/motd", content="new\n", mode="4750", restart=["sshd", "ntpd"]),
                item("/etc/issue", state="absent"),
            ]
        },
    ),
    Case(
        "files",
        "a notice owed by a run that was cut off",
        lambda: server(files={"/var/run/twin/owed/restart:ssh.service": "", "/etc/motd": "same\n"}),
        {"files": [item("/etc/motd", content="same\n", restart=["ssh.service"])]},
    ),
    Case(
        "files",
        "a secret",
        lambda: server(files={"/etc/old": f"{CANARY} old\n"}),
        {
            "files": [
                item("/etc/key", secret=f"{CANARY}\n", mode="0600"),
                item("/etc/old", secret=f"{CANARY} new\n"),
            ]
        },
    ),
    Case(
        "files",
        "judged",
        server,
        {"files": [item("/etc/sudoers.d/a", content="a\n", validate=["/usr/sbin/visudo", "-cf", "%s"])]},
    ),
]
