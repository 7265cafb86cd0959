# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What parameters, limits, rulesets and network cards of jails mean, and what is refused."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.check import Check
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._jail import devfs, limits, network
from ansible_collections.twin.datacenter.plugins.module_utils._jail.life_host import read_rulesets
from ansible_collections.twin.datacenter.plugins.module_utils._jail.machine import (
    jail_config,
    resources_of,
)
from ansible_collections.twin.datacenter.plugins.module_utils._jail.model import (
    Found,
    exported,
    known_to_kernel,
    meaning,
    parse_jail,
    wanted_of,
)
from tests.doubles.freebsd.devfs import NODES, visible
from tests.doubles.freebsd.host import FreebsdHost

PARAMETERS = st.sampled_from(
    [
        "path",
        "persist",
        "allow.raw_sockets",
        "vnet",
        "ip4",
        "ip4.addr",
        "ip6.addr",
        "exec.start",
        "mount",
        "x",
    ]
)
WORDS = st.sampled_from(
    ["", "true", "0", "new", "inherit", "em0|192.0.2.1/24", "2001:DB8::0:1", " a  b ", "no address"]
) | st.text(max_size=9)
VALUES = st.lists(WORDS, max_size=3).map(tuple)
NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,20}", fullmatch=True)


# ---- parameters -------------------------------------------------------------------------------


@given(PARAMETERS, VALUES)
def test_meaning_is_stable(parameter: str, values: tuple[str, ...]) -> None:
    assert meaning(parameter, meaning(parameter, values)) == meaning(parameter, values)
    plain = known_to_kernel(parameter, values)
    assert known_to_kernel(parameter, plain) == plain


