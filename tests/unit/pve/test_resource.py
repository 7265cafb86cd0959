# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of resources, shown on two that no module has: a description of a few lines each."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, Subject, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Step
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource import (
    Resource,
    export,
    make,
    parse_wanted,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.resource_host import apply, read, read_all
from ansible_collections.twin.datacenter.plugins.module_utils._pve.schema import Field
from tests.doubles.pve.access import Group, Token, User
from tests.doubles.pve.faults import Fault
from tests.doubles.pve_host import DoubleHost

GROUP = Resource("group", "access/groups", "groupid", {"comment": Field()}, {"groupid": Field(required=True)})
USER = Resource(
    "user",
    "access/users",
    "userid",
    {"comment": Field(), "enable": Field("boolean", default=True), "email": Field()},
    {"userid": Field(format="pve-userid", required=True), "password": Field()},
    secrets=frozenset({"password"}),
)
CANARY = "canary-5f1e0c"


def subject(resource: Resource) -> Subject[Any, Any]:
    return Subject(
        {},
        lambda params: parse_wanted(resource, params["items"], params),
        partial(read, resource),
        partial(make, resource),
        partial(apply, resource),
    )


def run(
    host: DoubleHost, resource: Resource, *items: dict[str, Any], check: bool = False, **params: Any
) -> Outcome:
    writer = None if check else host
    return reconcile(subject(resource), {"items": items, **params}, host.reader(), writer)


def item(
    name: str, state: str = "present", secrets: dict[str, str] | None = None, **settings: Any
) -> dict[str, Any]:
    return {"name": name, "state": state, "settings": settings, "secrets": secrets}


@pytest.fixture
def host() -> DoubleHost:
    made = DoubleHost()
    made.world.access.groups |= {"old": Group(comment="gone"), "lab-a": Group(), "lab-b": Group()}
    made.world.access.users["ssa@pve"] = User(tokens={"deploy": Token()})
    return made


def test_made_changed_and_removed(host: DoubleHost) -> None:
    items = (
        item("new", comment="fresh"),
        item("old", comment="kept"),
        item("lab-a", "absent"),
        item("never", "absent"),
    )
    outcome = run(host, GROUP, *items)
    assert outcome.plan.sentences == [
        "create group new with comment fresh",
        "change group old: set comment from gone to kept",
        "remove group lab-a",
    ]
    assert outcome.plan.before == {
        "group new": None,
        "group old": {"comment": "gone"},
        "group lab-a": {"users": ""},
    }
    assert outcome.plan.after == {
        "group new": {"comment": "fresh"},
        "group old": {"comment": "kept"},
        "group lab-a": None,
    }
    assert sorted(host.world.access.groups) == ["lab-b", "new", "old"]
    assert not run(host, GROUP, *items).plan.changed


def test_nothing_to_do_costs_one_request(host: DoubleHost) -> None:
    run(host, GROUP, item("old", comment="gone"), item("lab-a"), item("lab-b"))
    assert host.changes == []
    assert len(host.api.log) == 1


def test_check_mode_asks_and_writes_nothing(host: DoubleHost) -> None:
    outcome = run(host, GROUP, item("old", comment="kept"), item("lab-a", "absent"), check=True)
    assert len(outcome.plan.steps) == 2
    assert host.changes == []


def test_two_differing_keys_are_one_change(host: DoubleHost) -> None:
    outcome = run(host, USER, item("ssa@pve", comment="x", email="ssa@example.org"))
    assert [step.key for step in outcome.plan.steps] == ["user ssa@pve"]
    assert host.changes == ["PUT /access/users/ssa@pve"]


def test_what_is_to_go_needs_a_name_only(host: DoubleHost) -> None:
    run(host, USER, {"name": "ssa@pve", "state": "absent"})
    assert "ssa@pve" not in host.world.access.users


def test_an_empty_comment_is_no_comment(host: DoubleHost) -> None:
    assert not run(host, USER, item("ssa@pve", comment="")).plan.changed


def test_secrets_are_in_nothing_that_is_told(host: DoubleHost) -> None:
    host.api.faults.requests.append(Fault("POST /access/users", status=500, text="no space"))
    with pytest.raises(TwinError) as caught:
        run(host, USER, item("new@pve", secrets={"password": CANARY}))
    steps = run(host, USER, item("new@pve", secrets={"password": CANARY}), check=True).plan.steps
    assert CANARY not in f"{caught.value} {caught.value.facts} {steps}"


def test_a_purge_keeps_to_its_scope(host: DoubleHost) -> None:
    outcome = run(host, GROUP, item("lab-a"), purge=True, scope="lab-*")
    assert outcome.plan.sentences == ["remove group lab-b"]
    assert sorted(host.world.access.groups) == ["lab-a", "old"]


def test_what_may_lose_data_must_be_named(host: DoubleHost) -> None:
    from dataclasses import replace

    precious = replace(GROUP, destroys="all that it holds")
    with pytest.raises(Refused, match="remove group old and all that it holds: .* name it in allow_destroy"):
        run(host, precious, item("old", "absent"))
    run(host, precious, item("old", "absent"), allow_destroy=["old"])
    assert "old" not in host.world.access.groups


def test_a_concurrent_change_is_reported_and_nothing_overwritten(host: DoubleHost) -> None:
    steps: list[Step] = []

    def meddle(writer: DoubleHost, step: Step) -> Any:
        host.world.access.groups["old"].comment = "by somebody else"
        steps.append(step)
        return apply(GROUP, writer, step)

    meddled = subject(GROUP)
    meddled = Subject({}, meddled.wanted, meddled.read, meddled.plan, meddle)
    params = {"items": [item("old", comment="mine")]}
    with pytest.raises(TwinError, match="somebody changed it after it was read; run this again"):
        reconcile(meddled, params, host.reader(), host)
    assert host.world.access.groups["old"].comment == "by somebody else"


@pytest.mark.parametrize(
    ("items", "params", "says"),
    [
        ([item("a", comnent="x")], {}, "group a: there is no key 'comnent'; was 'comment' meant?"),
        ([item("a"), item("a")], {}, "group a: it is listed more than once; describe it in one item."),
        ([item("a")], {"purge": True}, "purge: scope is missing; name what may be removed, such as lab-*."),
        ([item("a", secrets={"pass": "x"})], {}, "group a: pass is no secret of it; it has none."),
    ],
)
def test_bad_input_is_told_before_any_request(
    host: DoubleHost, items: list[dict[str, Any]], params: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused) as caught:
        run(host, GROUP, *items, **params)
    assert str(caught.value) == says
    assert host.api.log == []


def test_a_secret_among_settings_is_refused_unseen(host: DoubleHost) -> None:
    with pytest.raises(Refused, match="password is a secret; give it in secrets") as caught:
        run(host, USER, item("ssa@pve", password=CANARY))
    assert CANARY not in str(caught.value)


def test_what_is_fixed_for_good_cannot_be_changed(host: DoubleHost) -> None:
    from dataclasses import replace

    fixed = replace(GROUP, create={**GROUP.create, **GROUP.update}, update={})
    with pytest.raises(
        Refused, match="group old has comment gone, which PVE cannot change to new; remove it and"
    ):
        run(host, fixed, item("old", comment="new"))


def test_export_then_apply_is_empty(host: DoubleHost) -> None:
    items = export(USER, read_all(USER, host))
    assert {each["name"] for each in items} >= {"ssa@pve", "root@pam"}
    assert not run(host, USER, *items).plan.changed


def test_a_user_without_rights_is_told_which_are_missing(host: DoubleHost) -> None:
    poor = DoubleHost(host.world, user="ssa@pve")
    with pytest.raises(TwinError, match="give the user or token a role"):
        run(poor, GROUP, item("new"))
