# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jls(8) in its forms: table, names, verbose, parameters, and JSON.

Rests on usr.sbin/jls/jls.c of FreeBSD 12 to 14 (version "2") and of main of 2025 (version "3"), and on
output of libxo 1.6.0 made from its format strings.

Its lies: the columns of the table are cut without a mark, but names are not and push the rest aside;
the table of ``-N`` has the heading JID; an unknown jail still gets the heading, or an empty list in
JSON; ``-n`` in JSON has strings for numbers, and only booleans and lists of addresses have types.

Believed, not verified: that 15.0 has the "3" of main, and the widths of its columns.
"""

from __future__ import annotations

import getopt
import json
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .kernel import Jail, Parameter, Value
from .world import World

TABLE = "   JID  IP Address      Hostname                      Path\n"
NAMES = " JID             IP Address      Hostname                      Path\n"
VERBOSE = (
    "   JID  Hostname                      Path\n"
    "        Name                          State\n"
    "        CPUSetID\n"
    "        IP Address(es)\n"
)


class Jls:
    """One run of the program."""

    def __init__(self, world: World, argv: Sequence[str]) -> None:
        self.world = world
        self.style, rest = libxo(argv[1:])
        options, self.names = getopt.getopt(rest, "adj:hNnqsv")
        self.flags = {option[1] for option, _value in options}
        self.key = dict(options).get("-j", "")
        if "s" in self.flags:
            self.flags = self.flags - {"h", "v"} | {"n", "q"}
        if self.names or self.flags & {"h", "n"}:
            self.flags.discard("v")
        self.known = world.kernel.known()

    def answer(self, argv: Sequence[str]) -> Output:
        """The output, and the error when the jail or a parameter is not known."""
        unknown = [name for name in self.names if name not in self.known and name != "all"]
        if unknown:
            return answered(argv, err=f"jls: unknown parameter: {unknown[0]}\n", rc=1)
        jails, error = self._jails()
        out = self._json(jails) if self.style else self._heading() + "".join(map(self._text, jails))
        return answered(argv, out, error, 1 if error else 0)

    def _jails(self) -> tuple[list[Jail], str]:
        kernel, here, dying = self.world.kernel, self.world.jail, bool(self.flags & {"a", "d"})
        if not self.key:
            return kernel.jails(here, dying), ""
        jail = kernel.find(self.key, here, dying)
        if jail is not None:
            return [jail], ""
        name = str(int(self.key)) if self.key.isdigit() else f'"{self.key}"'
        gone = "is dying" if kernel.find(self.key, here, dying=True) else "not found"
        return [], f"jls: jail {name} {gone}\n"

    # -- text

    def _heading(self) -> str:
        if "v" in self.flags:
            return VERBOSE
        if "h" in self.flags:
            return " ".join(self._columns()) + "\n"
        if self.names or "n" in self.flags:
            return ""
        return NAMES if "N" in self.flags else TABLE

    def _text(self, jail: Jail) -> str:
        value = self._values(jail)
        host, path = value["host.hostname"], value["path"]
        if "v" in self.flags:
            lines = [
                f"{jail.jid:6d}  {host!s:<29.29} {path!s:.74}",
                f"{' ' * 8}{value['name']!s:<29.29} {'DYING' if jail.dying else 'ACTIVE'}",
                f"{' ' * 8}{value['cpuset.id']}",
                *(f"{' ' * 8}{address}" for address in self._addresses(jail)),
            ]
            return "".join(f"{line}\n" for line in lines)
        if self.names or self.flags & {"h", "n"}:
            return " ".join(self._word(name, value[name]) for name in self._shown(jail)) + "\n"
        first = f" {value['name']!s:<15} " if "N" in self.flags else f"{jail.jid:6d}  "
        return f"{first}{self._first(jail):<15.15} {host!s:<29.29} {path!s:.74}\n"

    def _word(self, name: str, value: Value) -> str:
        known = self.known[name]
        if "n" in self.flags and known.kind == "bool":
            folder, dot, last = name.rpartition(".")
            return name if value else f"{folder}{dot}no{last}"
        text = exported(known, value)
        if value == [] and "q" not in self.flags:
            text = "" if "n" in self.flags else "-"
        elif not text:
            text = '""'
        elif "q" in self.flags:
            text = quoted(text)
        return f"{name}={text}" if "n" in self.flags else text

    # -- JSON

    def _json(self, jails: Sequence[Jail]) -> str:
        version = "3" if self.world.major >= 15 else "2"
        inner = ",".join("{" + ",".join(self._members(jail)) + "}" for jail in jails)
        text = '{"__version": "%s", "jail-information": {"jail": [%s]}}\n' % (version, inner)  # noqa: UP031
        return json.dumps(json.loads(text), indent=2) + "\n" if "pretty" in self.style else text

    def _members(self, jail: Jail) -> list[str]:
        value = self._values(jail)
        if "v" in self.flags:
            hyphen = "-" if self.world.major >= 15 else "_"
            state = "DYING" if jail.dying else "ACTIVE"
            return [
                f'"jid":{jail.jid}',
                *(f'"{key}":{json.dumps(value[name])}' for key, name in VERBOSE_KEYS),
                f'"state":"{state}"',
                f'"cpusetid":{value["cpuset.id"]}',
                f'"ipv4{hyphen}addrs": {listed(value["ip4.addr"])}',
                f'"ipv6{hyphen}addrs": {listed(value["ip6.addr"])}',
            ]
        if self.names or self.flags & {"h", "n"}:
            return [self._member(name, value[name]) for name in self._shown(jail)]
        first = f'"name":{json.dumps(value["name"])}' if "N" in self.flags else f'"jid":{jail.jid}'
        return [
            first,
            f'"ipv4":"{self._first(jail)}"',
            f'"hostname":{json.dumps(value["host.hostname"], ensure_ascii=False)}',
            f'"path":{json.dumps(value["path"], ensure_ascii=False)}',
        ]

    def _member(self, name: str, value: Value) -> str:
        known = self.known[name]
        if known.kind in ("ip4", "ip6"):
            return f'"{name}": {listed(value)}'
        if known.kind == "bool" and "n" in self.flags:
            return f'"{name}":{json.dumps(bool(value))}'
        return f'"{name}":{json.dumps(exported(known, value), ensure_ascii=False)}'

    # -- parts

    def _columns(self) -> list[str]:
        if self.names and "all" not in self.names:
            return list(dict.fromkeys(self.names))
        return sorted(self.known, key=lambda name: ("." in name, name))

    def _shown(self, jail: Jail) -> list[str]:
        """The parameters to print: ``-s`` leaves out what cannot be set, and what another one governs."""
        columns = self._columns()
        if "s" not in self.flags:
            return columns
        return [name for name in columns if self.known[name].access != "read" and self._own(jail, name)]

    def _own(self, jail: Jail, name: str) -> bool:
        parent = name.partition(".")[0]
        governed = parent != name and parent in self.known and self.known[parent].kind == "jailsys"
        return not governed or jail.params[parent] == "new"

    def _values(self, jail: Jail) -> dict[str, Value]:
        """The parameters as they are seen from the jail in which the program runs."""
        above = self.world.kernel.find(self.world.jail) if self.world.jail else None
        name, path = jail.name, jail.path
        if above is not None:
            name = name.removeprefix(f"{above.name}.")
            path = path.removeprefix(above.path) or "/"
        parent = 0 if jail.parent == self.world.jail else jail.parent
        own: dict[str, Value] = {"jid": jail.jid, "name": name, "path": path, "parent": parent}
        empty: dict[str, Value] = {known: "" for known in self.known}
        return {**empty, **jail.params, **own, "dying": jail.dying}

    def _addresses(self, jail: Jail) -> list[str]:
        found = (jail.params["ip4.addr"], jail.params["ip6.addr"])
        return [address for family in found if isinstance(family, list) for address in family]

    def _first(self, jail: Jail) -> str:
        found = jail.params["ip4.addr"]
        return found[0] if isinstance(found, list) and found else ""


VERBOSE_KEYS = (("hostname", "host.hostname"), ("path", "path"), ("name", "name"))


def libxo(words: Sequence[str]) -> tuple[str, list[str]]:
    """The style asked for, empty for text, and the words without libxo's."""
    rest, style = list(words), ""
    for number, word in enumerate(rest):
        if word == "--libxo":
            style = rest[number + 1]
            del rest[number : number + 2]
            break
        if word.startswith("--libxo="):
            style = rest.pop(number).partition("=")[2]
            break
    return ("" if style == "text" else style), rest


def exported(known: Parameter, value: Value) -> str:
    """A value as libjail spells it."""
    if known.kind == "bool":
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, list) else str(value)


def quoted(text: str) -> str:
    """A value between the quotes of ``-q``, which do not escape anything."""
    quote = '"' if "'" in text else "'" if '"' in text else '"' if " " in text or "\t" in text else ""
    return f"{quote}{text}{quote}"


def listed(value: Value) -> str:
    """A list of addresses as libxo prints it."""
    return "[" + ",".join(f'"{address}"' for address in value) + "]" if isinstance(value, list) else "[]"


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """The program."""
    try:
        return Jls(world, argv).answer(argv)
    except getopt.GetoptError:
        return answered(argv, err="jls: usage: jls [-dhNnqsv] [-j jail] [param ...]\n", rc=1)


PROGRAMS: Mapping[str, Callable[[World, Sequence[str], str], Output]] = {"jls": main}
