# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""sh(1) as far as the hooks of jails need it in memory, and the small programs that hooks call.

It knows simple commands, assignments, quotes, ``$name``, ``${name%pattern}``, ``$(command)``, ``&&``,
``||``, ``;``, ``!``, groups, ``if``, ``for`` and redirections, by sh(1). Whatever else is in a script
stops the test with a sentence: nothing is guessed. On ground that has a real shell this one is not used.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .kernel import Missing
from .world import World

OPERATORS = ("&&", "||", ";;", ";", "|", "&", "(", ")", "\n")
WORDS_OF_GRAMMAR = ("if", "then", "else", "elif", "fi", "for", "in", "do", "done", "{", "}", "!")
NAME = "[A-Za-z_][A-Za-z0-9_]*"


class Unknown(AssertionError):
    """The script needs more than this shell knows."""


class Exit(Exception):
    """``exit`` was called."""

    def __init__(self, rc: int) -> None:
        super().__init__(rc)
        self.rc = rc


class Shell:
    """One run of a script."""

    def __init__(self, world: World, script: str, positional: Sequence[str] = ()) -> None:
        self.world = world
        self.variables = {**world.env, **{str(number): text for number, text in enumerate(positional)}}
        self.tokens = list(tokens(script))
        self.place = 0
        self.out: list[str] = []
        self.err: list[str] = []
        self.rc = 0
        self.captured = 0
        """Exit code of the last command whose output was taken."""
        self.stop_on_error = False

    def run(self) -> int:
        """Run it all; the exit code."""
        try:
            self._list(do=True, until=())
        except Exit as end:
            self.rc = end.rc
        return self.rc

    # -- grammar: what is not done is still read

    def _peek(self) -> str:
        return self.tokens[self.place] if self.place < len(self.tokens) else ""

    def _take(self, wanted: str = "") -> str:
        token = self._peek()
        if wanted and token != wanted:
            raise Unknown(f"the shell of the double expected {wanted!r}, not {token!r}")
        self.place += 1
        return token

    def _list(self, do: bool, until: Sequence[str]) -> None:
        while True:
            while self._peek() in (";", "\n"):
                self._take()
            if not self._peek() or self._peek() in until:
                return
            self._and_or(do)
            if self._peek() == "&":
                self._take()

    def _and_or(self, do: bool) -> None:
        self._pipeline(do)
        joined = False
        while self._peek() in ("&&", "||"):
            joined = True
            operator = self._take()
            while self._peek() == "\n":
                self._take()
            self._pipeline(do and (self.rc == 0) == (operator == "&&"))
        if do and self.rc and self.stop_on_error and not joined:
            raise Exit(self.rc)

    def _pipeline(self, do: bool) -> None:
        negated = self._peek() == "!"
        if negated:
            self._take()
        self._command(do)
        if self._peek() == "|":
            raise Unknown("the shell of the double knows no pipelines")
        if negated and do:
            self.rc = 0 if self.rc else 1

    def _command(self, do: bool) -> None:
        match self._peek():
            case "if":
                self._if(do)
            case "for":
                self._for(do)
            case "{":
                self._take()
                self._list(do, ("}",))
                self._take("}")
            case "(":
                self._subshell(do)
            case word if word in (*OPERATORS, *WORDS_OF_GRAMMAR, "while", "until", "case"):
                raise Unknown(f"the shell of the double does not know {word!r} here")
            case _:
                self._simple(do)

    def _subshell(self, do: bool) -> None:
        self._take()
        start, variables = self.place, dict(self.variables)
        self._list(False, (")",))
        end, self.place = self.place, start
        try:
            self._list(do, (")",))
        except Exit as exit_:
            self.rc = exit_.rc
        self.place, self.variables = end, variables
        self._take(")")

    def _if(self, do: bool) -> None:
        self._take()
        self._list(do, ("then",))
        self._take("then")
        met = do and self.rc == 0
        self._list(met, ("else", "elif", "fi"))
        rest = do and not met
        if self._peek() == "elif":
            self._if(rest)
            return
        if self._peek() == "else":
            self._take()
            self._list(rest, ("fi",))
        elif rest:
            self.rc = 0
        self._take("fi")

    def _for(self, do: bool) -> None:
        self._take()
        name = self._take()
        self._take("in")
        words = []
        while self._peek() not in (";", "\n"):
            words += self._expanded(self._take()) if do else [self._take()]
        while self._peek() in (";", "\n"):
            self._take()
        self._take("do")
        start = self.place
        for word in words if do else ():
            self.place = start
            self.variables[name] = word
            self._list(True, ("done",))
        self.place = start
        self._list(False, ("done",))
        self._take("done")

    def _simple(self, do: bool) -> None:
        words: list[str] = []
        while self._peek() and self._peek() not in OPERATORS:
            words.append(self._take())
        if do:
            self._execute(words)

    # -- running

    def _execute(self, raw: list[str]) -> None:
        words, targets = redirections(raw)
        self.captured = 0
        while words and re.match(f"{NAME}=", words[0]):
            name, _equals, value = words.pop(0).partition("=")
            self.variables[name] = " ".join(self._expanded(value, split=False))
        argv = [word for token in words for word in self._expanded(token)]
        self.rc = self.captured
        if not argv:
            return
        output = self._program(argv)
        self.rc = output.rc if output.rc >= 0 else 128 - output.rc
        self._deliver(output, targets)

    def _deliver(self, output: Output, targets: Sequence[tuple[str, str, str]]) -> None:
        streams = {"1": self.out, "2": self.err}
        for number, operator, target in targets:
            if target.startswith("&"):
                streams[number] = streams[target[1:]]
                continue
            path = self.world.rooted(" ".join(self._expanded(target)))
            kept: list[str] = []
            if operator == ">>":
                kept.append(self.world.files.read(path) or "")
            streams[number] = kept
            if path != "/dev/null":
                chosen = output.out if number == "1" else output.err
                self.world.files.write(path, "".join(kept) + chosen)
        streams["1"].append(output.out)
        streams["2"].append(output.err)

    def _program(self, argv: list[str]) -> Output:
        match argv:
            case ["set", option]:
                self.stop_on_error = option in ("-e", "-eu")
            case ["exit", *codes]:
                raise Exit(int(codes[0]) if codes else self.rc)
            case ["cd" | "umask" | ":" | "trap" | "export", *_rest]:
                pass
            case ["exec", *rest]:
                raise Exit(self._nested(rest))
            case _:
                try:
                    return self.world.call(argv, env=self.variables)
                except Missing:
                    return answered(argv, err=f"{argv[0]}: not found\n", rc=127)
        return answered(argv)

    def _nested(self, argv: list[str]) -> int:
        output = self._program(argv)
        self._deliver(output, ())
        return output.rc

    # -- expansion

    def _expanded(self, token: str, split: bool = True) -> list[str]:
        """A word as fields: what stands between quotes is not split."""
        fields, current, seen = [], "", False
        for kind, text in pieces(token):
            value = text if kind == "'" else self._substituted(text)
            if kind or not split or "$" not in text:
                current, seen = current + value, seen or bool(kind) or bool(value)
                continue
            parts = value.split()
            if parts:
                fields += [current + parts[0], *parts[1:]] if len(parts) > 1 else []
                current = fields.pop() if len(parts) > 1 else current + parts[0]
                seen = True
        return [*fields, current] if seen or not split else fields

    def _substituted(self, text: str) -> str:
        result, place = "", 0
        while place < len(text):
            if text.startswith("$(", place):
                end = closing(text, place + 1)
                result += self._captured(text[place + 2 : end])
                place = end + 1
                continue
            match = re.compile(rf"\$(?:({NAME}|[0-9?])|\{{({NAME}|[0-9])([^}}]*)\}})").match(text, place)
            if match:
                result += self._value(match[1] or match[2], match[3] or "")
                place = match.end()
            else:
                result += text[place]
                place += 1
        return result

    def _value(self, name: str, rest: str) -> str:
        value = str(self.rc) if name == "?" else self.variables.get(name, "")
        if rest.startswith(":-"):
            return value or self._substituted(rest[2:])
        if rest.startswith("%"):
            cuts = range(len(value), -1, -1)
            return next((value[:cut] for cut in cuts if fnmatchcase(value[cut:], rest[1:])), value)
        if rest.startswith("#") and len(rest) > 1:
            return next(
                (value[cut:] for cut in range(len(value) + 1) if fnmatchcase(value[:cut], rest[1:])), value
            )
        if rest:
            raise Unknown(f"the shell of the double does not know ${{{name}{rest}}}")
        return value

    def _captured(self, script: str) -> str:
        inner = Shell(self.world, script)
        inner.variables = dict(self.variables)
        self.captured = inner.run()
        self.err += inner.err
        return "".join(inner.out).rstrip("\n")


