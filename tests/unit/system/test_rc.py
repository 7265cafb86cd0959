# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of FreeBSD: what is written, what is the same by meaning, and what is owed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import (
    NotConverged,
    Refused,
    TwinError,
)
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._system.rc import (
    Found,
    parse_lines,
    parse_sysrc,
    with_line,
    without_line,
)
from ansible_collections.twin.datacenter.plugins.modules.rc_conf import SUBJECT
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.memory import MemoryHost

RC, LOADER, SYSCTL = "/etc/rc.conf", "/boot/loader.conf", "/etc/sysctl.conf"


def apply(host: MemoryHost, *items: dict[str, Any], check: bool = False) -> list[str]:
    params = {"variables": list(items)}
    return reconcile(SUBJECT, params, host.reader(), None if check else host).plan.sentences


def server(rc: str = "", loader: str = "", **more: str) -> FreebsdHost:
    return FreebsdHost({RC: rc, LOADER: loader, **more})


def test_what_sysrc_shows() -> None:
    text = (
        ': /etc/rc.conf; a="1"\n: /etc/rc.conf; list="\n x\n y"\n: /etc/defaults/rc.conf; b=""\n: ; c="q"r"\n'
    )
    assert parse_sysrc(text, ["a", "list", "b", "c"]) == {
        "a": Found("1"),
        "list": Found("\n x\n y"),
        "b": Found("", default=True),
        "c": Found('q"r'),
    }
    assert parse_sysrc("", ["a"]) == {}


def test_one_command_whatever_the_number_of_variables() -> None:
    host = server()
    apply(host, *({"name": f"x{number}_enable", "value": True} for number in range(50)), check=True)
    assert len(host.calls) == 1


def test_set_changed_and_removed() -> None:
    host = server('jail_enable="NO"\nold="1"\nlist="a b"\n')
    assert apply(
        host,
        {"name": "jail_enable", "value": True},
        {"name": "old", "state": "absent"},
        {"name": "new", "value": 5},
        {"name": "list", "remove": ["a", "b"]},
    ) == ["set jail_enable from NO to YES", "remove old", "set new to 5", 'set list from a b to ""']
    assert host.files[RC] == 'jail_enable="YES"\nlist=""\nnew="5"\n'


@pytest.mark.parametrize(
    ("name", "here", "value", "same"),
    [
        ("sshd_enable", "yes", True, True),
        ("sshd_enable", "on", "YES", True),
        ("sshd_enable", "NONE", False, False),
        ("ntpd_sync_on_start", "true", True, True),
        ("count", "1", "YES", False),
        ("count", "1", 1, True),
        ("other", "yes", "YES", False),
    ],
)
def test_a_switch_is_compared_by_its_meaning(name: str, here: str, value: Any, same: bool) -> None:
    assert (apply(server(f'{name}="{here}"\n'), {"name": name, "value": value}, check=True) == []) is same


def test_a_default_is_written_and_its_words_are_kept() -> None:
    host = server()
    apply(host, {"name": "pf_enable", "value": "NO"}, {"name": "local_startup", "add": ["/opt/rc.d"]})
    assert host.files[RC] == 'pf_enable="NO"\nlocal_startup="/usr/local/etc/rc.d /opt/rc.d"\n'


def test_words_are_left_in_their_order() -> None:
    host = server('jail_list="c  a b"\n')
    assert apply(host, {"name": "jail_list", "add": ["a", "b", "c"], "remove": ["d"]}) == []
    assert apply(host, {"name": "jail_list", "add": ["_d"], "remove": ["a"]}) == [
        "set jail_list from c  a b to c b _d"
    ]


def test_a_tunable_waits_for_a_boot_until_the_kernel_has_it() -> None:
    host = server(loader='kern.hz="100" # slow\n')
    item = {"name": "kern.racct.enable", "file": LOADER, "value": True}
    owed = "boot to give the kernel kern.racct.enable 1 (owed)"
    assert apply(host, item) == [owed, "set kern.racct.enable in /boot/loader.conf to 1, for the next boot"]
    assert host.files[LOADER] == 'kern.hz="100" # slow\nkern.racct.enable="1"\n'
    assert apply(host, item) == [owed]
    host.kernel.environment["kern.racct.enable"] = "0"
    assert apply(host, item) == ["boot to give the kernel kern.racct.enable 1 instead of 0 (owed)"]
    host.kernel.environment["kern.racct.enable"] = "1"
    assert apply(host, item) == []


def test_a_file_of_the_loader_keeps_its_permissions() -> None:
    host = server(loader='bootlock_password="secret"\n')
    host.modes[LOADER] = 0o600
    apply(host, {"name": "autoboot_delay", "file": LOADER, "value": 3})
    assert host.modes[LOADER] == 0o600


