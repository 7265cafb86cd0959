# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysrc of the double, against what the program of FreeBSD 14 says and does."""

from __future__ import annotations

import pytest

from tests.doubles.freebsd.sysrc import DEFAULTS, SyntaxFault, source, statements
from tests.doubles.freebsd.world import MemoryFiles, World

RC, LOCAL = "/etc/rc.conf", "/etc/rc.conf.local"
FILES = {
    RC: '# first\njail_enable="NO"\njail_list="db"\nsshd_enable=YES # bare\n',
    LOCAL: "jail_conf='/etc/jail.conf'\n",
    "/etc/other": 'x="1"\n',
}

TRANSCRIPTS = [
    # reading
    ("jail_enable", "jail_enable: NO\n", "", 0),
    ("-n jail_enable", "NO\n", "", 0),
    ("-e jail_enable", 'jail_enable="NO"\n', "", 0),
    ("-ne jail_enable", "NO\n", "", 0),
    ("-v jail_enable", "/etc/rc.conf: jail_enable: NO\n", "", 0),
    ("-v -e jail_conf", ': /etc/rc.conf.local; jail_conf="/etc/jail.conf"\n', "", 0),
    ("-e -v pf_enable", ': /etc/defaults/rc.conf; pf_enable="NO"\n', "", 0),
    ("-N pf_enable", "pf_enable\n", "", 0),
    ("-F sshd_enable pf_enable", "sshd_enable: /etc/rc.conf\npf_enable: /etc/defaults/rc.conf\n", "", 0),
    ("nope", "", "sysrc: unknown variable 'nope'\n", 1),
    ("-i nope jail_enable", "jail_enable: NO\n", "", 1),
    ("-q nope", "", "", 1),
    ("a.b", "", "sysrc: a.b: name contains characters not allowed in shell\n", 1),
    (
        "-f /boot/loader.conf kern.hz=100",
        "",
        "sysrc: kern.hz: name contains characters not allowed in shell\n",
        1,
    ),
    ("-a", "jail_conf: /etc/jail.conf\njail_enable: NO\njail_list: db\nsshd_enable: YES\n", "", 0),
    ("-a -f /etc/other", "x: 1\n", "", 0),
    ("-f /etc/other pf_enable", "pf_enable: NO\n", "", 0),
    ("-l", "/etc/rc.conf /etc/rc.conf.local\n", "", 0),
    # comparing
    ("-c jail_enable=NO", "", "", 0),
    ("-c jail_enable=YES", "", "", 1),
    ("-c -v jail_enable=YES", "/etc/rc.conf: jail_enable: would change from `NO' to `YES'\n", "", 1),
    ("-c -v nope=YES", "nope: not currently set\n", "", 1),
    # writing
    ("jail_enable=YES", "jail_enable: NO -> YES\n", "", 0),
    ("-n jail_enable=YES", "NO -> YES\n", "", 0),
    ("-e jail_enable=YES", 'jail_enable="NO" # -> "YES"\n', "", 0),
    ("jail_enable=NO", "jail_enable: NO -> NO\n", "", 0),
    ("new=1", "new:  -> 1\n", "", 0),
    ("jail_list+=web", "jail_list: db -> db web\n", "", 0),
    ("jail_list+=db", "jail_list: db -> db\n", "", 0),
    ("jail_list-=db", "jail_list: db -> \n", "", 0),
    ("jail_list-=web", "jail_list: db -> db\n", "", 0),
    ("jail_list+=,web", "jail_list: db -> db,web\n", "", 0),
    ("-x jail_enable", "", "", 0),
    ("-x pf_enable", "", "", 0),
    ("-x nope", "", "sysrc: unknown variable 'nope'\n", 1),
]


def world(**more: str) -> World:
    return World(files=MemoryFiles({**FILES, **{f"/etc/{name}": text for name, text in more.items()}}))


@pytest.mark.parametrize(("words", "out", "err", "rc"), TRANSCRIPTS)
def test_transcript(words: str, out: str, err: str, rc: int) -> None:
    output = world().call(["sysrc", *words.split()])
    assert (output.out, output.err, output.rc) == (out, err, rc)


