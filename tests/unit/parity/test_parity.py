# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parity: the facts of a server, and two servers compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._parity.host import read_facts
from ansible_collections.twin.datacenter.plugins.module_utils._parity.model import WEIGHTS, compare
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface
from tests.doubles.memory import MemoryHost, answered
from tests.doubles.system import Dpkg

FILES = {
    "/proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: sse2 fpu\n\nprocessor\t: 1\n",
    "/proc/meminfo": "MemTotal:       24669072 kB\nMemFree: 1 kB\n",
    "/etc/os-release": 'NAME="Debian GNU/Linux"\nVERSION_ID="13"\n',
    "/sys/class/net/br0/address": "",
    "/sys/class/net/eth0/device/vendor": "",
    "/sys/class/net/eth1/device/vendor": "",
}
# zpool get all of zfs-fuse 0.7 and of OpenZFS 2.3.
FUSE = (
    "NAME  PROPERTY  VALUE  SOURCE\ntank  size      3.97G  -\n"
    "tank  version   23     default\ntank  free      3.9G   -\n"
)
OPENZFS = (
    "NAME  PROPERTY  VALUE  SOURCE\ntank  size  3.97G  -\ntank  version  -  default\n"
    "tank  feature@lz4_compress  active  local\ntank  feature@draid  disabled  local\n"
)


class Tools:
    """uname, cat, zpool and zfs, which only answer."""

    commands: Sequence[str] = ("uname", "cat", "zpool", "zfs")
    state = None

    def __init__(self, pool: str) -> None:
        self.pool = pool

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        if argv[0] == "uname":
            return answered(argv, "x86_64\n" if argv[1] == "-m" else "6.12.48\n")
        if argv[0] == "cat":
            down = "eth1" in argv[1]
            return answered(argv, "" if down else "10000\n", "Invalid argument" if down else "", int(down))
        if argv[0] == "zpool":
            return answered(argv, self.pool)
        return answered(
            argv,
            "tank/images\t41\ntank/images/debian-13\t40\ntank/images/debian-13@base\t42\ntank/images/debian-13@other\t43\n",
        )


def facts(pool: str = FUSE) -> dict[str, Any]:
    dpkg = Dpkg({})
    dpkg.state["installed"] = {"lxc": "1:6.0"}
    host = MemoryHost(Tools(pool), dpkg, files=FILES)
    return {fact.key: fact.value for fact in read_facts(host.reader(), "tank", "br0", ["lxc", "zfs-fuse"])}


def fact(key: str, value: Any, weight: str = "warning") -> dict[str, Any]:
    return {"key": key, "value": value, "weight": weight}


def test_facts_of_a_server() -> None:
    found = facts()
    assert found["processors"] == 2 and found["processor flags"] == ["fpu", "sse2"]
    assert found["memory"] == "24064M"
    assert found["release"] == "13" and found["kernel release"] == "6.12.48"
    assert found["package lxc"] == "1:6.0" and found["package zfs-fuse"] is None
    assert found["bridge br0"] == "present"
    assert found["interface eth0"] == "10000 Mb/s" and found["interface eth1"] == "no carrier"
    assert found["pool version"] == "23" and found["pool features"] == []
    assert found["image debian-13"] == "42" and "free" not in str(found.keys())


def freebsd(host: FreebsdHost) -> dict[str, Any]:
    host.kernel.interfaces.append(Interface("bridge0", "bridge"))
    return {fact.key: fact.value for fact in read_facts(host.reader(), "tank", "bridge0", ["sudo"])}


def test_facts_of_a_freebsd_server() -> None:
    host = FreebsdHost({"/bin/freebsd-version": 'USERLAND_VERSION="14.3-RELEASE-p2"\n'})
    found = freebsd(host)
    assert found["architecture"] == "amd64" and found["kernel release"] == "14.3-RELEASE"
    assert found["processors"] == 4 and found["processor model"].startswith("Intel(R) Xeon(R)")
    assert found["memory"] == "8G"
    assert found["release"] == "14.3-RELEASE" and found["patch level"] == "2"
    assert found["bridge bridge0"] == "present" and found["interface em0"] == "1000baseT"
    assert [key for key in found if key.startswith("interface ")] == ["interface em0"]
    assert found["package sudo"] is None and found["limits of machines"] == "on"


def test_a_freebsd_server_without_patches_and_limits() -> None:
    host = FreebsdHost(release="15.0")
    host.kernel.racct = False
    found = freebsd(host)
    assert found["release"] == "15.0-RELEASE" and found["patch level"] == "0"
    assert found["limits of machines"] == "off"


def test_features_that_are_not_in_use_do_not_count() -> None:
    assert facts(OPENZFS)["pool features"] == ["feature@lz4_compress"]


def test_a_server_without_zfs_reads_as_one_without_pool() -> None:
    class NoZfs(Tools):
        commands = ("uname", "cat")

    host = MemoryHost(NoZfs(""), Dpkg({}), files=FILES)
    keys = {found.key for found in read_facts(host.reader(), "tank", "br0", [])}
    assert not {key for key in keys if key.startswith(("pool", "image"))}


@given(st.dictionaries(st.sampled_from("abc"), st.integers() | st.lists(st.text(max_size=2)) | st.none()))
def test_a_server_is_like_itself(values: dict[str, Any]) -> None:
    items = [fact(key, value) for key, value in values.items()]
    report = compare({"castor": items, "pollux": list(reversed(items))})
    assert report["alike"] and report["score"] == 0 and report["differences"] == []


@given(st.lists(st.sampled_from(sorted(WEIGHTS)), max_size=6))
def test_the_score_is_the_sum_of_weights_and_blockers_decide(weights: list[str]) -> None:
    one = [fact(str(number), 1, weight) for number, weight in enumerate(weights)]
    other = [fact(str(number), 2, weight) for number, weight in enumerate(weights)]
    report = compare({"castor": one, "pollux": other})
    assert report["score"] == sum(WEIGHTS[weight] for weight in weights)
    assert report["alike"] == ("blocker" not in weights)
    costs = [WEIGHTS[found["weight"]] for found in report["differences"]]
    assert costs == sorted(costs, reverse=True)


def test_what_only_one_server_has_is_a_difference() -> None:
    report = compare({"castor": [fact("image a", "1", "blocker")], "pollux": []})
    assert report["differences"][0]["values"] == {"castor": "1", "pollux": None}
    assert not report["alike"]


def test_of_sets_only_the_rest_is_shown() -> None:
    report = compare({"castor": [fact("flags", ["a", "b"])], "pollux": [fact("flags", ["c", "b"])]})
    assert report["differences"][0]["values"] == {"castor": ["a"], "pollux": ["c"]}
    assert report["table"] == ["weight   what   castor  pollux", "warning  flags  a       c"]


def test_an_accepted_difference_is_a_note() -> None:
    report = compare(
        {
            "castor": [fact("pool version", "23", "blocker")],
            "pollux": [fact("pool version", "28", "blocker")],
        },
        ["pool version"],
    )
    assert report["alike"] and report["score"] == WEIGHTS["note"]
    assert "(accepted)" in report["table"][1]


def test_a_pair_is_two() -> None:
    with pytest.raises(Refused, match="1 servers are no pair"):
        compare({"castor": []})


def test_an_unknown_weight_is_refused() -> None:
    with pytest.raises(Refused, match="weight heavy"):
        compare({"castor": [fact("a", 1, "heavy")], "pollux": []})
