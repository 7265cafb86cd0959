# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sysrc(8), and kenv(1).

Rests on usr.sbin/sysrc/sysrc and usr.sbin/bsdconfig/share/sysrc.subr of FreeBSD 14, read line by line:

* names are those of the shell, so tunables (``kern.racct.enable``) are refused in any file;
* a variable is looked up in the files, the last one first, then in the defaults; it is set where it is
  found, else at the end of the first file, and there without any check of its syntax;
* a set value stands between the quotes that were there, as it is; awk(1) turns ``\\\\`` into ``\\`` first;
* only the first line of a value of several lines is replaced, with exit code 0;
* setting the same value says ``x: YES -> YES`` with exit code 0;
* ``-x`` of a variable which only the defaults have does nothing, with exit code 0;
* ``-i`` mutes what is said about an unknown variable, not its exit code 1;
* a file that ``sh -n`` refuses stops everything.

The shell here knows assignments, quotes, comments and ``$name``; any other command does nothing.
Believed, not verified: awk's ``%c`` of an empty string leaves no trace in the file (it is a NUL, which
the shell drops); the defaults here are a small part of the real ones.
"""

from __future__ import annotations

import functools
import getopt
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .world import World

DEFAULTS_FILE = "/etc/defaults/rc.conf"
DEFAULTS = """\
rc_conf_files="/etc/rc.conf /etc/rc.conf.local"
local_startup="/usr/local/etc/rc.d"
hostname=""
cloned_interfaces=""
network_interfaces="auto"
gateway_enable="NO"
kld_list=""
dumpdev="NO"
cron_enable="YES"
syslogd_enable="YES"
sshd_enable="NO"
ntpd_enable="NO"
ntpd_sync_on_start="NO"
pf_enable="NO"
pf_rules="/etc/pf.conf"
zfs_enable="NO"
rctl_enable="YES"
devfs_load_rulesets="YES"
jail_enable="NO"
jail_conf="/etc/jail.conf"
jail_confwarn="YES"
jail_parallel_start="NO"
jail_list=""
jail_reverse_stop="NO"
"""
_NAME = re.compile(r"[0-9A-Za-z_]*")
_ASSIGNMENT = re.compile(r"[A-Za-z_][0-9A-Za-z_]*=")
_EXPANSION = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")


class SyntaxFault(Exception):
    """``sh -n`` refuses the file, with these words."""


# -- the shell


def statements(text: str) -> Iterator[list[list[tuple[str, str]]]]:
    """The commands of a script; a word is its parts, each with its quote: ``"``, ``'`` or none.

    :raises SyntaxFault: when a quote is not closed.
    """
    words: list[list[tuple[str, str]]] = []
    word: list[tuple[str, str]] = []
    index = 0
    while index < len(text):
        sign = text[index]
        if sign in "\"'":
            closing = re.compile(r'(?:[^"\\]|\\.)*"' if sign == '"' else r"[^']*'", re.DOTALL)
            match = closing.match(text, index + 1)
            if match is None:
                line = text.count("\n", 0, index) + 1
                raise SyntaxFault(f"{line}: Syntax error: Unterminated quoted string")
            word.append((sign, match[0][:-1]))
            index = match.end()
            continue
        if sign == "#" and not word:
            index = (text + "\n").index("\n", index)
            continue
        if sign == "\\" and index + 1 < len(text):
            if text[index + 1] != "\n":
                word.append(("'", text[index + 1]))
            index += 2
            continue
        if sign.isspace() or sign in ";&|":
            if word:
                words.append(word)
                word = []
            if sign in "\n;&|" and words:
                yield words
                words = []
        elif word and word[-1][0] == "":
            word[-1] = ("", word[-1][1] + sign)
        else:
            word.append(("", sign))
        index += 1
    if word:
        words.append(word)
    if words:
        yield words


@functools.lru_cache(maxsize=256)
def commands(text: str) -> tuple[list[list[tuple[str, str]]], ...]:
    """All of its `statements`: the same files are read again and again."""
    return tuple(statements(text))


def source(text: str, variables: dict[str, str]) -> None:
    """Run a script; what it assigns is added to the variables."""
    for words in commands(text):
        heads = [_ASSIGNMENT.match(word[0][1]) if word[0][0] == "" else None for word in words]
        if not all(heads):
            continue
        for word, head in zip(words, heads, strict=True):
            assert head is not None
            parts = [("", word[0][1][head.end() :]), *word[1:]]
            variables[head[0][:-1]] = "".join(_expanded(quote, part, variables) for quote, part in parts)


def _expanded(quote: str, part: str, variables: Mapping[str, str]) -> str:
    if quote == "'":
        return part
    pieces = re.split(r'\\([$`"\\])' if quote else r"(?!)", part)
    # Every other piece was escaped, and stands for itself.
    return "".join(
        piece if index % 2 else _EXPANSION.sub(lambda found: variables.get(found[1] or found[2], ""), piece)
        for index, piece in enumerate(pieces)
    )


# -- the files


@dataclass
class Files:
    """The files of one call: those that rc.conf(5) names, or those given with -f."""

    world: World
    given: list[str] | None = None

    def read(self, path: str) -> str | None:
        text = self.world.files.read(self.world.rooted(path))
        return DEFAULTS if text is None and path == DEFAULTS_FILE else text

    def write(self, path: str, text: str) -> None:
        self.world.files.write(self.world.rooted(path), text)

    @property
    def paths(self) -> list[str]:
        """In the order in which they are read."""
        if self.given is not None:
            return self.given
        variables: dict[str, str] = {}
        source(self.read(DEFAULTS_FILE) or "", variables)
        return variables["rc_conf_files"].split()

    def variables(self, *, defaults: bool = True) -> dict[str, str]:
        """What the shell has when it has read them; nothing when it died of one."""
        variables: dict[str, str] = {}
        try:
            for path in [*([DEFAULTS_FILE] if defaults else []), *self.paths]:
                source(self.read(path) or "", variables)
        except SyntaxFault:
            return {}
        return variables

    def find(self, name: str) -> str:
        """The file that sets a variable; empty when none does, or not at the start of a line."""
        for path in [*reversed(self.paths), DEFAULTS_FILE]:
            if _line_of(name).search(self.read(path) or ""):
                return path
        return ""

    def check(self) -> str:
        """What ``sh -n`` says against the files."""
        for path in [*([] if self.given is not None else [DEFAULTS_FILE]), *self.paths]:
            fault = fault_of(path, self.read(path) or "")
            if fault:
                return fault
        return ""


def fault_of(path: str, text: str) -> str:
    """What ``sh -n`` says against a text; empty when it is right."""
    try:
        list(statements(text))
    except SyntaxFault as fault:
        return f"{path}: {fault}\n"
    return ""


def _line_of(name: str) -> re.Pattern[str]:
    return re.compile(rf"^[^\S\n]*{re.escape(name)}=", re.MULTILINE)


def set_value(files: Files, name: str, value: str) -> str:
    """Set a variable; what is said against it."""
    path = files.find(name)
    if path in ("", DEFAULTS_FILE):
        path = files.paths[0]
        text = files.read(path) or ""
        gap = "\n" if text and not text.endswith("\n") else ""
        files.write(path, f'{text}{gap}{name}="{value}"\n')
        return ""
    lines = (files.read(path) or "").splitlines()
    last = max(index for index, line in enumerate(lines) if _line_of(name).match(line))
    head = _line_of(name).match(lines[last])
    assert head is not None
    tail = lines[last][head.end() :]
    if tail[:1] in ("`", "$", "\\"):
        lines.append(f'{name}="{value}"')
    else:
        lines[last] = head[0] + _replaced(tail, _awk(value))
    return _overwrite(files, path, "".join(f"{line}\n" for line in lines))


def _replaced(old: str, new: str) -> str:
    """What awk(1) makes of the text behind the equals sign."""
    quote = old[:1]
    if quote == "'":
        rest = re.sub(r"^'[^']*", "", old)
    elif quote == '"':
        rest = re.sub(r'^"(.*\\\\+")*[^"]*', "", old)
    elif quote and not quote.isspace() and quote != ";":
        rest = re.sub(r"^\S*", "", old)
        return f'"{new}"{rest}'
    else:
        return f'"{new}"{old}' if quote else new
    # A quote that is closed on another line is not closed here either.
    return f"{quote}{new}{quote if rest else ''}{rest.removeprefix(quote)}"


def _awk(value: str) -> str:
    """Escapes, as ``awk -v`` takes them."""
    signs = {"\\": "\\", '"': '"', "n": "\n", "t": "\t"}
    return re.sub(r"\\(.)", lambda found: signs.get(found[1], found[0]), value)


def delete(files: Files, name: str) -> str:
    """Take a variable out of all files; what is said against it."""
    for path in files.paths:
        text = files.read(path)
        if text is None or not _line_of(name).search(text):
            continue
        kept = [line for line in text.splitlines() if not _line_of(name).match(line)]
        said = _overwrite(files, path, "".join(f"{line}\n" for line in kept))
        if said:
            return said
    return ""


def _overwrite(files: Files, path: str, text: str) -> str:
    if fault_of(path, text):
        return f"sysrc: Not overwriting `{path}' due to previous syntax errors\n"
    files.write(path, text)
    return ""


# -- the program


@dataclass
class Call:
    """One call: its files and options, and what it says."""

    files: Files
    options: frozenset[str]
    out: str = ""
    err: str = ""
    rc: int = 0

    def has(self, letters: str) -> bool:
        return any(f"-{letter}" in self.options for letter in letters)

    @property
    def equals(self) -> bool:
        return self.has("e") and not self.has("nNF")

    def fails(self, said: str = "") -> None:
        self.err += said
        self.rc = 1


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """The program, without -d, -D, -E, -j, -L, -R, -s and -X."""
    if len(argv) == 1:
        return answered(argv, err="Usage: sysrc [OPTIONS] …\n", rc=1)
    pairs, names = getopt.getopt(list(argv[1:]), "aAcef:FilnNqvx")
    given = [value for option, value in pairs if option == "-f"]
    call = Call(Files(world, given or None), frozenset(option for option, _value in pairs))
    _run(call, names)
    return answered(argv, call.out, call.err, call.rc)


def _run(call: Call, names: Sequence[str]) -> None:
    for name in names:
        bare = re.split(r"[%#+=-]", name)[0]
        if not _NAME.fullmatch(bare):
            call.fails(f"sysrc: {bare}: name contains characters not allowed in shell\n")
            return
    if call.has("l"):
        call.out = f"{' '.join(call.files.paths)}\n"
        return
    fault = call.files.check()
    if fault:
        call.fails(f"{fault}sysrc: Exiting due to previous syntax errors\n")
    elif call.has("aA"):
        _dump(call)
    else:
        for name in names:
            _one(call, name)


def _dump(call: Call) -> None:
    for name in sorted(call.files.variables(defaults=call.has("A"))):
        call.out += f"{call.files.find(name)}: " if call.has("v") else ""
        call.out += _line(call, name, call.files.variables()[name])


def _line(call: Call, name: str, value: str) -> str:
    if call.has("F"):
        return f"{'' if call.has('n') else f'{name}: '}{call.files.find(name)}\n"
    if call.has("N"):
        return f"{name}\n"
    if call.equals:
        return f'{name}="{value}"\n'
    return f"{value}\n" if call.has("n") else f"{name}: {value}\n"


def _one(call: Call, argument: str) -> None:
    name, sign, value = argument.partition("=")
    mode = name[-1:] if sign and name[-1:] in ("+", "-") else ""
    name = name.removesuffix(mode)
    before = call.files.variables().get(name)
    if not sign and before is None:
        call.fails("" if call.has("iq") else f"sysrc: unknown variable '{name}'\n")
    elif call.has("x"):
        said = delete(call.files, name)
        if said:
            call.fails(said)
    elif not sign:
        if not call.has("c"):
            file = call.files.find(name)
            prefix = f": {file}; " if call.equals else f"{file}: "
            call.out += prefix if call.has("v") and not call.has("F") else ""
            call.out += _line(call, name, before or "")
    elif call.has("c"):
        _compare(call, name, before, value)
    else:
        _assign(call, name, before or "", {"+": _more, "-": _less}.get(mode, _all)(before or "", value))


def _compare(call: Call, name: str, before: str | None, value: str) -> None:
    where = f"{call.files.find(name)}: {name}: "
    if before is None:
        call.rc, said = 1, f"{name}: not currently set\n"
    elif before != value:
        call.rc, said = 1, f"{where}would change from `{before}' to `{value}'\n"
    else:
        said = f"{where}already set to `{value}'\n"
    call.out += said if call.has("v") else ""


def _all(_before: str, value: str) -> str:
    return value


def _more(before: str, value: str) -> str:
    mark, words = _words(value)
    _mark, there = _words(before, mark)
    return mark.join([*([before] if before else []), *(word for word in words if word not in there)])


def _less(before: str, value: str) -> str:
    mark, words = _words(value)
    _mark, there = _words(before, mark)
    return mark.join(word for word in there if word not in words)


def _words(value: str, mark: str = "") -> tuple[str, list[str]]:
    """The delimiter and the words: the first sign is the delimiter unless a word may begin with it."""
    mark = mark or (" " if re.match(r"[\sa-zA-Z0-9./]|$", value) else value[0])
    return mark, [word for word in value.split(None if mark == " " else mark) if word]


def _assign(call: Call, name: str, before: str, value: str) -> None:
    if call.has("v"):
        file = call.files.find(name)
        file = call.files.paths[0] if file in ("", DEFAULTS_FILE) else file
        call.out += f": {file}; " if call.equals else f"{file}: "
    shown = call.files.find(name) if call.has("F") else before
    said = set_value(call.files, name, value)
    if said:
        call.fails(said)
        return
    after = call.files.find(name) if call.has("F") else call.files.variables().get(name, "")
    if call.has("N"):
        call.out += f"{name}\n"
    elif call.equals:
        call.out += f'{name}="{shown}" # -> "{after}"\n'
    else:
        call.out += f"{'' if call.has('n') else f'{name}: '}{shown} -> {after}\n"


def kenv(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``kenv`` alone: what the loader gave to the kernel."""
    assert len(argv) == 1, argv
    environment = sorted(world.kernel.environment.items())
    return answered(argv, "".join(f'{name}="{value}"\n' for name, value in environment))


PROGRAMS = {"sysrc": main, "kenv": kenv}
