# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration file of LXC and what values mean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.check import Check
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.model import (
    Config,
    controllers_of,
    machine_config,
    meaning,
    parse_container,
    wanted_of,
)

KEYS = st.sampled_from(
    ["lxc.uts.name", "lxc.mount.entry", "lxc.cap.drop", "lxc.net.0.type", "lxc.cgroup2.memory.max", "lxc.x"]
)
PLAIN = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), min_size=1).filter(
    lambda text: text[0] not in "'\""
)
VALUES = st.lists(PLAIN, max_size=4).flatmap(lambda values: st.sampled_from([tuple(values), ("", *values)]))
LINES = st.one_of(
    st.builds("{} = {}".format, KEYS, PLAIN),
    st.builds("  {}={}  ".format, KEYS, PLAIN),
    st.builds("{} =".format, KEYS | st.just("lxc.net") | st.just("lxc.cgroup2")),
    st.text(st.characters(exclude_characters="\n")).map("# {}".format),
    st.sampled_from(["", "   ", "nonsense", "= odd"]),
)
FILES = st.lists(LINES).map("\n".join)


@given(st.text())
def test_a_file_is_kept_byte_for_byte(text: str) -> None:
    assert Config.parse(text).text == text


@given(FILES, KEYS, VALUES)
def test_what_is_set_is_what_is_read(text: str, key: str, values: tuple[str, ...]) -> None:
    changed = Config.parse(text).replace(key, values)
    assert changed.values(key) == values
    assert Config.parse(changed.text) == changed or not changed.text


@given(FILES, KEYS, VALUES)
def test_setting_a_key_leaves_every_other_line(text: str, key: str, values: tuple[str, ...]) -> None:
    old = Config.parse(text)
    changed = old.replace(key, values)
    assert [line for line in changed.lines if line.key != key and line.raw] == [
        line for line in old.lines if line.key != key and line.raw
    ]


@given(FILES, KEYS, VALUES)
def test_setting_again_changes_nothing(text: str, key: str, values: tuple[str, ...]) -> None:
    changed = Config.parse(text).replace(key, values)
    assert changed.replace(key, values).text == changed.text


@given(KEYS, VALUES)
def test_meaning_is_stable(key: str, values: tuple[str, ...]) -> None:
    assert meaning(key, meaning(key, values)) == meaning(key, values)


def test_a_changed_value_stands_where_the_old_one_stood() -> None:
    """community.general.lxc_container inserts it behind the old one, which stays."""
    text = "# mine\nlxc.uts.name = old\n\nlxc.uts.name = older\nlxc.arch = x86_64\n"
    assert Config.parse(text).replace("lxc.uts.name", ("new",)).text == (
        "# mine\nlxc.uts.name = new\n\nlxc.arch = x86_64\n"
    )


def test_a_new_key_comes_last_and_the_file_ends_with_its_line() -> None:
    assert Config.parse("lxc.a = 1").replace("lxc.b", ("2",)).text == "lxc.a = 1\nlxc.b = 2\n"
    assert Config.parse("lxc.a = 1\n").replace("lxc.b", ("2",)).text == "lxc.a = 1\nlxc.b = 2\n"
    assert Config.parse("").replace("lxc.b", ("2",)).text == "lxc.b = 2\n"


def test_an_empty_value_clears_what_stands_above_it() -> None:
    config = Config.parse("lxc.cap.drop = a\nlxc.cap.drop =\nlxc.cap.drop = b\n")
    assert config.values("lxc.cap.drop") == ("", "b")
    networks = Config.parse("lxc.net.0.type = veth\nlxc.net =\n")
    assert networks.values("lxc.net.0.type") == ()
    assert networks.replace("lxc.net.0.type", ("none",)).text == "lxc.net =\nlxc.net.0.type = none\n"


