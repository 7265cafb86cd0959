# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The model of jail.conf(5): what a file means, and that an edit changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._jail.conf import Conf, load, parameters, quote
from ansible_collections.twin.datacenter.tests.unit.jail import jailconf
from ansible_collections.twin.datacenter.tests.unit.jail.jailconf import Items

FIXTURES = Path(__file__).parent / "fixtures"
Values = tuple[str, ...]
Drawn = tuple[Items, str, dict[str, str]]

# What the examples of the manual pages, the Handbook and rc.d/jail mean, where it is worth a look.
MEANING: dict[str, dict[str, dict[str, Values | None]]] = {
    "manual_defaults": {
        "foo": {
            "name": ("foo",),
            "exec.start": ("/bin/sh /etc/rc",),
            "exec.clean": (),
            "mount.devfs": (),
            "path": ("/var/jail/foo",),
            "host.hostname": ("foo.com",),
            "ip4.addr": ("10.1.1.1", "10.1.1.2", "10.1.1.3"),
            "persist": None,
        },
        "bar": {"exec.start": ("",), "path": ("/",), "mount.devfs": ("false",), "persist": ()},
    },
    "manual_forms": {
        "word": {
            "allow.mount": ("false",),
            "ip4.addr": ("10.1.1.1", "10.1.1.2", "10.1.1.3"),
            "path": ("/var/jail/word.example.org",),
        },
        "short": {"allow.mount": ("false",), "path": ("/var/jail/short",), "parentdir": None},
        "foo.bar": {"children.max": ("2",)},
        "foo.bar.baz": {"children.max": ("2",)},
        "foo": {"children.max": None},
    },
    "manual_jail8": {"testjail": {"path": ("/tmp/testjail",), "interface": ("em0",), "mount.devfs": ()}},
    "handbook_classic": {
        "classic": {
            "path": ("/usr/local/jails/containers/classic",),
            "exec.consolelog": ("/var/log/jail_console_classic.log",),
            "ip4.addr": ("192.168.1.151",),
        }
    },
    "handbook_clone": {"thinjail": {"ip4": ("inherit",), "host.hostname": ("thinjail",)}},
    "handbook_nullfs": {"thinjail": {"mount.fstab": ("/usr/local/jails/thinjail-nullfs-base.fstab",)}},
    "handbook_vnet": {
        "vnet": {
            "vnet": (),
            "vnet.interface": ("epair154b",),
            "devfs_ruleset": ("5",),
            "exec.prestart": (
                "/sbin/ifconfig epair154 create up",
                "/sbin/ifconfig epair154a up descr jail:vnet",
                "/sbin/ifconfig bridge0 addm epair154a up",
            ),
            "exec.start": (
                "/sbin/ifconfig epair154b 192.168.1.154/24 up",
                "/sbin/route add default 192.168.1.1",
                "/bin/sh /etc/rc",
            ),
        }
    },
    "handbook_linux": {
        "ubuntu": {"exec.stop": ("/bin/sh /etc/rc.shutdown",), "devfs_ruleset": ("4",), "jid": None}
    },
    "example_netgraph": {
        "xxx": {
            "exec.prestart": ("jng bridge xxx em0",),
            "vnet.interface": ("ng0_xxx",),
            "devfs_ruleset": None,
        }
    },
    "rc_generated": {
        "www": {
            "exec.start": ("sleep  2 ", "/bin/sh /etc/rc"),
            "ip6.addr": ("em0|2001:db8::10/128",),
            "allow.raw_sockets": ("0",),
            "children.max": ("3",),
        }
    },
}


def read(name: str) -> Conf:
    """A fixture; what it includes is not there, as on a fresh host."""
    texts = {name: (FIXTURES / f"{name}.conf").read_text()}
    return load(texts.get, lambda _pattern: [], name)


# ---- the examples that everybody has read -----------------------------------------------------


def test_every_example_has_its_meaning_here() -> None:
    assert sorted(MEANING) == sorted(path.stem for path in FIXTURES.glob("*.conf"))


@pytest.mark.parametrize("name", MEANING)
def test_an_example_means_what_its_manual_says(name: str) -> None:
    conf = read(name)
    assert set(MEANING[name]) == set(conf.jails)
    for jail, wanted in MEANING[name].items():
        found = parameters(conf, jail)
        assert {key: found.get(key) for key in wanted} == wanted


