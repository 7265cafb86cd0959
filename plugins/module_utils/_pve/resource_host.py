# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Resources: the only file that reads them and changes them, see `resource`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .._core.plan import Step
from . import table as tables
from .errors import Changed
from .host import SECRETS, PveHost, PveReader
from .kinds import Kinds, kind_of
from .resource import Current, Resource, Wanted, in_scope, is_as_seen, requests_of, with_password
from .task_host import run_task

_NO_SETTINGS = ("digest",)


def read_kinds(kinds: Kinds, host: PveReader, wanted: Mapping[str, Wanted]) -> dict[str, Current]:
    """Those kinds of resources that are declared, by noun."""
    return {noun: read(kinds[noun], host, wanted[noun]) for noun in wanted}


def apply_kinds(kinds: Kinds, host: PveHost, step: Step) -> dict[str, Any] | None:
    """One step of `kinds.make`; errors as in `apply`."""
    return apply(kind_of(kinds, step.key), host, step)


def read(resource: Resource, host: PveReader, wanted: Wanted) -> Current:
    """All of them by one request, and one more for each that the list does not tell all of.

    :raises Refused: for a secret that others would see on its way.
    """
    for item in wanted.items:
        secrets = SECRETS & item.secrets.keys() | with_password(resource, item)
        host.may_carry(resource.title(item.name), secrets)
    return _read(resource, host, (item.name for item in wanted.items), wanted.scope)


def read_all(resource: Resource, host: PveReader) -> Current:
    """All of them, with all that can be told."""
    return _read(resource, host, (), "*")


def _read(resource: Resource, host: PveReader, names: Iterable[str], scope: str) -> Current:
    listed = _list(resource, host)
    if resource.detailed:
        asked = sorted(listed.keys() & {*names, *in_scope(listed, scope)})
        answers = host.find_all([resource.place(name) for name in asked])
        listed |= {name: _only(answer) for name, answer in zip(asked, answers, strict=True) if answer}
    return Current({name: _settings(resource, item) for name, item in listed.items()}, host.writes)


def _list(resource: Resource, host: PveReader) -> dict[str, Mapping[str, Any]]:
    answer = host.get(resource.path)
    return {str(item[resource.key]): item for item in answer} if resource.key else {"": answer}


def _one(resource: Resource, host: PveReader, name: str) -> Mapping[str, Any]:
    """One of them, as `_read` had it: lists and single answers do not always tell the same."""
    if resource.detailed or resource.undigested:
        answer = host.find(*resource.place(name))
        return _only(answer) if answer else {}
    return _list(resource, host).get(name, {})


def _only(answer: Any) -> Any:
    """Asked by a parameter, the list answers with one item."""
    return answer[0] if isinstance(answer, list) else answer


def _settings(resource: Resource, answer: Mapping[str, Any]) -> dict[str, Any]:
    settings = {key: value for key, value in answer.items() if key not in (resource.key, *_NO_SETTINGS)}
    return tables.known(resource.table, resource.of_answer(settings))


def apply(resource: Resource, host: PveHost, step: Step) -> dict[str, Any] | None:
    """One step of `resource.make`.

    What is changed is read again before: the plan was made upon what it was then.

    :raises Changed: when somebody else has changed it since.
    """
    digest = ""
    if step.verb != "create":
        answer = _one(resource, host, step.args["name"])
        digest, now = str(answer.get("digest", "")), _settings(resource, answer)
        if not is_as_seen(resource, step.args["seen"], now):
            raise Changed(step.key, "somebody changed it after it was read", "run this again")
        step = replace(step, args={**step.args, "now": now})
    told: dict[str, Any] = {}
    for method, path, params in requests_of(resource, step, digest):
        told |= run_task(host, path, params, method=method)
    return told or None
