# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files of a server, and the units that must hear of a change.

Pure. A unit which must be restarted is remembered by a mark that a boot forgets, made before its file is
written and removed after the restart: so a run that is cut off in between is made good by the
next one, and a boot, which restarts everything, forgets the marks.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.plan import Effect, Hidden, Plan, Step, differing, make_plan
from .._core.values import doubles

BEGIN = "# BEGIN twin.datacenter"
END = "# END twin.datacenter"
UNIT_FOLDER = "/etc/systemd/system/"
NEW_FILE_MODE = 0o644
NEW_FOLDER_MODE = 0o755

CONTENT_OPTIONS = ("content", "secret", "block", "lines")


Notice = tuple[str, str]
"""What a unit must be told, ``restart`` or ``reload``, and its name."""

DAEMON_RELOAD: Notice = ("daemon-reload", "systemd")


@dataclass(frozen=True, slots=True)
class File:
    """One path as it is wanted.

    :param state: ``file``, ``directory`` or ``absent``.
    :param content: the whole text; None leaves it alone (a folder, or only mode and owner count).
    :param block: the text between our two marker lines, the rest of the file is kept.
    :param first: whether a block that is not there yet comes before the rest, not after it.
    :param lines: lines that stand there, wherever; the rest of the file is kept.
    :param mode: permission bits; None keeps those of an existing file, as do owner and group.
    :param validate: a command that judges the text on its standard input (``%s`` is its name).
    """

    path: str
    state: str = "file"
    content: str | Hidden | None = None
    block: str | None = None
    first: bool = False
    lines: tuple[str, ...] | None = None
    mode: int | None = None
    owner: str | None = None
    group: str | None = None
    validate: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """One path as it is. ``kind`` is that of stat(1): ``regular file``, ``directory``, ``symbolic link`` …"""

    kind: str
    mode: int
    owner: str
    group: str
    content: str | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """The system, as far as it was asked for.

    :param found: what there is, by path.
    :param faults: what judges said about a text that is to be written, by path.
    :param marks: notices that are still owed from a run that was cut off.
    """

    found: Mapping[str, Found]
    faults: Mapping[str, str]
    marks: frozenset[Notice]


def parse_files(items: Iterable[Mapping[str, Any]]) -> tuple[File, ...]:
    """The options of module ``files``.

    :raises Refused: for a path that is not absolute, named twice, or wanted in two ways at once.
    """
    files = tuple(_parse_file(item) for item in items)
    twice = doubles(file.path for file in files)
    if twice:
        raise Refused(f"files {', '.join(twice)}", "listed more than once", "describe each path in one item")
    return files


def _parse_file(item: Mapping[str, Any]) -> File:
    path, state = item["path"], item.get("state") or "file"
    if not path.startswith("/") or posixpath.normpath(path) != path or "\n" in path:
        raise Refused(f"file {path!r}", "the path is not absolute and plain", "write one such as /etc/motd")
    given = [option for option in CONTENT_OPTIONS if item.get(option) is not None]
    if len(given) > 1:
        raise Refused(f"file {path}", f"{' and '.join(given)} exclude each other", "keep one of them")
    if given and state != "file":
        raise Refused(f"file {path}", f"{given[0]} means nothing with state {state}", "leave one of them out")
    if item.get("first") and item.get("block") is None:
        raise Refused(f"file {path}", "first means nothing without block", "leave it out")
    secret = item.get("secret")
    notices = [(verb, unit) for verb in ("restart", "reload") for unit in item.get(verb) or ()]
    if path.startswith(UNIT_FOLDER) and state != "directory":
        notices.insert(0, DAEMON_RELOAD)
    return File(
        path,
        state,
        Hidden(secret) if secret is not None else item.get("content"),
        item.get("block"),
        bool(item.get("first")),
        None if item.get("lines") is None else tuple(item["lines"]),
        _parse_mode(path, item.get("mode")),
        item.get("owner"),
        item.get("group"),
        tuple(item.get("validate") or ()),
        tuple(notices),
    )


def _parse_mode(path: str, mode: str | None) -> int | None:
    if mode is None:
        return None
    try:
        bits = int(mode, 8)
    except ValueError:
        bits = -1
    if not 0 <= bits <= 0o7777:
        raise Refused(f"mode of {path}", f"{mode!r} is not one", "write it in octal, such as '0644'")
    return bits


def wanted_text(file: File, found: Found | None) -> str | None:
    """The whole text that the file should have; None when only its being there counts."""
    here = (found.content if found else None) or ""
    if file.block is not None:
        return splice(here, file.block, first=file.first)
    if file.lines is not None:
        return with_lines(here, file.lines)
    return file.content.text if isinstance(file.content, Hidden) else file.content


def splice(text: str, block: str, *, first: bool = False) -> str:
    """The text with our block in it, where it was or else at the end; an empty block is taken out.

    :param first: at the start instead of the end.

    Laws: a second splice of the same block changes nothing; every other line is kept, in order.
    """
    lines = text.splitlines(keepends=True)
    bare = [line.rstrip("\r\n") for line in lines]
    begin = bare.index(BEGIN) if BEGIN in bare else 0 if first else len(lines)
    end = bare.index(END, begin) + 1 if END in bare[begin:] else begin
    head, tail = lines[:begin], lines[end:]
    if not block.strip():
        return "".join(head + tail)
    if head and not head[-1].endswith("\n"):
        head[-1] += "\n"
    return "".join([*head, f"{BEGIN}\n", f"{block.strip(chr(10))}\n", f"{END}\n", *tail])