def test_quotes_are_not_part_of_a_value() -> None:
    assert Config.parse("lxc.environment = 'A=b c'\n").values("lxc.environment") == ("A=b c",)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("lxc.cgroup2.memory.max", ("1G",), ("1073741824",)),
        ("lxc.cgroup2.memory.max", ("5000",), ("4096",)),
        ("lxc.cgroup2.memory.swap.max", ("1M",), ("1048576",)),
        ("lxc.cgroup2.cpu.max", ("200000",), ("200000 100000",)),
        ("lxc.cgroup2.cpuset.cpus", ("0,1,2,5",), ("0-2,5",)),
        ("lxc.uts.name", ("older", "name"), ("name",)),
        ("lxc.cap.drop", ("b a", "c"), ("a", "b", "c")),
        ("lxc.mount.entry", ("/a  a none bind 0 0",), ("/a a none bind 0 0",)),
        ("lxc.rootfs.path", ("/a",), ("dir:/a",)),
    ],
)
def test_equal_in_meaning(key: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert meaning(key, one) == meaning(key, other)


@pytest.mark.parametrize(
    ("key", "one", "other"),
    [
        ("lxc.mount.entry", ("/a", "/b"), ("/b", "/a")),
        ("lxc.cap.drop", ("", "a"), ("a",)),
        ("lxc.cgroup2.memory.max", ("max",), ("1G",)),
        ("lxc.cgroup2.cpuset.cpus", ("0-1",), ("0-2",)),
    ],
)
def test_different_in_meaning(key: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert meaning(key, one) != meaning(key, other)


@pytest.mark.parametrize(
    ("item", "said"),
    [
        ({"name": "../etc"}, "name of a container: '../etc' does not serve"),
        ({"name": "-rf"}, "does not serve"),
        ({"name": "a", "state": "running"}, "state of container a: 'running' is unknown; use one of present"),
        ({"name": "a", "config": {"memory": "1G"}}, "config of container a: 'memory' is no key of LXC"),
        ({"name": "a", "config": {"lxc.a": "b\nlxc.hook.start = /evil"}}, "a value has several lines"),
        ({"name": "a", "config": {"lxc.a": {"b": 1}}}, "lxc.a of container a: {'b': 1} is no value"),
        ({"name": "a", "config": {"lxc.cap.drop": ["a", ""]}}, "an empty value clears those before it"),
        ({"name": "a", "config": {"lxc.cgroup2.memory.max": ["1G", "2G"]}}, "it has 2 values; write one"),
        ({"name": "a", "rootfs": "relative"}, "'relative' is no absolute path"),
        (
            {"name": "a", "rootfs": "/a", "config": {"lxc.rootfs.path": "/b"}},
            "two root file systems",
        ),
        ({"name": "a", "apply": "later"}, "apply of container a: 'later' is unknown"),
        ({"name": "a", "check": {"http": "/"}}, "check of container a: http needs its address"),
        ({"name": "a", "check": {"http": "x"}, "address": "192.0.2.1"}, "'x' is no path"),
        ({"name": "a", "check": {"http": "/", "tcp": 80}}, "http and tcp does not serve"),
    ],
)
def test_bad_input_is_one_sentence(item: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        wanted_of({"containers": [item]})
    assert said in str(error.value)


def test_all_faults_come_at_once() -> None:
    with pytest.raises(Refused) as error:
        wanted_of({"containers": [{"name": ".."}, {"name": "a"}, {"name": "a"}], "purge": True})
    assert len(error.value.facts["faults"]) == 3


def test_a_check_knows_its_address_from_the_configuration() -> None:
    config = {"lxc.net.0.ipv4.address": "192.0.2.21/24"}
    container = parse_container({"name": "a", "config": config, "check": {"http": "/x"}})
    assert str(container.check) == "http://192.0.2.21/x"
    six = parse_container({"name": "a", "address": "2001:db8::1/64", "check": {"tcp": 22}})
    assert (six.check.address, str(six.check)) == ("2001:db8::1", "tcp://[2001:db8::1]:22")
    command = parse_container({"name": "a", "check": {"command": ["true", "-x"]}})
    assert str(command.check) == "command true -x"
    assert str(Check()) == "the state of its system"


def machine(**more: Any) -> dict[str, Any]:
    return machine_config("ssa", root="/r", data="/d", bridge="br0", hwaddr="02:00:00:00:00:01", **more)


def test_a_machine_is_unprivileged_and_guarded() -> None:
    config = machine(addresses=["192.0.2.21/24", "2001:db8::21/64"], gateways=["2001:db8::1", "192.0.2.1"])
    assert config["lxc.idmap"] == ["u 0 100000 65536", "g 0 100000 65536"]
    assert config["lxc.hook.pre-start"] == ["/usr/local/sbin/twin guard ssa"]
    assert config["lxc.net.0.ipv4.address"] == ["192.0.2.21/24"]
    assert config["lxc.net.0.ipv6.gateway"] == "2001:db8::1"
    parse_container({"name": "ssa", "config": config})


def test_a_privileged_machine_shares_the_ids_of_its_server() -> None:
    config = machine(options={"privileged": True})
    assert "lxc.idmap" not in config and "privileged" not in config
    assert config["lxc.include"] == ["/usr/share/lxc/config/common.conf"]


def test_limits_devices_and_mounts_of_a_machine() -> None:
    config = machine(
        cores=2,
        memory=1024**3,
        limits={"processes": 100, "open_files": 1024, "cpu_weight": 50, "io": 5},
        unenforced=["io"],
        devices=["/dev/fuse"],
        mounts=[{"source": "/srv/x", "target": "/x", "readonly": True}],
        options={"lxc.start.order": 5},
    )
    assert config["lxc.cgroup2.cpu.max"] == "200000 100000"
    assert config["lxc.cgroup2.memory.max"] == "1073741824"
    assert config["lxc.prlimit.nofile"] == "1024"
    assert config["lxc.mount.entry"] == [
        "/d srv none bind,create=dir 0 0",
        "/srv/x x none bind,create=dir,ro 0 0",
        "/dev/fuse dev/fuse none bind,create=file 0 0",
    ]
    assert config["lxc.start.order"] == 5


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"limits": {"io": 5}}, "accept that in unenforced (io)"),
        ({"devices": ["gpu0"]}, "device gpu0: LXC takes device nodes"),
        ({"options": {"cpu": 1}}, "options of machine ssa: 'cpu' is no key of LXC"),
    ],
)
def test_what_lxc_cannot_do_for_a_machine_is_said(more: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as error:
        machine(**more)
    assert said in str(error.value)


def test_accepted_limits_as_controllers() -> None:
    assert controllers_of(["memory", "cores", "cpu_weight", "disk"]) == ["cpu", "memory"]