@pytest.mark.parametrize("name", MEANING)
def test_an_example_survives(name: str) -> None:
    """Parsed, printed and parsed; and, each jail written anew from what it means, the same again."""
    conf = read(name)
    assert Conf.parse(conf.text, name).items == conf.items
    for jail in conf.jails:
        wanted = parameters(conf, jail)
        copy = Conf.parse("")
        for key, values in wanted.items():
            copy = copy if key == "name" else copy.set(jail, key, values)
        assert parameters(Conf.parse(copy.text), jail) == wanted


def test_the_example_of_the_handbook_that_lacks_a_semicolon_is_refused() -> None:
    text = "jailname {\n  ip4.addr = 192.168.1.151;\n  ip6.addr = ::ffff:c0a8:197\n  interface = em0;\n}\n"
    with pytest.raises(Refused, match=r"^/etc/jail.conf line 4: interface: syntax error; "):
        Conf.parse(text)


# ---- any file ---------------------------------------------------------------------------------


def loaded(drawn: Drawn) -> Conf:
    _items, text, files = drawn
    texts = {"/etc/jail.conf": text} | {f"/etc/{path}": text for path, text in files.items()}
    return load(texts.get, lambda _pattern: [])


@given(jailconf.printed())
def test_a_file_is_kept_and_means_what_was_meant(drawn: Drawn) -> None:
    conf = loaded(drawn)
    assert conf.text == drawn[1]
    jails = [block.name for block in jailconf.said(drawn[0]) if "*" not in block.name]
    assert list(conf.jails) == jails
    for jail in jails:
        found = list(parameters(conf, jail).items())
        assert found == list(jailconf.meaning(drawn[0], jail).items())


WANTED = st.lists(jailconf.TEXTS, max_size=3).map(tuple)


def others(conf: Conf, jail: str, key: str) -> dict[str, dict[str, Values]]:
    """All that a file says, but for one parameter of one jail."""
    found = {each: parameters(conf, each) for each in conf.jails}
    found.get(jail, {}).pop(key, None)
    return found


@given(
    jailconf.printed(),
    st.sampled_from([*jailconf.JAILS, "new"]),
    st.sampled_from(jailconf.PARAMETERS),
    WANTED,
)
def test_an_edit_is_what_was_wanted_and_nothing_else(
    drawn: Drawn, jail: str, key: str, values: Values
) -> None:
    old = loaded(drawn)
    mine = jail in Conf.parse(drawn[1]).jails
    if mine and key in parameters(old, jail):
        assert old.set(jail, key, parameters(old, jail)[key]) is old
    try:
        new = old.set(jail, key, values)
    except Refused:
        assert (jail in old.jails and not mine) or jailconf.overridden(drawn[0], jail, key)
        return
    assert parameters(new, jail)[key] == values
    assert Conf.parse(new.text).items == new.items
    if mine:
        assert others(new, jail, key) == others(old, jail, key)
    else:
        assert others(new.without(jail), jail, key) == others(old, jail, key)
    assert new.set(jail, key, values) is new
    removed = new.set(jail, key, None)
    assert removed.set(jail, key, None).text == removed.text
    assert others(removed, jail, key) == others(new, jail, key)


@given(jailconf.printed(), st.sampled_from(jailconf.JAILS))
def test_without_a_jail_the_others_are_as_before(drawn: Drawn, jail: str) -> None:
    old = loaded(drawn)
    if jail in old.jails and jail not in Conf.parse(drawn[1]).jails:
        with pytest.raises(Refused, match="is defined here, not in /etc/jail.conf; edit this file.$"):
            old.without(jail)
        return
    new = old.without(jail)
    gone = {jail, f"{jail}.sub"} if jail in old.jails else set()
    assert list(new.jails) == [each for each in old.jails if each not in gone]
    assert all(parameters(new, each) == parameters(old, each) for each in new.jails)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_a_quoted_text_is_read_as_it_is(value: str) -> None:
    assert parameters(Conf.parse(f"a {{ p = {quote(value)}; }}"), "a")["p"] == (value,)
    assert "\n" not in quote(value)


def test_a_quoted_text_is_easy_to_read() -> None:
    assert quote('a\tb\nc\r\x01 "$x" é \\') == '"a\\tb\\nc\\r\\001 \\"\\$x\\" é \\\\"'


@given(st.text(st.sampled_from("ab{};=,+$\\\"'/*#\n ."), max_size=20))
def test_any_text_is_a_file_or_refused_with_its_line(text: str) -> None:
    try:
        conf = Conf.parse(text, "x.conf")
    except Refused as error:
        assert str(error).startswith("x.conf line ")
    else:
        assert conf.text == text