# What stands in /etc/rc.conf, the argument, and what stands there then.
EDITS = [
    ('a="1"\n', "a=2", 'a="2"\n'),
    ("a='1' # why\n", "a=2", "a='2' # why\n"),
    ("a=1 # why\n", "a=2", 'a="2" # why\n'),
    ("a=$b\n", "a=2", 'a=$b\na="2"\n'),
    ('  a="1"\na="3"\n', "a=2", '  a="1"\na="2"\n'),
    ('b="1"', "a=2", 'b="1"\na="2"\n'),
    # Lies: exit code 0, and the variable has another value.
    ('a="1\n2"\n', "a=3", 'a="3\n2"\n'),
    ("a=\n", "a=b c", "a=b c\n"),
    ('a="1"\n', "a=$HOME", 'a="$HOME"\n'),
    ('b="1"\n', 'a=x"y', 'b="1"\na="x"y"\n'),
]


@pytest.mark.parametrize(("before", "argument", "after"), EDITS)
def test_a_value_is_written_where_it_was(before: str, argument: str, after: str) -> None:
    host = world(**{"rc.conf": before})
    assert host.call(["sysrc", argument]).rc == 0
    assert host.files.read(RC) == after


def test_a_variable_is_set_in_the_file_that_sets_it_last() -> None:
    host = world(**{"rc.conf.local": 'jail_enable="NO"\n'})
    host.call(["sysrc", "jail_enable=YES"])
    assert host.files.read(LOCAL) == 'jail_enable="YES"\n'
    assert host.files.read(RC) == FILES[RC]


def test_a_variable_is_removed_from_all_files() -> None:
    host = world(**{"rc.conf.local": 'jail_enable="NO"\nx="1"\n'})
    host.call(["sysrc", "-x", "jail_enable"])
    assert host.files.read(LOCAL) == 'x="1"\n'
    assert "jail_enable" not in str(host.files.read(RC))


def test_a_broken_file_stops_everything() -> None:
    output = world(**{"rc.conf": 'a="1"\nb="2\n'}).call(["sysrc", "-i", "a"])
    assert output.err == (
        "/etc/rc.conf: 2: Syntax error: Unterminated quoted string\n"
        "sysrc: Exiting due to previous syntax errors\n"
    )
    assert output.rc == 1


def test_what_would_break_the_file_is_not_written() -> None:
    host = world(**{"rc.conf": 'a="1"\n'})
    output = host.call(["sysrc", 'a=x"y'])
    assert (output.rc, output.out) == (1, "")
    assert output.err == "sysrc: Not overwriting `/etc/rc.conf' due to previous syntax errors\n"
    assert host.files.read(RC) == 'a="1"\n'


def test_the_shell() -> None:
    variables = {"base": "/x"}
    source("""a="$base/y" b='$base' c=${base}z;d="q\\"r" # e=1\nf=1 command\n""", variables)
    assert variables == {"base": "/x", "a": "/x/y", "b": "$base", "c": "/xz", "d": 'q"r'}
    with pytest.raises(SyntaxFault, match="^3: "):
        list(statements("a=1\nb=2\nc='3\n\n"))


def test_the_defaults_are_right_shell() -> None:
    assert len(list(statements(DEFAULTS))) == DEFAULTS.count("\n")


def test_in_a_jail_it_has_the_files_of_the_jail() -> None:
    host = world()
    jid = host.kernel.create({"name": "web", "path": "/tank/web", "persist": True})
    host.execute(jid, ["sysrc", "sshd_enable=NO"])
    assert host.files.read("/tank/web/etc/rc.conf") == 'sshd_enable="NO"\n'
    assert host.files.read(RC) == FILES[RC]


def test_kenv_and_stat() -> None:
    host = world()
    host.kernel.environment["kern.hz"] = "100"
    assert host.call(["kenv"]).out == 'kern.hz="100"\n'
    form = "%Mp%Lp%t%Su%t%u%t%Sg%t%g%t%HT%t%N"
    output = host.call(["stat", "-f", form, RC, "/etc", "/nope"])
    assert output.out == (
        "0644\troot\t0\twheel\t0\tRegular File\t/etc/rc.conf\n0755\troot\t0\twheel\t0\tDirectory\t/etc\n"
    )
    assert (output.err, output.rc) == ("stat: /nope: stat: No such file or directory\n", 1)
