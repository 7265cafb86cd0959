# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""HA resources: the guests that the HA manager looks after. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .._core.errors import Refused
from .resource import Resource
from .tables import ha_resource as calls

_SID = re.compile(r"(vm|ct):[1-9][0-9]*")
_OPTIONS = ("comment", "failback", "group", "max_relocate", "max_restart", "state")


def _of_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in answer.items() if key in _OPTIONS}
    # The old name of started, kept as it was given.
    return settings | ({"state": "started"} if settings.get("state") == "enabled" else {})


HA_RESOURCE = Resource(
    "HA resource",
    "cluster/ha/resources",
    "sid",
    update={key: calls.UPDATE[key] for key in _OPTIONS},
    create={"sid": calls.CREATE["sid"]},
    of_answer=_of_answer,
)


def parse_sid(text: str, what: str) -> str:
    """The name of a resource.

    :raises Refused: when it is none; a bare number is none, for it does not tell the kind of the guest.
    """
    if not _SID.fullmatch(text):
        raise Refused(what, f"{text!r} names no guest", "write vm:NUMBER or ct:NUMBER, such as ct:100")
    return text


def item(options: Mapping[str, Any]) -> dict[str, Any]:
    """An item of module pve_ha_resource for `resource.parse_wanted`.

    :raises Refused: when its name is none.
    """
    sid = parse_sid(options["sid"], "sid of an HA resource")
    absent = options.get("state") == "absent"
    made = HA_RESOURCE.item({**options, "name": sid, "state": None if absent else options.get("state")})
    return {**made, "state": "absent" if absent else "present"}