@pytest.mark.parametrize(
    ("parameter", "one", "other"),
    [
        ("persist", (), ("1",)),
        ("allow.mount", ("False",), ("0",)),
        ("vnet", (), ("new",)),
        ("ip6", ("false",), ("disable",)),
        ("ip6.addr", ("em0|2001:DB8:0:0::1/64",), ("em0|2001:db8::1/64",)),
        ("ip4.addr", ("em0|192.0.2.1/24  vhid 3 ",), ("em0|192.0.2.1/24  vhid 3",)),
        ("exec.start", ("/bin/sh  /etc/rc",), ("/bin/sh /etc/rc",)),
        ("path", ("/a", "/b"), ("/b",)),
    ],
)
def test_values_that_mean_the_same(parameter: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert meaning(parameter, one) == meaning(parameter, other)


@pytest.mark.parametrize(
    ("parameter", "declared", "shown"),
    [
        ("ip4.addr", ("em0|192.0.2.9/24", "192.0.2.7", "192.0.2.3"), ("192.0.2.9", "192.0.2.3", "192.0.2.7")),
        ("ip4", ("new",), ("disable",)),
        ("ip6", ("inherit",), ("inherit",)),
        ("persist", (), ("true",)),
    ],
)
def test_the_kernel_knows_less_than_the_file(
    parameter: str, declared: tuple[str, ...], shown: tuple[str, ...]
) -> None:
    assert known_to_kernel(parameter, declared) == shown


# ---- what was declared ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "7"}, "name of a jail: '7' does not serve"),
        ({"name": "_x"}, "name of a jail: '_x' does not serve"),
        ({"name": "a.7"}, "name of a jail: 'a.7' does not serve"),
        ({"name": "a/b"}, "name of a jail: 'a/b' does not serve"),
        ({"state": "up"}, "state of jail web: 'up' is unknown"),
        ({"path": "root"}, "path of jail web: 'root' is no absolute path"),
        ({"path": "/a", "parameters": {"path": "/b"}}, "path of jail web: it is declared twice"),
        ({"parameters": {"Persist": True}}, "parameters of jail web: 'Persist' is no parameter"),
        ({"parameters": {"name": "x"}}, "parameters of jail web: name is not declared"),
        ({"parameters": {"allow.noraw_sockets": True}}, "write allow.raw_sockets: false"),
        ({"parameters": {"nopersist": True}}, "write persist: false"),
        ({"parameters": {"persist": "maybe"}}, "persist of jail web: 'maybe' is neither true nor false"),
        ({"parameters": {"path": ["/a", "/b"]}}, "path of jail web: it has 2 values"),
        ({"parameters": {"exec.start": [["a"]]}}, "exec.start of jail web: [['a']] is no value"),
        ({"mounts": [{"source": "/a", "target": "/b"}]}, "mounts of jail web: its path is not known"),
        (
            {"path": "/r", "mounts": [{"source": "/a", "target": "/../b"}]},
            "write paths without .. and blanks",
        ),
        ({"path": "/r", "mounts": [{"source": "a", "target": "/b"}]}, "'a' is no absolute path"),
        ({"cpuset": "some"}, "cpuset of jail web: 'some' is no list of numbers"),
        ({"devfs": ["hide"]}, "devfs of jail web: 'hide' is no rule"),
        ({"devfs": [], "parameters": {"devfs_ruleset": 5}}, "devfs of jail web: it names a ruleset too"),
        ({"limits": {"cputime": 5}}, "the kernel cannot deny time that has passed"),
        ({"limits": {"memory": 5}}, "limit memory of jail web: rctl(8) has no such resource"),
        ({"limits": {"maxproc": "many"}}, "limit maxproc of jail web: 'many' is not a size"),
        ({"interfaces": [{"bridge": "br 0"}]}, "interfaces of jail web: 'br 0' is no bridge"),
        ({"interfaces": [{"bridge": "br0", "mac": "01:00:00:00:00:01"}]}, "is no address of one card"),
        ({"interfaces": [{"bridge": "br0", "addresses": ["192.0.2.1"]}]}, "has no prefix length"),
        ({"interfaces": [{"bridge": "br0", "gateway": ["x"]}]}, "gateway 'x' is no address"),
        ({"name": "a.b", "boot": True}, "boot of jail a.b: rc.d/jail knows no jails within jails"),
        ({"check": {"http": "/"}}, "check of jail web: http needs its address"),
    ],
)
def test_what_cannot_be_meant_is_refused(item: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        parse_jail({"name": "web", **item})
    assert said in str(error.value)


def test_all_faults_are_told_at_once() -> None:
    card = {"bridge": "br0", "mac": "02:00:00:00:00:01"}
    jails = [
        {"name": "a", "interfaces": [card]}, {"name": "b", "interfaces": [card]},
        {"name": "a"}, {"name": "9"},
    ]  # fmt: skip
    with pytest.raises(Refused) as error:
        wanted_of({"jails": jails, "purge": True})
    assert error.value.facts["faults"] == [
        "name of a jail: '9' does not serve; begin with a letter or digit, go on with letters, digits, _ and "
        "-, not digits alone; a dot behind the name of the jail in which it runs.",
        "jail a: it is listed twice; write it once.",
        "02:00:00:00:00:01: jails a and b cannot both have it; give one of them another.",
        "purge: it needs a scope; name a pattern such as web-*.",
    ]


def test_short_forms_become_parameters() -> None:
    jail = parse_jail(
        {
            "name": "web", "path": "/r", "cpuset": "0-1", "datasets": ["tank/x"],
            "mounts": [{"source": "/data", "target": "srv", "readonly": True}],
            "parameters": {"mount": "/a /r/b nullfs rw 0 0", "exec.created": "true", "persist": None},
        }
    )  # fmt: skip
    assert jail.parameters == {
        "path": ("/r",),
        "mount": ("/data /r/srv nullfs ro 0 0", "/a /r/b nullfs rw 0 0"),
        "exec.prepare": ("/bin/mkdir -p /r/srv",),
        "exec.created": ("/sbin/zfs jail web tank/x", "/usr/bin/cpuset -l 0-1 -j web", "true"),
        "allow.mount": (), "allow.mount.zfs": (), "enforce_statfs": ("1",),
        "persist": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"datasets": ["tank/a;reboot"]}, "datasets of jail web: 'tank/a;reboot' does not serve"),
        ({"parameters": {"devfs_ruleset": "devfsrules_jail"}}, "'devfsrules_jail' is no number"),
        ({"parameters": {"host.hostname": False}}, "host.hostname of jail web: it is no switch"),
        ({"interfaces": [{"bridge": "b", "gateway": ["fe80::1%;reboot"]}]}, "name an interface behind %"),
        (
            {"interfaces": [{"bridge": "b", "addresses": ["fe80::1%;reboot/64"]}]},
            "name an interface behind %",
        ),
    ],
)
def test_what_a_shell_or_the_kernel_would_take_amiss(item: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=re.escape(words)):
        parse_jail({"name": "web", **item})