# ---- the grammar, one thing at a time ---------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "meant"),
    {
        r'"\101\x41\x4\a\q\""': 'AA\x04\aq"',
        r"'$a \' \$'": "$a ' $",
        '"one \\\n two"': "one  two",
        '"two\nlines"': "two\nlines",
        "a/b+c*d": "a/b+c*d",
        "1.2.3.4|em0%:<>": "1.2.3.4|em0%:<>",
        r"a\ b\;c": "a b;c",
        "a'b'\"c\"d": "abcd",
        '"cost: $ 5 $"': "cost: $ 5 $",
        "a$": "a$",
        r'"\$name"': "$name",
        "/jails/$name.x/${name}y": "/jails/web.x/weby",
        "''$name\"$name\"": "webweb",
        r"\303\251": "é",
        '"é€"': "é€",
        r'"\777"': "\udcff",
        r'"cut\0off"': "cut",
        "a# c\n": "a",
        "a// c\n": "a",
        "a/* c */": "a",
    }.items(),
)
def test_a_word(written: str, meant: str) -> None:
    assert parameters(Conf.parse(f"web {{ p = {written}; }}"), "web")["p"] == (meant,)


@pytest.mark.parametrize(
    ("body", "meant"),
    {
        "p a, b;": ("a", "b"),
        "p=a;p+=b;;p+=c;": ("a", "b", "c"),
        "p=a;p=b;": ("b",),
        "p=a;p;": (),
        "p=a;nop;": ("false",),
        "nop;p;": (),
        "nop;p+=a;": ("a",),
        "nop=false;": ("true",),
        "nop=1;": ("false",),
        "nop=maybe;": None,
        "p=$list;$list=a,b;": ("a", "b"),
        "p=x,$list,y;$list=a,b;": ("x", "a", "b", "y"),
        "p=$b;$b=${c};$c=d;": ("d",),
        'p="$q-${ip4.addr}";q=1;ip4.addr=2;': ("1-2",),
    }.items(),
)
def test_a_parameter(body: str, meant: Values | None) -> None:
    assert parameters(Conf.parse(f"web {{ {body} }}"), "web").get("p") == meant


def test_the_last_word_counts_and_what_is_outside_stands_where_it_begins() -> None:
    conf = Conf.parse(
        "a { p = a; q = a; r += a; } p = all; * { q = any; } b { p = b; } r += all; p = last; r += end;"
    )
    assert parameters(conf, "a") == {"name": ("a",), "p": ("last",), "q": ("any",), "r": ("a", "all", "end")}
    assert parameters(conf, "b")["p"] == ("b",)


def test_a_block_in_a_block_is_a_jail_in_a_jail() -> None:
    conf = Conf.parse("a { p = 1; b { p = 2; c { p = 3; } } q = 1; } '*.b' { r = 1; }")
    assert conf.jails == ("a", "a.b", "a.b.c")
    assert parameters(conf, "a") == {"name": ("a",), "p": ("1",), "q": ("1",)}
    assert parameters(conf, "a.b") == {"name": ("a.b",), "p": ("2",), "r": ("1",)}
    assert parameters(conf, "a.b.c") == {"name": ("a.b.c",), "p": ("3",)}
    assert conf.set("a.b", "p", ("4",)).text == conf.text.replace("p = 2;", 'p = "4";')


@pytest.mark.parametrize(
    ("name", "pattern", "matches"),
    [("a", "*", True), ("a.b", "*", True), ("a", "a.*", False), ("a.b", "a.*", True), ("a.b.c", "a.*", True)]
    + [("b.c", "a.*", False), ("a.b", "*.b", True), ("a.b.c", "*.b", False), ("a.b.c", "*.*.c", True)],
)
def test_a_wildcard(name: str, pattern: str, matches: bool) -> None:
    conf = Conf.parse(f'"{pattern}" {{ p; }} "{name}" {{ }}')
    assert ("p" in parameters(conf, name)) == matches
    assert conf.jails == (name,)


def test_a_number_is_the_number_of_a_jail() -> None:
    assert parameters(Conf.parse("7 { persist; }"), "7") == {"jid": ("7",), "persist": (), "name": ("7",)}
    assert parameters(Conf.parse("7 { name = web; }"), "7") == {"jid": ("7",), "name": ("web",)}


