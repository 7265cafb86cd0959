# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is to be done to the network of a server: tried first, kept when it is confirmed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._core.plan import Effect, Plan, Step, make_plan
from . import networkd, rc
from .model import Dialect, Network, Wanted, is_live

DIALECTS: Mapping[str, Dialect] = {"Linux": networkd, "FreeBSD": rc}
"""By the name of the operating system."""


def plan_network(current: Network, wanted: Wanted) -> Plan:
    """Try, then confirm; in phase ``try`` or ``confirm`` that step alone.

    The trial is a verb: what it must change is the time at which the way back was armed.
    """
    key = f"bridge {wanted.bridge}"
    dialect = DIALECTS[current.system]
    port = dialect.port_of(current, wanted)
    fault = _fault(current, wanted, port)
    if port is None or fault is not None:
        return make_plan([Step(key, "refuse", fault or "", effect=Effect.IMPOSSIBLE)], {}, {})
    settings = dialect.settings(current, wanted, port)
    # Settings of ours that are no longer wanted are left alone: nothing is deleted by omission.
    kept = {name: current.kept.get(name) for name in settings}
    live = is_live(current, wanted, port)
    if kept == settings and live:
        return make_plan((), {}, {})
    on_trial = bool(current.armed) and {name: current.tried.get(name) for name in settings} == settings
    args = {"settings": settings, "seconds": wanted.confirm, **dialect.trial(current, wanted, port)}
    steps = []
    if wanted.phase != "confirm":
        steps.append(Step(key, "try", _try_sentence(current, wanted, port), args, token=current.armed))
    if wanted.phase != "try":
        steps.append(_confirm(key, wanted, args, waits=wanted.phase == "confirm" and not (on_trial and live)))
    return make_plan(steps, {key: _picture(kept)}, {key: _picture(settings)})


def _picture(settings: Mapping[str, str | None]) -> dict[str, list[str] | None]:
    return {name: None if text is None else text.splitlines() for name, text in settings.items()}


def _fault(current: Network, wanted: Wanted, port: str | None) -> str | None:
    """Why it cannot be done at all, and what to do."""
    bridge = f"bridge {wanted.bridge}"
    if port is None:
        return f"{bridge}: no single interface has a default route; name the port of the bridge"
    missing = [
        name for name in (port, *(link.port for link in wanted.links)) if name not in current.interfaces
    ]
    if missing:
        names = ", ".join(sorted(set(current.interfaces) - {"lo"}))
        return f"{bridge}: this host has no interface {', '.join(missing)}; use one of {names}"
    master = current.interfaces[port].master
    if master not in (None, wanted.bridge):
        return f"{bridge}: its port {port} belongs to {master} already; take it out there first"
    reason = DIALECTS[current.system].fault(current, wanted, port)
    return f"{bridge}: {reason}" if reason else None


def _try_sentence(current: Network, wanted: Wanted, port: str) -> str:
    what = f"bridge {wanted.bridge} with port {port}"
    for link in wanted.links:
        what += f", {' and '.join(link.addresses)} on {link.port}"
    sentence = f"try {what}; without confirmation the host goes back after {wanted.confirm} s"
    return f"{sentence} (as it did after the last trial)" if current.went_back else sentence


def _confirm(key: str, wanted: Wanted, args: dict[str, Any], *, waits: bool) -> Step:
    if waits:
        sentence = f"{key}: the trial is not in force; see whether the host went back, and try again"
        return Step(key, "refuse", sentence, effect=Effect.IMPOSSIBLE)
    return Step(key, "confirm", f"keep {key}, confirmed over a new connection", args)