def test_a_shell_that_reads_a_path_reads_that_path() -> None:
    """jail(8) gives a command with such a sign to sh(1), on the host."""
    mounts = [{"source": "/a", "target": "/it's;reboot"}]
    (command,) = parse_jail({"name": "web", "path": "/r", "mounts": mounts}).parameters["exec.prepare"] or ()
    assert shlex.split(command) == ["/bin/mkdir", "-p", "/r/it's;reboot"]


def test_rules_of_devfs_are_no_commands_of_the_shell_that_loads_them() -> None:
    rules = ("path bpf* unhide", "path $(reboot) unhide", "path net/tap0 unhide")
    text = devfs.edit("", "web", 100, rules)
    assert [shlex.split(line)[1:] for line in text.splitlines()[1:]] == [rule.split() for rule in rules]
    assert "net/tap0 unhide" in text
    assert devfs.parse(text) == {"twin_web": (100, rules)}


@pytest.mark.parametrize(
    "item",
    [
        {"parameters": {"ip4.addr": ["em0|192.0.2.5/24"]}},
        {"interfaces": [{"bridge": "b", "addresses": ["192.0.2.5/24"]}]},
        {"address": "192.0.2.5"},
    ],
)
def test_a_jail_is_asked_at_its_first_address(item: dict[str, Any]) -> None:
    asked = parse_jail({"name": "web", "check": {"tcp": 22}, **item}).check
    assert asked == Check("tcp", "192.0.2.5", 22)


@given(st.dictionaries(PARAMETERS.filter(lambda name: name != "x"), VALUES))
def test_what_is_exported_means_what_was_found(found: dict[str, tuple[str, ...]]) -> None:
    usable = {
        key: values
        for key, values in found.items()
        if not any(value.strip() != value for value in values) and values != ("",)
    }
    item = exported(Found("web", configured=usable, running=usable), boot=False)
    declared = parse_jail(item).parameters
    assert {key: meaning(key, values or ()) for key, values in declared.items()} == {
        key: meaning(key, values) for key, values in usable.items()
    }


# ---- limits -----------------------------------------------------------------------------------


RCTL = """# of us all
jail:web:memoryuse:deny=1g   # much
jail:web:maxproc:deny=10
j:db:maxproc:deny=5/jail
user:bob:maxproc:deny=5
jail:web:maxproc:deny=7/user
"""


def test_rules_of_jails_are_found_among_others() -> None:
    assert limits.parse_rules(RCTL) == {
        "web": {"memoryuse:deny": 1 << 30, "maxproc:deny": 10},
        "db": {"maxproc:deny": 5},
    }


def test_rules_of_others_are_kept() -> None:
    edited = limits.edit_rules(RCTL, "web", {"memoryuse:deny": None, "maxproc:deny": 20, "nthr:deny": 3})
    assert edited.splitlines() == [
        "# of us all", "jail:web:maxproc:deny=20", *RCTL.splitlines()[3:], "jail:web:nthr:deny=3",
    ]  # fmt: skip
    assert limits.forget(RCTL, "web").splitlines() == ["# of us all", *RCTL.splitlines()[3:]]


@given(
    st.dictionaries(
        st.sampled_from(["maxproc:deny", "pcpu:deny", "nthr:deny"]), st.none() | st.integers(0, 99)
    )
)
def test_rules_are_what_they_were_set_to(rules: dict[str, int | None]) -> None:
    edited = limits.edit_rules(RCTL, "web", rules)
    before = limits.parse_rules(RCTL)["web"]
    wanted = {rule: amount for rule, amount in {**before, **rules}.items() if amount is not None}
    assert limits.parse_rules(edited).get("web", {}) == wanted
    assert limits.edit_rules(edited, "web", rules) == edited


# ---- rulesets ---------------------------------------------------------------------------------

RULES = """[devfsrules_own=10]   # by hand
add include $devfsrules_hide_all

[twin_web=100]
add include 4
add path 'bpf*' unhide
"""