def test_a_sysctl_is_set_in_the_running_kernel_too() -> None:
    host = server(**{SYSCTL: "vfs.usermount=1\n"})
    names = ("vfs.usermount", "net.inet.ip.forwarding", "net.unheard.of")
    assert apply(host, *({"name": name, "file": SYSCTL, "value": True} for name in names)) == [
        "set vfs.usermount of the running kernel from 0 to 1",
        "set net.inet.ip.forwarding of the running kernel from 0 to 1",
        "set net.inet.ip.forwarding in /etc/sysctl.conf to 1",
        "set net.unheard.of in /etc/sysctl.conf to 1",
    ]
    assert host.kernel.sysctls == {"vfs.usermount": "1", "net.inet.ip.forwarding": "1"}


def test_a_tunable_in_sysctl_conf_is_refused_by_the_kernel_before_it_is_written() -> None:
    host = server()
    with pytest.raises(TwinError, match="Tunable values are set in /boot/loader.conf"):
        apply(host, {"name": "kern.racct.enable", "file": SYSCTL, "value": 0})
    assert SYSCTL not in host.files


def test_sysctl_conf_has_no_quotes() -> None:
    host = server(**{SYSCTL: "kern.x=1\n"})
    apply(
        host, {"name": "kern.x", "file": SYSCTL, "value": 0}, {"name": "kern.y", "file": SYSCTL, "value": 2}
    )
    assert host.files[SYSCTL] == "kern.x=0\nkern.y=2\n"


def test_a_lie_of_sysrc_is_found_out() -> None:
    # Only the first line of a value of several lines is replaced.
    with pytest.raises(NotConverged, match="still needs: set list from x"):
        apply(server('list="a\nb"\n'), {"name": "list", "value": "x"})


def test_a_broken_file_is_said() -> None:
    with pytest.raises(Refused, match="/etc/rc.conf: 1: Syntax error: Unterminated quoted string"):
        apply(server('a="1\n'), {"name": "a", "value": 2})


def test_a_host_without_sysrc_reads_as_empty_in_check_mode() -> None:
    host = server()
    del host.world.programs["sysrc"]
    assert apply(host, {"name": "a", "value": 1}, check=True) == ["set a to 1"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([{"name": "a.b", "value": 1}], "tunables belong in file /boot/loader.conf"),
        ([{"name": "a-b", "value": 1}], "can hold no variable of that name"),
        ([{"name": "a b", "value": 1, "file": LOADER}], "can hold no variable of that name"),
        ([{"name": "a", "value": 1, "file": "etc/x"}], "not absolute and plain"),
        ([{"name": "a"}], "not clear what is wanted"),
        ([{"name": "a", "value": 1, "state": "absent"}], "not clear what is wanted"),
        ([{"name": "a", "value": 1, "add": ["b"]}], "not clear what is wanted"),
        ([{"name": "a", "value": ["b"]}], "its value is no text"),
        ([{"name": "a.b", "value": "c#d", "file": SYSCTL}], "can hold no # and no blanks at the ends"),
        ([{"name": "a.b", "value": " c", "file": SYSCTL}], "can hold no # and no blanks at the ends"),
        ([{"name": "a", "value": 'x"y'}], "would not read as they stand"),
        ([{"name": "a", "add": ["$x"]}], "would not read as they stand"),
        ([{"name": "a", "add": ["x y"]}], "'x y' is not one word"),
        ([{"name": "a", "remove": [""]}], "'' is not one word"),
        ([{"name": "a", "add": ["x"], "remove": ["x"]}], "to be added and removed"),
        ([{"name": "a", "value": 1}, {"name": "a", "value": 2}], "more than once"),
    ],
)
def test_bad_input_is_refused(items: list[dict[str, Any]], words: str) -> None:
    host = server()
    with pytest.raises(Refused, match=words):
        apply(host, *items)
    assert host.calls == []


TEXTS = st.lists(
    st.sampled_from(["# a=1", "", "a=1", 'a = "x y" # why', "b.c=2", "  b.c=3#x", 'd="#"', "odd line"])
).map("\n".join)
NAMES = st.sampled_from(["a", "b.c", "d", "new"])
VALUES = st.text("abc ./,:=-", max_size=5).map(str.strip)


@given(TEXTS, NAMES, VALUES, st.sampled_from([LOADER, SYSCTL]))
def test_law_of_lines(text: str, name: str, value: str, file: str) -> None:
    new = with_line(text, name, value, file)
    assert parse_lines(new) == {**parse_lines(text), name: value}
    assert with_line(new, name, value, file) == new
    others = {key: here for key, here in parse_lines(text).items() if key != name}
    assert parse_lines(without_line(new, name)) == others
    assert all(new.count(kept) == text.count(kept) for kept in ("# a=1", "# why", "#x", "odd line"))