# ---- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "a {\n p = 1\n}": "3: }: syntax error",
        "a {\n p = 1;\n} }": "3: }: syntax error",
        "a {\n p = ;\n}": "2: ;: syntax error",
        "a {\n p = 1,;\n}": "2: ;: syntax error",
        "a {\n p = b c;\n}": "2: c: syntax error",
        "\n= 1;": "2: =: syntax error",
        "foo.* { }": "1: foo.*: syntax error",
        '"$x" = 1;': '1: "$x": syntax error',
        "\n$x { }": "2: {: syntax error",
        "\np = é;": "2: é: syntax error",
        "a {\n p;\n": "3: unexpected EOF",
        "a {\n p": "2: unexpected EOF",
        "\n\n/* never": "3: unterminated comment",
        "a = b;\nc = 'x;\n": "2: unterminated string",
        'c = "x;\n': "1: unterminated string",
        'c = "x\\"': "1: unterminated string",
        "c = ${x;\n}": "1: unterminated variable",
        'c = "\n${x";': "2: unterminated variable",
        "\n.include $x;": "2: variables not permitted in '.include' filename",
    }.items(),
)
def test_a_broken_file_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        Conf.parse(text, "/etc/x.conf")
    assert str(caught.value).startswith(f"/etc/x.conf line {said}; ")
    assert caught.value.facts == {"file": "/etc/x.conf", "line": int(said.partition(":")[0])}


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "web {\n p = $x; }": 'line 2: p: variable "x" not found',
        "web {\n p = $q; q; }": 'line 2: p: variable "q" not found',
        "web {\n p = $persist; nopersist; }": 'line 2: p: variable "persist" not found',
        "web {\n p = $q; noq = maybe; }": 'line 2: p: variable "q" not found',
        "web {\n p = $p; }": "line 2: p: variable loop",
        "web { p = $q;\n q = $r;\n r = $q; }": "line 3: q: variable loop",
        "web { q = 1, 2;\n p = x$q; }": "line 2: p: array cannot be substituted inline",
        "web {\n name = other; }": 'line 2: cannot redefine parameter "name"',
        "web {\n jid = 1; jid = 2; }": 'line 2: cannot redefine parameter "jid"',
        "web {\n $path = x; }": 'line 2: variable "$path" cannot have the same name as a parameter',
        "web { $p = x;\n p = y; }": 'line 2: variable "$p" cannot have the same name as a parameter',
        "web { }\nweb { }": 'line 2: jail "web" is defined twice',
        "web { }\n.include 'y';": "line 2: the files that it includes were not read",
    }.items(),
)
def test_what_cannot_be_evaluated_is_refused_with_its_line(text: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        parameters(Conf.parse(text), "web")
    assert str(caught.value).startswith(f"/etc/jail.conf {said}; ")


def test_a_fault_of_one_jail_is_none_of_another() -> None:
    conf = Conf.parse("web { p = $x; } db { p = 1; }")
    assert parameters(conf, "db")["p"] == ("1",)
    assert parameters(conf.set("web", "p", ("2",)), "web")["p"] == ("2",)


def test_a_jail_that_is_not_there() -> None:
    with pytest.raises(Refused, match='^jail web: "web" not found; define it in /etc/jail.conf.$'):
        parameters(Conf.parse("p = 1;"), "web")


# ---- files that include files -----------------------------------------------------------------


def from_files(files: dict[str, str], path: str = "/etc/jail.conf") -> Conf:
    matching = {"/etc/d/*.conf": ["/etc/d/b.conf", "/etc/d/a.conf"]}
    return load(files.get, lambda pattern: matching.get(pattern, []), path)


def test_included_files_are_read_where_they_stand() -> None:
    conf = from_files(
        {
            "/etc/jail.conf": 'p = 1; .include "d/*.conf", "/x"; web { .include o; r = 2; } .include "no*";',
            "/etc/d/a.conf": "a { q = $p; }",
            "/etc/d/b.conf": "b { } p = 2;",
            "/etc/o": "r = 1; s = 1; inner { }",
            "/x": "x { }",
        }
    )
    assert conf.jails == ("a", "b", "x", "web", "web.inner")
    assert parameters(conf, "a") == {"name": ("a",), "p": ("2",), "q": ("2",)}
    assert parameters(conf, "web") == {"name": ("web",), "p": ("2",), "r": ("2",), "s": ("1",)}
    changed = conf.set("web", "s", ("2",))
    assert changed.jails == conf.jails
    assert parameters(changed, "web")["s"] == ("2",)
    with pytest.raises(Refused, match='^/etc/d/a.conf line 1: jail "a" is defined here, not in /etc/jail'):
        conf.set("a", "s", ("2",))


def test_a_file_that_is_read_elsewhere_includes_the_same() -> None:
    text = "p = 1; .include 'd/*.conf', \"/x\"; web { .include o;\n}\n# .include 'no';\n"
    here = {
        "/etc/jail.conf": text,
        "/etc/d/a.conf": "$q = 2;",
        "/etc/d/b.conf": "",
        "/x": "s = 3;",
        "/etc/o": "t = $q;",
    }
    conf = from_files(here)
    assert conf.standalone == text.replace("'d/*.conf'", '"/etc/d/*.conf"').replace(" o;", ' "/etc/o";')
    there = from_files({**here, "/etc/jail.conf": "", "/tmp/f": conf.standalone}, "/tmp/f")
    assert parameters(there, "web") == parameters(conf, "web")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "/etc/jail.conf: No such file or directory; "),
        ({"/etc/jail.conf": "\n.include 'x';"}, "/etc/jail.conf line 2: /etc/x: No such file or directory; "),
        ({"/etc/jail.conf": ".include 'x';", "/etc/x": "\n}"}, "/etc/x line 2: }: syntax error; "),
        (
            {"/etc/jail.conf": "\n\n.include 'jail.conf';"},
            "/etc/jail.conf line 3: maximum include depth exceeded; ",
        ),
    ],
)
def test_included_files_that_cannot_be_read(files: dict[str, str], said: str) -> None:
    with pytest.raises(Refused) as caught:
        from_files(files)
    assert str(caught.value).startswith(said)