def test_rulesets_are_found_by_name() -> None:
    assert devfs.parse(RULES) == {
        "devfsrules_own": (10, ("include $devfsrules_hide_all",)),
        "twin_web": (100, ("include 4", "path bpf* unhide")),
    }


def test_rulesets_of_others_are_kept() -> None:
    edited = devfs.edit(RULES, "db", 101, ["include 4"])
    assert edited == f"{RULES}[twin_db=101]\nadd include 4\n"
    assert devfs.edit(edited, "db", 0, []) == RULES
    assert devfs.choose({100, 101}) == 102


def shown(rules: list[str]) -> tuple[str, ...]:
    return tuple(f"{place}00 {rule}" for place, rule in enumerate(rules, 1))


USUAL = {
    1: shown(["hide"]),
    2: shown(["path null unhide"]),
    4: shown(["include 1", "include 2", "path zfs unhide"]),
}


@pytest.mark.parametrize(
    ("rules", "hidden", "nothing"),
    [
        (["include 1", "include 2", "include 4", "path bpf* unhide"], {"mem", "pf"}, False),
        # What an included ruleset includes does not count; that of FreeBSD was once written so.
        (["include 4", "path pf unhide"], set(), True),
        (["path bpf* unhide"], set(), True),
        ([], set(), True),
        (["hide", "type mem unhide"], set(), True),
        (["type mem hide"], set(), True),
        (["path *mem hide"], {"mem"}, False),
        (["path bpf* include 1", "path mem hide"], {"mem", "bpf0"}, False),
        (["include 1", "path hide unhide", "path unhide hide"], {"mem", "pf", "bpf0", "zfs", "null"}, False),
    ],
)
def test_what_a_ruleset_surely_hides(rules: list[str], hidden: set[str], nothing: bool) -> None:
    loaded = devfs.Loaded({**USUAL, 7: shown(rules)})
    assert {node for node in ("mem", "pf", "bpf0", "zfs", "null") if loaded.hides(7, node)} == hidden
    assert loaded.hides_nothing(7) is nothing


RULE = st.builds(
    lambda path, act: f"{path}{act}",
    st.sampled_from(["", "path mem ", "path *m* ", "path zfs ", "path pts/* "]),
    st.sampled_from(["hide", "unhide", "include 1", "include 2", "include 10", "mode 600"]),
)


@given(st.lists(RULE, max_size=5), st.lists(RULE, max_size=5), st.sampled_from(["0", "1", "2"]))
def test_what_it_hides_is_what_a_jail_does_not_see(one: list[str], other: list[str], depth: str) -> None:
    host = FreebsdHost()
    host.world.kernel.sysctls["vfs.devfs.rule_depth"] = depth
    for number, rules in ((10, [rule for rule in one if "10" not in rule]), (11, other)):
        host.world.kernel.rulesets[number] = list(shown(rules))
    loaded = read_rulesets(host.reader())
    seen = visible(host.world, 11)
    assert {node for node in NODES if "/" not in node and not loaded.hides(11, node)} == {
        node for node in seen if "/" not in node
    }


# ---- network ----------------------------------------------------------------------------------


@given(NAMES, st.integers(0, 3))
def test_names_of_cables_fit_and_are_found_again(name: str, index: int) -> None:
    ports = [network.port(name, index, side) for side in "ab"]
    assert all(len(each) <= 15 for each in ports) and len({*ports}) == 2
    assert network.ports_of(name, [*ports, "em0"]) == [ports[0]]


@given(NAMES, NAMES)
def test_cables_of_one_jail_are_not_those_of_another(one: str, other: str) -> None:
    if one != other:
        assert network.ports_of(one, [network.port(other, 0, "a")]) == []


@given(NAMES, st.integers(1, 3), st.sets(st.integers(0, 32767)))
def test_numbers_of_cables_are_free_and_do_not_wander(name: str, count: int, taken: set[int]) -> None:
    chosen = network.choose_pairs(name, count, [], taken)
    assert len({*chosen}) == count and not {*chosen} & taken
    assert network.choose_pairs(name, count, chosen, taken) == chosen


