# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The model of jail.conf(5): read, evaluate and edit it, every other byte kept.

Pure. The source of facts is jail.conf(5) and usr.sbin/jail/config.c of FreeBSD 14 and 15.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .._core.errors import Refused
from .grammar import Block, Piece, Statement, Word, is_bare, parse, quote, text_of

__all__ = ["Conf", "load", "parameters", "quote"]

Values = tuple[str, ...]

_DEPTH = 32
"""How deep files may include each other; jail(8) gives up there."""

# The parameters that jail(8) itself knows: no variable may have such a name.
_KNOWN = re.compile(
    r"""allow\.(chflags|dying|mount|raw_sockets|set_hostname|socket_af|sysvipc)
    |exec\.(clean|consolelog|created|fib|jail_user|poststart|poststop|prepare|prestart|prestop|release|start|stop)
    |exec\.(system_jail_user|system_user|timeout)|mount(\.(devfs|fdescfs|fstab|procfs))?|vnet(\.interface)?
    |command|depend|devfs_ruleset|host\.hostname|interface|ip[46]\.addr|ip_hostname|jid|name|path|persist
    |securelevel|stop\.timeout|zfs\.dataset""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Conf:
    """A file of jail.conf(5), every byte of it.

    Laws: ``Conf.parse(text).text == text``; ``parameters(conf.set(j, p, v), j)[p] == v``; setting what is so
    already gives the same text; every statement of others is kept byte for byte.

    :param source: its path, for messages and for what it includes.
    :param items: its statements and blocks.
    :param included: the files behind each ``.include``, by the word that names them; see :func:`load`.
    """

    source: str
    text: str
    items: tuple[Statement | Block, ...] = field(compare=False, repr=False)
    included: Mapping[str, tuple[Conf, ...]] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, source: str = "/etc/jail.conf") -> Conf:
        """A file as its statements.

        :raises Refused: with file, line and reason, where jail(8) would refuse it.
        """
        return cls(source, text, parse(text, source))

    @property
    def jails(self) -> tuple[str, ...]:
        """The jails that are defined, here or in files that were included, in the order of the file."""
        return tuple(dict.fromkeys(each.name for each in _definitions(self) if not each.wild))

    def set(self, jail: str, parameter: str, values: Sequence[str] | None) -> Conf:
        """The same file with a parameter of a jail set in its own block, which is made if it is missing.

        :param values: none at all make a bare name (true, or an empty list); None removes the parameter from
            the block, so that what is said of all jails counts.
        :raises Refused: when the file says otherwise behind the block, or no file can say it.
        """
        key, wanted = _positive(parameter, tuple(values or ()))
        if not is_bare(key):
            raise Refused(f"parameter {parameter!r} of jail {jail}", "it is no name", "use one of jail(8)")
        block = self._block(jail)
        old = [item for item in block.items if _sets(item, key)] if block else []
        if values is None:
            return self._edited([(item, "") for item in old])
        if block and _current(self, jail, key) == wanted:
            return self
        text = _printed(key, wanted)
        if old:
            changed = self._edited([(old[0], text), *((item, "") for item in old[1:])])
        else:
            changed = self._added(jail, block, text)
        if _current(changed, jail, key) != wanted:
            raise _overridden(changed, jail, key)
        return changed

    def without(self, jail: str) -> Conf:
        """The same file without the block of a jail, and so without the blocks within it."""
        block = self._block(jail)
        return self._edited([(block, "")]) if block else self

    @property
    def standalone(self) -> str:
        """The text of a file that means the same wherever it is read: what it includes is named in full."""
        folder = posixpath.dirname(self.source)
        edits: list[tuple[Statement | Block, str]] = []
        for statement in _includes(self.items):
            names = (quote(posixpath.join(folder, text_of(word))) for word in statement.words)
            edits.append((statement, f".include {', '.join(names)};"))
        return self._edited(edits).text

    def _block(self, jail: str) -> Block | None:
        found = _only(_definitions(self), jail)
        block = found.block if found else None
        if block and block.source != self.source:
            raise block.refused(f'jail "{jail}" is defined here, not in {self.source}', "edit this file")
        return block

    def _edited(self, edits: Sequence[tuple[Statement | Block, str]]) -> Conf:
        """With other text in the place of some items; a line that held nothing else goes with its item."""
        text = self.text
        for item, new in reversed(edits):
            start, end = item.start, item.end
            first, last = _line_of(text, start, end)
            if new:
                new = new.replace("\n", "\n" + _indent(text, start))
            elif not text[first:start].strip() and not text[end:last].strip():
                start, end = first, last
            text = text[:start] + new + text[end:]
        return self._again(text)

    def _added(self, jail: str, block: Block | None, new: str) -> Conf:
        """With a statement at the end of the block of a jail."""
        text = self.text
        if block is None:
            name = jail if is_bare(jail) else quote(jail)
            gap = "" if not text or text.endswith("\n") else "\n"
            body = new.replace("\n", "\n\t")
            return self._again(f"{text}{gap}{name} {{\n\t{body}\n}}\n")
        brace = block.end - 1
        first, _last = _line_of(text, brace, brace)
        if text[first:brace].strip():  # the whole block is one line
            line = new.replace("\n", " ")
            return self._again(f"{text[:brace].rstrip(' ')} {line} {text[brace:]}")
        indent = _indent(text, block.items[0].start) if block.items else f"{text[first:brace]}\t"
        lines = "".join(f"{indent}{line}\n" for line in new.split("\n"))
        return self._again(text[:first] + lines + text[first:])

    def _again(self, text: str) -> Conf:
        return Conf(self.source, text, parse(text, self.source), self.included)


def load(
    read: Callable[[str], str | None],
    glob: Callable[[str], Sequence[str]],
    path: str = "/etc/jail.conf",
) -> Conf:
    """A file together with all that it includes.

    :param read: the text of a file, None when there is none.
    :param glob: the files that match a pattern of a shell.
    :raises Refused: when one of them is broken, missing, or includes itself.
    """
    text = read(path)
    if text is None:
        raise Refused(path, "No such file or directory", "make it", file=path)
    return _load(read, glob, path, text, 0)


def _load(
    read: Callable[[str], str | None], glob: Callable[[str], Sequence[str]], path: str, text: str, depth: int
) -> Conf:
    conf = Conf.parse(text, path)
    included: dict[str, tuple[Conf, ...]] = {}
    for statement in _includes(conf.items):
        if depth == _DEPTH:
            raise statement.refused("maximum include depth exceeded", "let no file include itself")
        for name in map(text_of, statement.words):
            target = posixpath.join(posixpath.dirname(path), name)
            found: list[Conf] = []
            for each in sorted(glob(target)) if re.search(r"[*?\[]", target) else [target]:
                inner = read(each)
                if inner is None:
                    raise statement.refused(
                        f"{each}: No such file or directory", "make it, or remove this line"
                    )
                found.append(_load(read, glob, each, inner, depth + 1))
            included[name] = tuple(found)
    return Conf(path, text, conf.items, included)


# ---- what a jail gets -------------------------------------------------------------------------


def parameters(conf: Conf, jail: str) -> dict[str, Values]:
    """The parameters of a jail as jail(8) has them, in the order in which they are first named.

    A bare name has no values, a negative one (``nopersist;``) is ``("false",)`` under its positive name.

    :raises Refused: with file, line and reason; when the jail is not defined; when it is defined twice.
    """
    merged = _merged(conf, jail)
    found = (each for each in merged.values() if not each.variable)
    return dict(_positive(each.name, _resolved(merged, each)) for each in found)


@dataclass(slots=True)
class _Definition:
    """The block of a jail or wildcard, or all that stands outside of blocks (the block is None then)."""

    name: str
    block: Block | None
    statements: list[Statement] = field(default_factory=list)

    @property
    def wild(self) -> bool:
        """Whether it speaks of several jails."""
        return "*" in self.name.split(".")

    def matches(self, jail: str) -> bool:
        """Whether it speaks of a jail: an asterisk is one part of the name, at the end one part or more."""
        names, patterns = jail.split("."), self.name.split(".")
        while len(names) > 1 and len(patterns) > 1:
            name, pattern = names.pop(0), patterns.pop(0)
            if pattern not in (name, "*"):
                return False
        return patterns in (names, ["*"])


def _definitions(conf: Conf) -> list[_Definition]:
    """All blocks, in the order in which they begin; what stands outside of them is one, where it begins."""
    found: list[_Definition] = []
    _gather(conf, conf.items, None, "", found)
    return found


def _gather(
    conf: Conf,
    items: Sequence[Statement | Block],
    inside: _Definition | None,
    prefix: str,
    found: list[_Definition],
) -> None:
    for item in items:
        if isinstance(item, Block):
            found.append(_Definition(prefix + item.name, item))
            _gather(conf, item.items, found[-1], prefix, found)
        elif item.includes:
            for file in (file for word in item.words for file in conf.included.get(text_of(word), ())):
                _gather(file, file.items, inside, f"{inside.name}." if inside else "", found)
        else:
            target = inside or next((each for each in found if each.block is None), None)
            if target is None:
                target = _Definition("*", None)
                found.append(target)
            target.statements.append(item)


def _only(definitions: Sequence[_Definition], jail: str) -> _Definition | None:
    """The block of a jail."""
    found = [each for each in definitions if each.name == jail and each.block]
    if len(found) > 1 and found[1].block:
        raise found[1].block.refused(f'jail "{jail}" is defined twice', "make one block of both")
    return found[0] if found else None


def _includes(items: Sequence[Statement | Block]) -> Iterator[Statement]:
    """The statements that read other files, in their order."""
    for item in items:
        if isinstance(item, Block):
            yield from _includes(item.items)
        elif item.includes:
            yield item


@dataclass(slots=True)
class _Parameter:
    """A parameter or variable, while what is said of it is gathered; each word with the line that says it."""

    name: str
    variable: bool = False
    words: list[tuple[Word, Statement | None]] = field(default_factory=list)


def _merged(conf: Conf, jail: str) -> dict[str, _Parameter]:
    """What is said of a jail, by positive name, before variables are replaced."""
    for statement in _includes(conf.items):
        if any(text_of(word) not in conf.included for word in statement.words):
            raise statement.refused("the files that it includes were not read", "load the file with them")
    definitions = _definitions(conf)
    if _only(definitions, jail) is None:
        raise Refused(f"jail {jail}", f'"{jail}" not found', f"define it in {conf.source}")
    # The name of the block comes first, as the name of the jail or its number.
    implied = "jid" if re.fullmatch(r"[+-]?0*[1-9][0-9]*", jail) else "name"
    merged = {implied: _Parameter(implied, words=[((Piece(jail),), None)])}
    for each in definitions:
        for statement in each.statements if each.matches(jail) else ():
            _merge(merged, statement)
    merged.setdefault("name", _Parameter("name", words=[((Piece(jail),), None)]))
    return merged


def _merge(merged: dict[str, _Parameter], statement: Statement) -> None:
    key = _key(statement.name)
    found = merged.setdefault(key, _Parameter(statement.name, statement.variable))
    if statement.variable != found.variable or (statement.variable and _KNOWN.fullmatch(key)):
        answered = f'variable "${statement.name}" cannot have the same name as a parameter'
        raise statement.refused(answered, "give it another name")
    if key in ("name", "jid") and found.words:
        raise statement.refused(f'cannot redefine parameter "{key}"', "it is said already; leave it out")
    found.name = statement.name
    words: list[tuple[Word, Statement | None]] = [(word, statement) for word in statement.words]
    found.words = [*found.words, *words] if statement.operator == "+=" else words


def _resolved(merged: Mapping[str, _Parameter], parameter: _Parameter, within: Values = ()) -> Values:
    """The values of a parameter, with the values of others in the place of their names.

    :param within: the parameters whose values ask for this one.
    """
    values: list[str] = []
    for word, statement in parameter.words:
        if statement is None or not any(piece.variable for piece in word):
            values.append(text_of(word))
            continue
        parts = [
            _looked_up(merged, parameter, piece.text, statement, within) if piece.variable else (piece.text,)
            for piece in word
        ]
        filled = [part for part in parts if part != ("",)]
        if len(filled) == 1:
            values.extend(filled[0])
        elif any(len(part) > 1 for part in parts):
            answered = f"{parameter.name}: array cannot be substituted inline"
            raise statement.refused(answered, "let it be the whole value")
        else:
            values.append("".join(part[0] for part in parts))
    return tuple(values)


def _looked_up(
    merged: Mapping[str, _Parameter], parameter: _Parameter, name: str, statement: Statement, within: Values
) -> Values:
    found = merged.get(_key(name))
    if found is None or found.name != name or not found.words:
        raise statement.refused(
            f'{parameter.name}: variable "{name}" not found', "set it, or correct its name"
        )
    if name in (*within, parameter.name):
        raise statement.refused(f"{name}: variable loop", "let it not depend on itself")
    return _resolved(merged, found, (*within, parameter.name))


def _current(conf: Conf, jail: str, key: str) -> Values | None:
    """The value of one parameter; None when it has none, or none that can be told."""
    try:
        merged = _merged(conf, jail)
        found = merged.get(_key(key))
        if found is None or found.variable:
            return None
        name, values = _positive(found.name, _resolved(merged, found))
    except Refused:
        return None
    return values if name == key else None


def _overridden(conf: Conf, jail: str, key: str) -> Refused:
    """Why a parameter does not have the value that the block of its jail gives it."""
    try:
        _merged(conf, jail)
    except Refused as error:
        return error
    last = [
        statement
        for each in _definitions(conf)
        if each.matches(jail)
        for statement in each.statements
        if _sets(statement, key)
    ][-1]
    return last.refused(f"{key} of jail {jail} is set here, and the last one counts", "remove it here")


# ---- names, values and lines ------------------------------------------------------------------


def _sets(item: Statement | Block, key: str) -> bool:
    """Whether it is a statement about a parameter."""
    return isinstance(item, Statement) and not item.variable and _key(item.name) == _key(key)


def _key(name: str) -> str:
    """The name without a "no" before its last part: ``allow.nomount`` speaks of ``allow.mount``."""
    head, dot, last = name.rpartition(".")
    return f"{head}{dot}{last[2:]}" if last.startswith("no") and len(last) > 2 else name


def _positive(name: str, values: Values) -> tuple[str, Values]:
    """A parameter under its positive name; where the value is not a boolean, "no" is part of the name."""
    if _key(name) == name:
        return name, values
    word = values[-1].lower() if values else "true"
    if word not in ("true", "false") and not re.fullmatch(r"[+-]?[0-9]+", word):
        return name, values
    false = word == "false" or (word != "true" and int(word) == 0)
    return _key(name), ("true",) if false else ("false",)


def _printed(name: str, values: Values) -> str:
    """A parameter as statements, one value a line."""
    if not values:
        return f"{name};"
    operators = ("=", *("+=" for _value in values[1:]))
    return "\n".join(f"{name} {sign} {quote(value)};" for sign, value in zip(operators, values, strict=True))


def _line_of(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the line of ``start`` begins, and where that of ``end`` ends, its newline included."""
    stop = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if stop < 0 else stop + 1


def _indent(text: str, offset: int) -> str:
    """The blanks before the first character of a line."""
    line = text[_line_of(text, offset, offset)[0] : offset]
    return line[: len(line) - len(line.lstrip(" \t"))]