def closing(text: str, start: int) -> int:
    """Where the parenthesis that opens at a place is closed."""
    depth = 0
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise Unknown(f"no ) in {text!r}")


def tokens(script: str) -> Iterator[str]:
    """Words, as they stand, and operators."""
    place, word = 0, ""
    while place < len(script):
        letter = script[place]
        operator = next((each for each in OPERATORS if script.startswith(each, place)), "")
        if letter == "\\":
            word, place = word + script[place : place + 2], place + 2
        elif letter in "'\"":
            end = place + 1
            while script[end] != letter:
                end += 2 if script[end] == "\\" and letter == '"' else 1
            word, place = word + script[place : end + 1], end + 1
        elif script.startswith("$(", place):
            end = closing(script, place + 1)
            word, place = word + script[place : end + 1], end + 1
        elif letter == "&" and word.endswith(">"):
            word, place = word + "&", place + 1
        elif operator or letter in " \t" or (letter == "#" and not word):
            if word:
                yield word
            word = ""
            if letter == "#":
                place = script.find("\n", place) if "\n" in script[place:] else len(script)
                continue
            if operator:
                yield operator
            place += len(operator) or 1
        else:
            word, place = word + letter, place + 1
    if word:
        yield word


def pieces(token: str) -> Iterator[tuple[str, str]]:
    """A word in pieces: the quote around each, or nothing, and its text."""
    for match in re.finditer(
        r"'([^']*)'|\"((?:\\.|[^\"\\])*)\"|\\(.)|(\$\((?:[^()]|\([^()]*\))*\)|[^'\"\\]+?(?=['\"\\]|\$\(|$))",
        token,
        re.DOTALL,
    ):
        if match[1] is not None:
            yield "'", match[1]
        elif match[2] is not None:
            yield '"', re.sub(r'\\([$`"\\])', r"\1", match[2])
        elif match[3] is not None:
            yield "'", match[3]
        else:
            yield "", match[4]