def test_addresses_are_set_before_the_system_of_the_jail_starts() -> None:
    cards = network.parse_interfaces(
        "web",
        [
            {"bridge": "br0", "mac": "02:00:00:00:00:2A", "addresses": ["192.0.2.21/24", "2001:db8::21/64"],
             "gateway": ["192.0.2.1"]},
            {"bridge": "br1"},
        ],
    )  # fmt: skip
    own = {"exec.prestart": ("true",), "exec.start": ("/bin/sh /etc/rc",)}
    assert network.network_parameters("web", cards, [7, 9], own) == {
        "vnet": (),
        "vnet.interface": ("e0b_web", "e1b_web"),
        "exec.prestart": (
            "/sbin/ifconfig epair7 create",
            "/sbin/ifconfig epair7a name e0a_web",
            "/sbin/ifconfig epair7b name e0b_web",
            "/sbin/ifconfig e0b_web ether 02:00:00:00:00:2a",
            "/sbin/ifconfig br0 addm e0a_web",
            "/sbin/ifconfig e0a_web up",
            "/sbin/ifconfig epair9 create",
            "/sbin/ifconfig epair9a name e1a_web",
            "/sbin/ifconfig epair9b name e1b_web",
            "/sbin/ifconfig br1 addm e1a_web",
            "/sbin/ifconfig e1a_web up",
            "true",
        ),
        "exec.start": (
            "/sbin/ifconfig e0b_web up",
            "/sbin/ifconfig e0b_web inet 192.0.2.21/24 alias",
            "/sbin/ifconfig e0b_web inet6 2001:db8::21/64 alias",
            "/sbin/route -4 add default 192.0.2.1",
            "/sbin/ifconfig e1b_web up",
            "/bin/sh /etc/rc",
            "/sbin/ifconfig e0b_web inet6 -ifdisabled",
        ),
        "exec.poststop": ("/sbin/ifconfig e0a_web destroy", "/sbin/ifconfig e1a_web destroy"),
    }


def test_no_cards_take_the_network_stack_away() -> None:
    assert network.network_parameters("web", [], [], {"exec.start": ("true",)}) == {
        "vnet": None, "vnet.interface": None, "exec.prestart": None, "exec.poststop": None,
        "exec.start": ("true",),
    }  # fmt: skip


# ---- machines ---------------------------------------------------------------------------------

MACHINE: dict[str, Any] = {"root": "/t/r", "data": "/t/d", "bridge": "br0", "hwaddr": "02:00:00:00:00:01"}


def test_a_machine_becomes_a_jail() -> None:
    item = jail_config(
        "ssa", **MACHINE, addresses=["192.0.2.21/24"], cores=2, memory=1 << 30, limits={"open_files": 500},
        options={"allow.raw_sockets": True, "exec.stop": "true"}, unenforced=["memory", "io"],
    )  # fmt: skip
    assert item["limits"] == {"pcpu": 200, "memoryuse": 1 << 30, "openfiles": 500}
    assert item["unenforced"] == ["memoryuse"]
    assert item["parameters"]["exec.prepare"] == ["/usr/local/sbin/twin guard ssa"]
    assert item["parameters"]["exec.stop"] == "true" and item["parameters"]["allow.raw_sockets"] is True
    assert parse_jail(item).parameters["mount"] == ("/t/d /t/r/srv nullfs rw 0 0",)


def test_the_guard_of_a_machine_comes_before_all_else() -> None:
    first, *_others = parse_jail(jail_config("ssa", **MACHINE)).parameters["exec.prepare"] or ()
    assert first == "/usr/local/sbin/twin guard ssa"


def test_devices_of_a_machine_are_seen_inside() -> None:
    jail = parse_jail(jail_config("ssa", **MACHINE, devices=["/dev/fuse"]))
    assert jail.devfs == ("path fuse unhide",) and "devfs_ruleset" not in jail.parameters


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limits": {"cpu_weight": 5}}, "limit cpu_weight of machine ssa: rctl(8) has no such resource"),
        ({"devices": ["0000:01:00.0"]}, "device 0000:01:00.0: a jail takes device nodes"),
    ],
)
def test_what_a_jail_cannot_give_is_refused(more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        jail_config("ssa", **MACHINE, **more)
    assert said in str(error.value)


def test_limits_of_a_declaration_have_resources() -> None:
    assert resources_of(["memory", "cores", "io"]) == ["memoryuse", "pcpu"]
