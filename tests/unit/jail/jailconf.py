# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of jail.conf(5) made up by hypothesis, together with what they mean.

A file is drawn as plain data first: blocks, statements, words. That is printed in one of the many ways in
which the grammar lets it be written, and evaluated by a few lines that know nothing of our parser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from hypothesis import strategies as st

BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_!%&()-.:<>?@[]^`|~")
JAILS = ("web", "db", "web.child", "7", "a-b")
WILD = ("*", "web.*")
PARAMETERS = ("path", "exec.start", "persist", "allow.mount", "ip4.addr", "host.hostname", "x")
VARIABLES = ("one", "two", "Three_3")


@dataclass(frozen=True)
class Name:
    """A word that stands for the value of something else."""

    name: str


@dataclass(frozen=True)
class Set:
    """One statement; no values: a bare name."""

    name: str
    values: tuple[str | Name, ...] = ()
    variable: bool = False
    append: bool = False


@dataclass(frozen=True)
class Jail:
    """One block; its name is the last part only, where it stands in another."""

    name: str
    items: tuple[Set | Jail | Include, ...]


@dataclass(frozen=True)
class Include:
    """What stands in another file."""

    path: str
    items: tuple[Set | Jail | Include, ...]


Items = Sequence[Set | Jail | Include]


# ---- what it means ----------------------------------------------------------------------------


@dataclass
class Said:
    """Who is spoken of, and what is said."""

    name: str
    sets: list[Set] = field(default_factory=list)
    outside: bool = False


def said(items: Items) -> list[Said]:
    """All blocks in the order of the file; what stands outside of blocks is one more."""
    found: list[Said] = []

    def walk(items: Items, inside: Said | None) -> None:
        for item in items:
            if isinstance(item, Jail):
                block = Said(f"{inside.name}.{item.name}" if inside else item.name)
                found.append(block)
                walk(item.items, block)
            elif isinstance(item, Include):
                walk(item.items, inside)
            else:
                if inside is None and not any(each.outside for each in found):
                    found.append(Said("*", outside=True))
                target = inside or next(each for each in found if each.outside)
                target.sets.append(item)

    walk(items, None)
    return found


def speaks_of(pattern: str, jail: str) -> bool:
    """Whether a block is about a jail, for the few patterns that are drawn."""
    return pattern in ("*", jail) or (pattern == "web.*" and jail.startswith("web."))


def positive(name: str) -> str:
    """The name without its "no"."""
    head, dot, last = name.rpartition(".")
    return f"{head}{dot}{last[2:]}" if last.startswith("no") else name


def meaning(items: Items, jail: str) -> dict[str, tuple[str, ...]]:
    """The parameters of a jail."""
    values: dict[str, tuple[str | Name, ...]] = {"jid" if jail.isdigit() else "name": (jail,)}
    negative: dict[str, bool] = {}
    for block in said(items):
        for each in block.sets if speaks_of(block.name, jail) else ():
            name = f"${each.name}" if each.variable else positive(each.name)
            negative[name] = not each.variable and name != each.name
            before = values.get(name, ()) if each.append else ()
            values[name] = (*before, *each.values)
    values.setdefault("name", (jail,))

    def text(word: str | Name) -> str:
        if isinstance(word, str):
            return word
        (value,) = values["name" if word.name == "name" else f"${word.name}"]
        return text(value)

    return {
        name: ("false",) if negative.get(name) else tuple(text(value) for value in found)
        for name, found in values.items()
        if not name.startswith("$")
    }


def overridden(items: Items, jail: str, parameter: str) -> bool:
    """Whether something behind the block of a jail, or a file included in it, speaks of a parameter."""
    blocks = said(items)
    names = [block.name for block in blocks]
    behind = blocks[names.index(jail) + 1 :] if jail in names else []
    included = [
        Said(jail, [each for each in item.items if isinstance(each, Set)])
        for block in items
        if isinstance(block, Jail) and block.name == jail
        for item in block.items
        if isinstance(item, Include)
    ]
    return any(
        positive(each.name) == parameter and not each.variable
        for block in (*behind, *included)
        if speaks_of(block.name, jail)
        for each in block.sets
    )


# ---- drawing it -------------------------------------------------------------------------------

TEXTS = st.one_of(
    st.text(st.sampled_from(sorted(BARE)), max_size=6),
    st.text(st.sampled_from("ab/$\\\"'#*{};=,+ \t\n\r\x01\x7fé€0x"), max_size=8),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
)
NAMES = st.sampled_from([Name("name"), *(Name(name) for name in VARIABLES)])


_NAME = st.sampled_from(PARAMETERS)
_VALUES = st.lists(st.one_of(TEXTS, TEXTS, NAMES), min_size=1, max_size=3).map(tuple)
SETTING = st.one_of(
    st.builds(Set, _NAME, _VALUES, append=st.booleans()),
    st.builds(Set, _NAME),
    st.sampled_from([Set("nopersist"), Set("allow.nomount")]),
)
"""One statement about a parameter."""
FEW, SOME = st.lists(SETTING, max_size=2), st.lists(SETTING, max_size=4)


@st.composite
def files(draw: st.DrawFn) -> tuple[Set | Jail | Include, ...]:
    """A whole configuration, in which each jail is defined once and each variable that is used is set."""
    left = draw(st.permutations(JAILS))
    items: list[Set | Jail | Include] = [Set(name, (draw(TEXTS),), variable=True) for name in VARIABLES]
    for name in left[: draw(st.integers(1, 4))]:
        items += draw(FEW)
        if draw(st.booleans()):
            items.append(Jail(draw(st.sampled_from(WILD)), tuple(draw(FEW))))
        body: list[Set | Jail | Include] = [*draw(SOME)]
        if draw(st.booleans()):
            body.append(Set(draw(st.sampled_from(VARIABLES)), (draw(TEXTS),), variable=True))
        if draw(st.booleans()):
            body.append(Include(f"in-{len(items)}.conf", tuple(draw(FEW))))
        if name == "web" and draw(st.booleans()):
            body.insert(0, Jail("sub", tuple(draw(FEW))))
        jail = Jail(name, tuple(body))
        items.append(Include(f"{len(items)}.conf", (jail,)) if draw(st.integers(0, 3)) == 0 else jail)
    items += draw(FEW)
    return tuple(items)


# ---- printing it ------------------------------------------------------------------------------

GAPS = ["", "", "", " ", "\n", "\t ", "\r\n", "/* c; { ' */", '# c ${ "\n', "// c' }\n", "/***\n*/ "]
BLANKS = [" ", "\n", "\t", " /**/ ", " # c\n", " // c\n"]


class Printer:
    """Prints data in ways that chance chooses: hundreds a file, more than hypothesis draws quickly.

    :ivar files: what is included, by path.
    """

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.files: dict[str, str] = {}

    def gap(self) -> str:
        """Anything that may stand between two signs."""
        return self.chance.choice(GAPS)

    def items(self, items: Items) -> str:
        """Statements and blocks."""
        return "".join(self.gap() + self.item(item) for item in items) + self.gap()

    def item(self, item: Set | Jail | Include) -> str:
        """One of them."""
        if isinstance(item, Jail):
            return f"{self.name(item.name)}{self.gap()}{{{self.items(item.items)}}}"
        if isinstance(item, Include):
            self.files[item.path] = self.items(item.items)
            return f".include{self.chance.choice(BLANKS)}{self.word(item.path)}{self.gap()};"
        name = f"${item.name}" if item.variable else self.name(item.name)
        if not item.values:
            return f"{name}{self.gap()};"
        sign = f"{self.gap()}{'+=' if item.append else '='}{self.gap()}"
        if not item.append and self.chance.choice([True, False]):
            sign = self.chance.choice(BLANKS)
        comma = f"{self.gap()},{self.gap()}"
        return f"{name}{sign}{comma.join(self.value(value) for value in item.values)}{self.gap()};"

    def name(self, name: str) -> str:
        """The name of a block or a parameter: one word in one piece."""
        bare = set(name) <= BARE or name == "*"
        return self.chance.choice([f'"{name}"', f"'{name}'", *([name] * 3 if bare else [])])

    def value(self, value: str | Name) -> str:
        """A word, or what stands for one."""
        if isinstance(value, str):
            return self.word(value)
        forms = [
            f"${value.name}",
            f"${{{value.name}}}",
            f'"${value.name}"',
            f'"${{{value.name}}}"',
            f"''${value.name}",
        ]
        return self.chance.choice(forms)

    def word(self, text: str) -> str:
        """A text in pieces, each in its own kind of quotes."""
        cut = self.chance.randint(0, len(text))
        parts = [text[:cut], text[cut:]] if self.chance.choice([True, False]) else [text]
        return "".join(self.piece(part) for part in parts)

    def piece(self, text: str) -> str:
        """A text in one kind of quotes, or in none."""
        kind = self.chance.choice(["double", "single", "bare"])
        if kind == "bare" and text:
            return "".join(sign if sign in BARE else self.escaped(sign, "") for sign in text)
        if kind == "single":
            return "'" + "".join(self.escaped(sign, '$"') for sign in text) + "'"
        return '"' + "".join(self.escaped(sign, "'") for sign in text) + '"'

    def escaped(self, sign: str, plain: str) -> str:
        """One character, with a backslash where it needs one and here and there where it does not."""
        octal = "".join(f"\\{byte:03o}" for byte in sign.encode())
        forms = [octal, "".join(f"\\x{byte:02x}" for byte in sign.encode())]
        letters = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
        if sign in letters:
            forms.append(letters[sign])
        elif sign in "\"'$\\#{};=,+*/ ":
            forms.append(f"\\{sign}")
        inside = plain != ""
        if inside and sign not in "\"'$\\" or sign in plain:
            forms += [sign] * 3
            forms.append(f"\\\n{sign}" if inside else sign)
        return self.chance.choice(forms)


@st.composite
def printed(draw: st.DrawFn) -> tuple[Items, str, dict[str, str]]:
    """What is meant, the text of the file, and the texts of those that it includes."""
    items = draw(files())
    printer = Printer(draw(st.randoms(use_true_random=True)))
    return items, printer.items(items), printer.files
