# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for jails from plain data: verdicts and order, without a host."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.plan import Plan
from ansible_collections.twin.datacenter.plugins.module_utils._jail import conf
from ansible_collections.twin.datacenter.plugins.module_utils._jail.boot import boot_list, boot_words
from ansible_collections.twin.datacenter.plugins.module_utils._jail.devfs import Loaded
from ansible_collections.twin.datacenter.plugins.module_utils._jail.model import (
    Found,
    System,
    Values,
    wanted_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._jail.plan import plan_jails, verdict


def found(name: str, body: str = "path = /r; persist;", **more: Any) -> Found:
    own = conf.Conf.parse(f"{name} {{ {body} }}\n")
    parameters = conf.parameters(own, name)
    return Found(name, conf=own, configured=parameters, **{"running": parameters, **more})


def plan(*jails: Found, items: list[dict[str, Any]], **system: Any) -> Plan:
    return plan_jails(
        System(jails={each.name: each for each in jails}, **system), wanted_of({"jails": items})
    )


@pytest.mark.parametrize(
    ("parameter", "values", "word"),
    [
        ("allow.raw_sockets", (), "live"),
        ("host.hostname", ("x",), "live"),
        ("children.max", ("1",), "live"),
        ("securelevel", ("1",), "live"),
        ("enforce_statfs", ("1",), "live"),
        ("sysvshm", ("new",), "live"),
        ("ip4.addr", ("192.0.2.1",), "live"),
        ("ip4.addr", ("em0|192.0.2.1",), "restart"),
        ("allow.unheard_of", (), "live"),
        ("path", ("/r",), "restart"),
        ("vnet", (), "restart"),
        ("osrelease", ("14.3-RELEASE",), "restart"),
        ("devfs_ruleset", ("5",), "restart"),
        ("mount.devfs", (), "restart"),
        ("mount", ("a b nullfs ro 0 0",), "restart"),
        ("exec.start", ("true",), "restart"),
        ("exec.clean", (), "restart"),
        ("exec.prepare", ("true",), "file"),
        ("exec.stop", ("true",), "file"),
        ("exec.poststop", ("true",), "file"),
        ("stop.timeout", ("5",), "file"),
        ("depend", ("db",), "file"),
    ],
)
def test_verdict_of_a_parameter(parameter: str, values: Values, word: str) -> None:
    assert verdict(parameter, values) == word


def test_what_goes_up_waits_for_what_it_needs_and_what_goes_down_goes_before() -> None:
    names = ("a", "b", "c")
    up = [{"name": "a", "depend": ["b"]}, {"name": "b", "depend": ["c"]}, {"name": "c"}]
    assert plan(*map(found, names), items=up).sentences == ["start jail c", "start jail b", "start jail a"]
    running = [found(name, state="running", jid=1) for name in names]
    down = [{**item, "state": "stopped"} for item in reversed(up)]
    assert plan(*running, items=down).sentences == ["stop jail a", "stop jail b", "stop jail c"]


def test_what_needs_itself_is_refused() -> None:
    with pytest.raises(Refused, match="what they need needs them"):
        plan(found("a"), found("b"), items=[{"name": "a", "depend": ["b"]}, {"name": "b", "depend": ["a"]}])


def test_what_it_depends_on_may_be_on_the_other_server() -> None:
    """A machine that moved away must not keep those that used it from starting."""
    assert plan(found("a"), items=[{"name": "a", "depend": ["elsewhere"]}]).sentences == ["start jail a"]


@pytest.mark.parametrize(
    ("current", "items", "after"),
    [
        ("", [{"name": "a", "boot": True}], "a"),
        ("other", [{"name": "b", "boot": True}, {"name": "a", "boot": True}], "other b a"),
        ("a b other", [{"name": "a", "depend": ["b"]}], "b a other"),
        ("a", [{"name": "a", "depend": ["b"]}, {"name": "b", "boot": True}], "b a"),
        ("a b", [{"name": "a", "boot": False}, {"name": "b", "state": "absent"}], ""),
        ("a b", [{"name": "a", "boot": False}, {"name": "c", "boot": True}], "b c"),
        ("a b", [{"name": "a", "depend": ["elsewhere"]}, {"name": "b"}], "a b"),
        ("a", [{"name": "b", "state": "absent", "boot": True}], "a"),
    ],
)
def test_jails_of_the_boot(current: str, items: list[dict[str, Any]], after: str) -> None:
    jails = wanted_of({"jails": items}).jails
    names = boot_list(current.split(), jails)
    assert " ".join(names) == after
    assert boot_list(names, jails) == names


def test_an_empty_list_of_the_boot_takes_the_switch_along() -> None:
    assert boot_words(["a", "b"], ["b"]) == {"jail_list": "b"}
    assert boot_words(["a"], []) == {"jail_list": "", "jail_enable": "NO"}
    assert boot_words(["a"], ["a"]) == {}


@pytest.mark.parametrize(
    ("body", "item", "said"),
    [
        (
            "path = /r;",
            {},
            "jail a: nothing would run in it; write exec.start, or persist: true",
        ),
        (
            "path = /r; persist; vnet;",
            {"parameters": {"ip4.addr": "192.0.2.5"}},
            "ip4.addr of jail a: a jail with a network stack of its own has none; write null, and its "
            "addresses into interfaces",
        ),
    ],
)
def test_what_could_not_start_is_refused(body: str, item: dict[str, Any], said: str) -> None:
    assert plan(found("a", body), items=[{"name": "a", **item}]).sentences == [said]


def test_a_removed_parameter_counts_once_the_jail_has_been_restarted() -> None:
    running = found("a", "path = /r; persist; exec.start = true;", state="running", jid=3)
    sentences = plan(running, items=[{"name": "a", "parameters": {"persist": None}}]).sentences
    assert sentences == ["remove persist of jail a", "restart jail a for persist to take effect"]


def test_the_kernel_is_believed_before_the_file_that_was_remembered() -> None:
    running = found("a", state="running", jid=3, kernel={"path": ("/other",)})
    sentences = plan(running, items=[{"name": "a", "path": "/r"}]).sentences
    assert sentences == ["restart jail a for path to take effect"]


def test_addresses_of_the_host_are_left_by_a_restart_alone() -> None:
    body = "path = /r; persist; ip4 = inherit;"
    running = found("a", body, state="running", jid=3, kernel={"ip4": ("inherit",), "ip4.addr": ()})
    parameters = {"ip4": None, "ip4.addr": "192.0.2.5"}
    assert plan(running, items=[{"name": "a", "parameters": parameters}]).sentences[-1] == (
        "restart jail a for ip4 and ip4.addr to take effect"
    )


def test_two_new_jails_get_different_numbers() -> None:
    """Also when their names come to the same one."""
    cards = [{"bridge": "br0"}]
    items = [
        {"name": name, "path": "/r", "interfaces": cards, "devfs": ["path bpf* unhide"]}
        for name in ("a", "b")
    ]
    steps = plan(items=items, rulesets=Loaded({4: ("100 hide",)}), reserved=frozenset({100})).steps
    made = [step.args["number"] for step in steps if step.verb == "devfs"]
    lines = [step.args["parameters"]["exec.prestart"][0] for step in steps if step.verb == "define"]
    assert made == [101, 102] and len({*lines}) == 2


def test_a_ruleset_of_its_own_knows_a_network_stack_of_its_own() -> None:
    rules = ["path bpf* unhide"]
    base = [f"include {number}" for number in (1, 2, 3, 4)]
    for more, own in (({}, []), ({"interfaces": [{"bridge": "br0"}]}, ["include 5"])):
        steps = plan(
            items=[{"name": "a", "path": "/r", "parameters": {"persist": True}, "devfs": rules, **more}]
        ).steps
        assert steps[0].args["rules"] == [*base, *own, *rules]