def redirections(words: Sequence[str]) -> tuple[list[str], list[tuple[str, str, str]]]:
    """A command without its redirections, and those: number, operator, target."""
    kept: list[str] = []
    found: list[tuple[str, str, str]] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        match = re.fullmatch(r"([012]?)(>>|>|<)(.*)", word, re.DOTALL)
        if match is None:
            kept.append(word)
        elif match[2] == "<":
            if not match[3]:
                rest.pop(0)
        else:
            found.append((match[1] or "1", match[2], match[3] or rest.pop(0)))
    return kept, found


def sh(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``sh -c SCRIPT [NAME [ARGUMENT ...]]``, ``sh FILE [ARGUMENT ...]`` or a script on standard input."""
    options = [word for word in argv[1:] if word.startswith("-")]
    operands = [word for word in argv[1:] if not word.startswith("-")]
    if any("c" in option for option in options):
        script, positional = operands[0], operands[1:]
    elif operands:
        text = world.files.read(world.rooted(operands[0]))
        if text is None:
            return answered(argv, err=f"sh: {operands[0]}: No such file or directory\n", rc=2)
        script, positional = text, operands
    else:
        script, positional = stdin, []
    shell = Shell(world, script, positional or ["sh"])
    shell.stop_on_error = any("e" in option for option in options)
    rc = shell.run()
    return answered(argv, "".join(shell.out), "".join(shell.err), rc)


def echo(world: World, argv: Sequence[str], stdin: str) -> Output:
    words = list(argv[1:])
    bare = words[:1] == ["-n"]
    return answered(argv, " ".join(words[1:] if bare else words) + ("" if bare else "\n"))


def test(world: World, argv: Sequence[str], stdin: str) -> Output:
    words = list(argv[1:-1] if argv[0].endswith("[") else argv[1:])
    negated = words[:1] == ["!"]
    words = words[1:] if negated else words
    files = world.files
    match words:
        case ["-e", path]:
            true = world.exists(world.rooted(path))
        case ["-f" | "-r", path]:
            true = files.read(world.rooted(path)) is not None
        case ["-d", path]:
            true = files.is_folder(world.rooted(path))
        case ["-n", text] | [text]:
            true = bool(text)
        case ["-z", text]:
            true = not text
        case [one, "=", other]:
            true = one == other
        case [one, "!=", other]:
            true = one != other
        case _:
            raise Unknown(f"test of the double does not know {shlex.join(words)}")
    return answered(argv, rc=0 if true != negated else 1)


def mkdir(world: World, argv: Sequence[str], stdin: str) -> Output:
    parents = "-p" in argv
    for path in [word for word in argv[1:] if word.startswith("/")]:
        if world.files.exists(path) and not parents:
            return answered(argv, err=f"mkdir: {path}: File exists\n", rc=1)
        if not parents and not world.files.is_folder(path.rpartition("/")[0] or "/"):
            return answered(argv, err=f"mkdir: {path}: No such file or directory\n", rc=1)
        world.files.make_folder(path)
    return answered(argv)


def cp(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``cp -R FOLDER FOLDER/``: the one comes to lie in the other."""
    _cp, _flag, source, target = argv
    if not world.files.is_folder(source):
        return answered(argv, err=f"cp: {source}: No such file or directory\n", rc=1)
    copy_below(world, source, f"{target.rstrip('/')}/{source.rpartition('/')[2]}")
    return answered(argv)


def copy_below(world: World, source: str, target: str) -> None:
    world.files.make_folder(target)
    for name in world.files.listing(source):
        text = world.files.read(f"{source}/{name}")
        if text is None:
            copy_below(world, f"{source}/{name}", f"{target}/{name}")
        else:
            world.files.write(f"{target}/{name}", text)


def rm(world: World, argv: Sequence[str], stdin: str) -> Output:
    letters = "".join(word[1:] for word in argv[1:] if word.startswith("-"))
    for path in [word for word in argv[1:] if not word.startswith("-")]:
        if not world.files.exists(path) and "f" not in letters:
            return answered(argv, err=f"rm: {path}: No such file or directory\n", rc=1)
        if world.files.is_folder(path):
            if "r" not in letters and "R" not in letters:
                return answered(argv, err=f"rm: {path}: is a directory\n", rc=1)
            remove_below(world, path)
        world.files.remove(path)
    return answered(argv)


def remove_below(world: World, path: str) -> None:
    for name in world.files.listing(path):
        inner = f"{path}/{name}"
        if world.files.is_folder(inner):
            remove_below(world, inner)
        world.files.remove(inner)


def rmdir(world: World, argv: Sequence[str], stdin: str) -> Output:
    for path in argv[1:]:
        if not world.files.is_folder(path):
            return answered(argv, err=f"rmdir: {path}: No such file or directory\n", rc=1)
        if world.files.listing(path):
            return answered(argv, err=f"rmdir: {path}: Directory not empty\n", rc=1)
        world.files.remove(path)
    return answered(argv)


def cat(world: World, argv: Sequence[str], stdin: str) -> Output:
    texts = [world.files.read(world.rooted(path)) for path in argv[1:]]
    missing = [path for path, text in zip(argv[1:], texts, strict=True) if text is None]
    err = "".join(f"cat: {path}: No such file or directory\n" for path in missing)
    return answered(
        argv, "".join(text or "" for text in texts) or stdin * (len(argv) == 1), err, 1 if missing else 0
    )


def touch(world: World, argv: Sequence[str], stdin: str) -> Output:
    for path in argv[1:]:
        if world.files.read(world.rooted(path)) is None:
            world.files.write(world.rooted(path), "")
    return answered(argv)


def readlink(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``readlink -f NAME ...``, where none is a link."""
    return answered(argv, "".join(f"{name}\n" for name in argv[2:]))


def env(world: World, argv: Sequence[str], stdin: str) -> Output:
    words = list(argv[1:])
    variables = {} if "-i" in words[:1] else dict(world.env)
    words = words[1:] if words[:1] == ["-i"] else words
    while words and "=" in words[0]:
        name, _equals, value = words.pop(0).partition("=")
        variables[name] = value
    try:
        return world.call(words, stdin, variables)
    except Missing:
        return answered(argv, err=f"env: {words[0]}: No such file or directory\n", rc=127)


def nc(world: World, argv: Sequence[str], stdin: str) -> Output:
    """``nc -z ADDRESS PORT``: something listens on every port of a jail that runs."""
    address = argv[-2]
    there = any(address in world.kernel.answering(jail.jid) for jail in world.kernel.jails())
    return answered(argv, rc=0 if there else 1)


def yes(world: World, argv: Sequence[str], stdin: str) -> Output:
    return answered(argv)


def no(world: World, argv: Sequence[str], stdin: str) -> Output:
    return answered(argv, rc=1)


PROGRAMS: Mapping[str, Callable[[World, Sequence[str], str], Output]] = {
    "sh": sh, "echo": echo, "test": test, "[": test, "mkdir": mkdir, "rm": rm, "rmdir": rmdir, "cat": cat,
    "cp": cp, "touch": touch, "env": env, "nc": nc, "true": yes, "false": no, "sleep": yes, "logger": yes,
    "readlink": readlink,
}  # fmt: skip
