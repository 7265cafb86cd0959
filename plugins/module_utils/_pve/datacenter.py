# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options of the datacenter (datacenter.cfg): what holds for the whole cluster. Pure.

A proxy may have a password in its address, which PVE shows to who may see the options: we never do.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

from .resource import Resource
from .tables import options as calls


def _of_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    # Which tags one may use is worked out of the others; a description is told even where there is none.
    return {key: value for key, value in answer.items() if key != "allowed-tags" and value != ""}


DATACENTER = Resource(
    "datacenter",
    "cluster/options",
    "",
    update={
        **calls.UPDATE,
        "http_proxy": dataclasses.replace(calls.UPDATE["http_proxy"], private=True),
        # Shown also where none is kept.
        "mac_prefix": dataclasses.replace(calls.UPDATE["mac_prefix"], default="BC:24:11"),
    },
    of_answer=_of_answer,
)


def passwords(params: Mapping[str, Any]) -> Iterator[str]:
    """What of the options of module pve_datacenter must not be shown."""
    match = re.match(r"(?:\w+://)?(.+)@", str(params["datacenter"].get("http_proxy", "")), re.DOTALL)
    if match:
        yield match[1]
