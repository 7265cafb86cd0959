# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster has without being asked: its log, the built-in notification target, no software-defined
networks.

Rests on the recorded exchanges.
"""

from __future__ import annotations

from typing import Any

from tests.doubles.pve.api import Call, handles

TO_ROOT = {"name": "mail-to-root", "type": "sendmail", "origin": "builtin"}


@handles("GET", "/cluster/log")
def log(call: Call) -> Any:
    """The lines in `world.facts["log"]`, newest first."""
    mine = [
        entry
        for entry in call.world.facts.get("log", [])
        if call.allows("/", "Sys.Syslog") or entry["user"] == call.user
    ]
    return mine[: call["max"] or 50]


@handles("GET", "/cluster/notifications/targets")
def targets(call: Call) -> Any:
    return [TO_ROOT | {"comment": "Send mails to root@pam's email address"}]


@handles("GET", "/cluster/sdn/zones")
@handles("GET", "/cluster/sdn/vnets")
def nothing(call: Call) -> Any:
    return []