def with_lines(text: str, lines: Iterable[str]) -> str:
    """The text with each of the lines in it; those that are missing come at the end.

    Laws: a second time changes nothing; what was there is kept as it was.
    """
    there = text.splitlines()
    missing = [line for line in dict.fromkeys(lines) if line not in there]
    if missing and text and not text.endswith("\n"):
        text += "\n"
    return text + "".join(f"{line}\n" for line in missing)


def plan_files(current: Files, wanted: tuple[File, ...]) -> Plan:
    """Steps which bring the files about, then those which tell the units."""
    steps: list[Step] = []
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    heard: dict[Notice, list[str]] = {notice: [] for notice in sorted(current.marks)}
    for file in wanted:
        found = current.found.get(file.path)
        step = _step(file, found, current.faults.get(file.path))
        if step is None:
            continue
        steps.append(step)
        before[file.path], after[file.path] = _pictures(file, found)
        for notice in file.notices:
            heard.setdefault(notice, []).append(file.path)
    # systemd must know a unit anew before it restarts it.
    for notice in sorted(heard, key=lambda notice: (notice != DAEMON_RELOAD, notice)):
        key = " ".join(notice)
        steps.append(Step(key, "tell", _sentence(notice), {"notice": notice}, needs=tuple(heard[notice])))
        before[key], after[key] = "owed", "done"
    return make_plan(steps, before, after)


def _sentence(notice: Notice) -> str:
    verb, unit = notice
    return "let systemd read its units again" if notice == DAEMON_RELOAD else f"{verb} {unit} if it runs"


def _step(file: File, found: Found | None, fault: str | None) -> Step | None:
    def impossible(reason: str) -> Step:
        return Step(file.path, "refuse", f"file {file.path}: {reason}", effect=Effect.IMPOSSIBLE)

    if file.state == "absent":
        if found is None:
            return None
        if found.kind == "directory":
            return impossible("it is a folder, and folders are not removed; remove it by hand")
        return Step(file.path, "remove", f"remove {file.path}", _args(file))
    if file.state == "directory":
        if found is not None and found.kind != "directory":
            return impossible(f"a folder is wanted, but it is a {found.kind}; move that away first")
        if found is None:
            return Step(file.path, "mkdir", f"make folder {file.path}", _args(file, mode=_mode(file, None)))
        return _permissions(file, found)
    if found is not None and found.kind not in ("regular file", "regular empty file", "symbolic link"):
        return impossible(f"a file is wanted, but it is a {found.kind}; move that away first")
    text = wanted_text(file, found)
    if text is None and found is None:
        return impossible(
            "it is not there and no content is given; give content, secret, template, block or lines"
        )
    if text is None or (found and found.kind != "symbolic link" and found.content == text):
        return _permissions(file, found)
    if fault is not None:
        return impossible(f"its new content is refused: {fault}; correct the content")
    verb = "write" if found is None else "change"
    hidden = Hidden(text) if isinstance(file.content, Hidden) else text
    return Step(file.path, "write", f"{verb} {file.path}", _args(file, text=hidden, mode=_mode(file, found)))


def _permissions(file: File, found: Found | None) -> Step | None:
    if found is None:
        return None
    asked = {
        "mode": None if file.mode is None else _octal(file.mode),
        "owner": file.owner,
        "group": file.group,
    }
    here = {"mode": _octal(found.mode), "owner": found.owner, "group": found.group}
    differ = differing({name: value for name, value in asked.items() if value is not None}, here)
    if not differ:
        return None
    said = ", ".join(f"{name} {value}" for name, value in differ.items())
    return Step(file.path, "permit", f"give {file.path} {said}", _args(file, mode=_mode(file, found)))


def _args(file: File, **more: Any) -> dict[str, Any]:
    return {"path": file.path, "owner": file.owner, "group": file.group, "marks": file.notices, **more}


def _mode(file: File, found: Found | None) -> int:
    if file.mode is not None:
        return file.mode
    if found is not None and found.kind != "symbolic link":
        return found.mode
    return NEW_FOLDER_MODE if file.state == "directory" else NEW_FILE_MODE


def _octal(mode: int) -> str:
    return f"{mode:04o}"


def _pictures(file: File, found: Found | None) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """What is and what will be, to be shown; a content only where one is declared."""
    text = wanted_text(file, found)
    here = found.content if found else None
    before: dict[str, Any] | None = None
    if found is not None:
        before = {
            "kind": found.kind.replace("regular empty file", "regular file"),
            "mode": _octal(found.mode),
            "owner": found.owner,
            "group": found.group,
        }
    if file.state == "absent":
        return before, None
    # To whom a new file belongs when nobody says it is the system's choice.
    owner, group = file.owner or (found and found.owner), file.group or (found and found.group)
    after: dict[str, Any] = {
        "kind": "directory" if file.state == "directory" else "regular file",
        "mode": _octal(_mode(file, found)),
        **({"owner": owner} if owner else {}),
        **({"group": group} if group else {}),
    }
    if text is not None:
        after["content"] = _shown(file, text, "a secret" if here == text else "another secret")
        if before is not None:
            before["content"] = _shown(file, here, "a secret")
    return before, after


def _shown(file: File, text: str | None, secret: str) -> Any:
    """A text as its lines; a secret as no more than its being one."""
    if isinstance(file.content, Hidden):
        return secret
    lines = (text or "").split("\n")
    return lines[:-1] if lines[-1] == "" else [*lines[:-1], f"{lines[-1]} (no newline at the end)"]
