# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The grammar of jail.conf(5): from text to statements and blocks that know where they stand.

Pure. The source of facts is jail.conf(5) and usr.sbin/jail (jaillex.l, jailparse.y) of FreeBSD 14 and 15.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .._core.errors import Refused

_WORD = r"[A-Za-z0-9_!%&()\-.:<>?@\[\]^`|~]+"
_VARIABLE = r"\$(?P<word>[A-Za-z_][A-Za-z_0-9]*)"
_TOKEN = re.compile(
    rf"""(?P<blank>[ \t\r\n]+|\#.*|//.*|/\*(?s:.*?)\*/)
    |(?P<mark>\+=|[,;={{}}])
    |(?P<bare>{_WORD}|\\(?:[0-7]{{1,3}}|x[0-9A-Fa-f]{{1,2}}|(?s:.)))
    |'(?P<single>(?:[^'\\]|\\(?s:.))*)'
    |"(?P<double>(?:[^"\\]|\\(?s:.))*)"
    |{_VARIABLE}
    |\$\{{(?P<braced>(?:[^\n{{}}\\]|\\(?s:.))*)\}}
    |(?P<comment>/\*)|(?P<string>['"])|(?P<variable>\$\{{)
    |(?P<sign>[$*+/])""",
    re.VERBOSE,
)
_INSIDE = re.compile(  # what stands between double quotes
    rf"""{_VARIABLE}|\$\{{(?P<braced>(?:[^\n"{{}}\\]|\\(?s:.))*)\}}|(?P<variable>\$\{{)
    |(?P<text>\$|(?:[^$\\]|\\(?s:.))+)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|x[0-9A-Fa-f]{0,2}|.)", re.DOTALL)
_LETTERS = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
    b"\n": b"",
}
_SPECIAL = re.compile(r'["$\\\x00-\x1f\x7f]')


# ---- the tree ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a word: text as it is meant, or the name of a variable (or parameter) that stands there."""

    text: str
    variable: bool = False


Word = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One parameter or variable, given a value.

    :param operator: ``=``, ``+=``, a blank (``.include "file";``), or empty for a bare name.
    :param start: offset of its first character in the file; ``end`` is behind its semicolon.
    """

    name: str
    variable: bool
    operator: str
    words: tuple[Word, ...]
    source: str
    line: int
    start: int
    end: int

    @property
    def includes(self) -> bool:
        """Whether it reads other files."""
        return (self.name, self.operator, self.variable) == (".include", " ", False)

    def refused(self, answered: str, remedy: str) -> Refused:
        """A fault of this statement."""
        return _refused(self.source, self.line, answered, remedy)


@dataclass(frozen=True, slots=True)
class Block:
    """The definition of a jail, or of all that match a wildcard.

    :param name: with the names of the blocks around it in front: a jail within a jail.
    """

    name: str
    items: tuple[Statement | Block, ...]
    source: str
    line: int
    start: int
    end: int

    def refused(self, answered: str, remedy: str) -> Refused:
        """A fault of this block."""
        return _refused(self.source, self.line, answered, remedy)


def _refused(source: str, line: int, answered: str, remedy: str) -> Refused:
    return Refused(f"{source} line {line}", answered, remedy, file=source, line=line)


# ---- words ------------------------------------------------------------------------------------


def text_of(word: Word) -> str:
    """A word in which no variable stands."""
    return _decoded(_encoded("".join(piece.text for piece in word)))


def is_bare(text: str) -> bool:
    """Whether it can stand without quotes."""
    return re.fullmatch(_WORD, text) is not None


def quote(value: str) -> str:
    """A value between double quotes, so that jail(8) reads exactly that value.

    :raises Refused: for a null character, which no value can hold.
    """
    if "\0" in value:
        raise Refused(f"value {value!r}", "jail.conf cannot hold a null character", "leave it out")
    return f'"{_SPECIAL.sub(_escaped, value)}"'


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    short = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character)
    return short or (f"\\{character}" if character in '"$\\' else f"\\{ord(character):03o}")


def _plain(text: str) -> str:
    """Text without its escapes; they may name single bytes, and a null byte ends the text."""
    if "\\" not in text:
        return text
    return _decoded(_ESCAPE.sub(_byte, _encoded(text)).partition(b"\0")[0])


def _byte(match: re.Match[bytes]) -> bytes:
    code = match[1]
    if code[:1] in b"01234567":
        return bytes([int(code, 8) & 0xFF])
    if code[:1] == b"x":
        return bytes([int(code[1:] or b"0", 16)])
    return _LETTERS.get(code, code)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# ---- the grammar ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Token:
    """A word (``pieces``) or a mark (``text``); the mark at the end of the file is empty."""

    text: str
    start: int
    end: int
    pieces: Word = ()


def parse(text: str, source: str) -> tuple[Statement | Block, ...]:
    """A file as its statements and blocks.

    :param source: its path, for messages.
    :raises Refused: with file, line and reason, where jail(8) would refuse it.
    """
    return _Parser(text, source).items()


class _Parser:
    """One file, from its first character to its tree."""

    def __init__(self, text: str, source: str) -> None:
        self.text = text
        self.source = source
        self.tokens = self._join()
        self.token = next(self.tokens)
        self.end = 0  # of the token that was taken last

    def line(self, offset: int) -> int:
        return self.text.count("\n", 0, offset) + 1

    def refused(self, offset: int, answered: str, remedy: str) -> Refused:
        return _refused(self.source, self.line(offset), answered, remedy)

    # -- characters to tokens

    def _join(self) -> Iterator[_Token]:
        """The tokens; what stands together without a blank is one word."""
        word: _Token | None = None
        for token in self._scan():
            if word and token.pieces and token.start == word.end:
                word = _Token("", word.start, token.end, word.pieces + token.pieces)
                continue
            if word:
                yield word
            word = token if token.pieces else None
            if not token.pieces:
                yield token
        if word:
            yield word
        yield _Token("", len(self.text), len(self.text))

    def _scan(self) -> Iterator[_Token]:
        offset = 0
        while offset < len(self.text):
            match = _TOKEN.match(self.text, offset)
            if match is None:
                raise self.refused(offset, f"{self.text[offset]}: syntax error", "put quotes around it")
            kind = match.lastgroup or ""
            if kind in ("comment", "string", "variable"):
                raise self.refused(offset, f"unterminated {kind}", "close it")
            if kind == "mark":
                yield _Token(match[0], offset, match.end())
            elif kind != "blank":
                yield _Token("", offset, match.end(), tuple(self._pieces(kind, match)))
            offset = match.end()

    def _pieces(self, kind: str, match: re.Match[str]) -> Iterator[Piece]:
        if kind != "double":
            yield Piece(_plain(match[kind]), kind in ("word", "braced"))
            return
        inside = match[kind]
        if not inside or inside.startswith("$"):
            yield Piece("")  # so that a quoted variable is never the name of a statement
        for part in _INSIDE.finditer(inside):
            if part.lastgroup == "variable":
                offset = match.start(kind) + part.start()
                raise self.refused(offset, "unterminated variable", "close it")
            yield Piece(_plain(part[part.lastgroup or ""]), part.lastgroup in ("word", "braced"))

    # -- tokens to the tree

    def _next(self) -> _Token:
        token = self.token
        self.token = next(self.tokens, token)
        self.end = token.end
        return token

    def _unexpected(self, token: _Token) -> Refused:
        if token.start == len(self.text):
            return self.refused(token.start, "unexpected EOF", "end a statement with ; and a block with }")
        found = self.text[token.start : token.end]
        return self.refused(token.start, f"{found}: syntax error", "end the statement before it with ;")

    def items(self, parent: str = "", inside: bool = False) -> tuple[Statement | Block, ...]:
        """Statements and blocks, up to the end of the file or of the block."""
        found: list[Statement | Block] = []
        while True:
            token = self._next()
            if token.pieces:
                found.append(self._item(token, parent))
            elif token.text == "}" if inside else token.start == len(self.text):
                return tuple(found)
            elif token.text != ";":
                raise self._unexpected(token)

    def _item(self, first: _Token, parent: str) -> Statement | Block:
        if len(first.pieces) > 1:
            raise self.refused(
                first.start,
                f"{self.text[first.start : first.end]}: syntax error",
                "write a name as one word, in quotes if it has other characters than letters, digits, _ - .",
            )
        name = first.pieces[0]
        if self.token.text == "{" and not name.variable:
            self._next()
            full = f"{parent}.{name.text}" if parent else name.text
            items = self.items(full, inside=True)
            return Block(full, items, self.source, self.line(first.start), first.start, self.end)
        return self._statement(first, name)

    def _statement(self, first: _Token, name: Piece) -> Statement:
        operator, words = "", []
        if self.token.text in ("=", "+="):
            operator = self._next().text
            words = self._words()
        elif self.token.pieces:
            operator, words = " ", self._words()
        token = self._next()
        if token.text != ";":
            raise self._unexpected(token)
        statement = Statement(
            name.text,
            name.variable,
            operator,
            tuple(words),
            source=self.source,
            line=self.line(first.start),
            start=first.start,
            end=token.end,
        )
        if statement.includes and any(piece.variable for word in words for piece in word):
            raise statement.refused(
                "variables not permitted in '.include' filename", "write out the file's name"
            )
        return statement

    def _words(self) -> list[Word]:
        words: list[Word] = []
        while True:
            token = self._next()
            if not token.pieces:
                raise self._unexpected(token)
            words.append(token.pieces)
            if self.token.text != ",":
                return words
            self._next()
