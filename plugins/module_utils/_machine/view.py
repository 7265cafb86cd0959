# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One picture of the pair's machines, from what its servers say (``twin info``).

Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def one_picture(answers: Mapping[str, Iterable[Mapping[str, Any]] | None]) -> dict[str, dict[str, Any]]:
    """Every machine once, by its name, with the ``server`` on which it is at home now.

    The owner's record wins, and of two owners that with the higher epoch. A machine whose owner does
    not answer is taken from its replica, and its state is ``unknown``. A replica need not know its owner:
    that is then the server that does not answer.

    :param answers: what each server says about its machines; None from one that did not answer.
    """
    silent = [server for server, machines in answers.items() if machines is None]
    records: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for server, machines in answers.items():
        for record in machines or ():
            records.setdefault(record["name"], []).append((server, record))
    picture = {}
    for name in sorted(records):
        teller, record = max(records[name], key=_weight)
        owner = record.get("owner") or next(iter(silent), teller)
        state = record.get("state") if owner == teller else "unknown"
        picture[name] = {**record, "server": owner, "state": state}
    return picture


def _weight(told: tuple[str, Mapping[str, Any]]) -> tuple[int, bool]:
    server, record = told
    return record.get("epoch") or 0, record.get("owner") == server