def test_files_may_include_each_other_to_a_depth_of_32() -> None:
    chain = {f"/etc/{n}": f".include '{n + 1}';" for n in range(1, 32)}
    assert from_files({"/etc/jail.conf": ".include '1';", "/etc/32": "a { }", **chain}).jails == ("a",)
    with pytest.raises(Refused, match="^/etc/32 line 1: maximum include depth exceeded; "):
        from_files({"/etc/jail.conf": ".include '1';", "/etc/32": ".include '33';", "/etc/33": "", **chain})


# ---- how an edit looks ------------------------------------------------------------------------

SMALL = """# Ours.
web {
    path = /jails/web;    // where
    exec.start = a;
    # then
    exec.start += b;
    persist;
}

db { persist; }
"""


def test_an_edit_keeps_the_look_of_the_file() -> None:
    conf = Conf.parse(SMALL)
    conf = conf.set("web", "path", ("/new",)).set("web", "exec.start", ("x", "y")).set("web", "persist", None)
    conf = (
        conf.set("web", "vnet", ())
        .set("db", "exec.stop", ("stop it", "$now"))
        .set("new one", "a", ("1", "2"))
    )
    assert (
        conf.text
        == """# Ours.
web {
    path = "/new";    // where
    exec.start = "x";
    exec.start += "y";
    # then
    vnet;
}

db { persist; exec.stop = "stop it"; exec.stop += "\\$now"; }
"new one" {
\ta = "1";
\ta += "2";
}
"""
    )
    assert parameters(conf, "db")["exec.stop"] == ("stop it", "$now")
    assert conf.without("web").without("db").without("new one").text == "# Ours.\n\n"


def test_a_file_from_nothing() -> None:
    assert Conf.parse("").set("web", "persist", ()).text == "web {\n\tpersist;\n}\n"
    assert Conf.parse("# no newline").set("web", "p", ("",)).text == '# no newline\nweb {\n\tp = "";\n}\n'
    assert parameters(Conf.parse("").set("web", "p", ("a\u2028b\x85",)), "web")["p"] == ("a\u2028b\x85",)
    assert parameters(Conf.parse("web {\n}").set("web", "p", ("a\u2028b",)), "web")["p"] == ("a\u2028b",)
    assert Conf.parse("web { $p = x; }").set("web", "p", None).text == "web { $p = x; }"
    assert Conf.parse("web {\n}").set("web", "nopersist", ()).text == 'web {\n\tpersist = "false";\n}'


def test_what_no_file_can_say_is_refused() -> None:
    conf = Conf.parse(SMALL)
    with pytest.raises(
        Refused, match="^value 'a.x00b': jail.conf cannot hold a null character; leave it out.$"
    ):
        conf.set("web", "path", ("a\0b",))
    with pytest.raises(Refused, match="^parameter 'a b' of jail web: it is no name; "):
        conf.set("web", "a b", ())
    with pytest.raises(Refused, match='^/etc/jail.conf line 8: cannot redefine parameter "name"; '):
        conf.set("web", "name", ("other",))
    with pytest.raises(
        Refused, match="^/etc/jail.conf line 11: persist of jail web is set here, and the last one "
    ):
        Conf.parse(f"{SMALL}* {{ persist = 0; }}").set("web", "persist", ("1",))
