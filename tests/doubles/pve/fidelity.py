# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 -m tests.doubles.pve.fidelity [--quiet] [--blind] [FOLDER]

Replays recorded exchanges against the double and prints how many it answers alike, and every difference.

Each line of FOLDER/*.jsonl is one exchange and one vote. Before it the double is put into the state that the
exchange itself shows (seeds.py): out of its request and the fields of its body, never its status, reason or
`errors`. A body that is a refusal shows the state in its `message` ("CT 200 already running"); --blind leaves
that out too, which tells how much rests on it.

Compared by value: status, reason, message, `errors`, and every scalar that request or seed fix. By shape,
that is keys and types: times, process ids, digests, identifiers that are drawn, usage; of a UPID the node,
type, id and user. Lists, and lists in strings, are sets. Commands (cli.jsonl) have no HTTP and are counted
apart.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.doubles.pve import api, seeds
from tests.doubles.pve.errors import Dropped, Refusal
from tests.doubles.pve.tasks import UPID

RECORDINGS = Path(__file__).parent / "recordings"
COMMANDS = "cli.jsonl"
VERBS = {"get": "GET", "create": "POST", "set": "PUT", "delete": "DELETE"}
# Keys whose values are measured, drawn or of the moment: only their types are compared.
MOMENTARY = re.compile(
    r"cpu|mem|disk|maxmem|maxdisk|maxcpu|memhost|netin|netout|diskread|diskwrite|uptime|pressure\w+|nics|swap|maxswap"
    r"|used|avail|total|free|available|used_fraction|loadavg|wait|idle|cpuinfo|kversion|current-kernel|boot-info|ksm"
    r"|rootfs|digest|config_digest|ticket|CSRFPreventionToken|value|pid|pstart|starttime|endtime|ctime|snaptime|timestamp"
    r"|time|localtime|uid|ssl_fingerprint|pve_fp|fingerprint|smbios1|vmgenid|meta|size|last_sync|next_sync|duration"
    r"|level|cgroup-mode|changes|next-run|utc|corosync_authkey"
)
# Numbers inside texts that are those of a process.
DRAWN = re.compile(r"(?<=\.tmp\.)\d+")
# What a node says of its hardware and kernel: that it says it is compared, not what.
LOOSE = {"cpuinfo", "current-kernel", "boot-info", "nics"}
# Strings that are lists: their order means nothing.
LISTS = re.compile(r"content|groups|users|privs|nodes|resources|vmid|tags|exclude|allowed|snapshots")


@dataclass(frozen=True)
class Difference:
    where: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.where}: recorded {brief(self.theirs)}, double {brief(self.ours)}"


@dataclass(frozen=True)
class Result:
    file: str
    line: int
    exchange: dict[str, Any]
    differences: list[Difference]

    def __str__(self) -> str:
        asked = self.exchange["request"]
        place, params = f"{self.file}:{self.line}", brief(asked.get("params") or "")
        head = f"{place} {asked['method']} {api.normal(asked['path'])} {params}"
        return "\n".join([head, *(f"    {difference}" for difference in self.differences)])


def brief(value: Any) -> str:
    text = json.dumps(value, default=str, sort_keys=True)
    return text if len(text) <= 300 else f"{text[:300]}…"


def exchanges(folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for file in sorted(folder.glob("*.jsonl")):
        if file.name != COMMANDS:
            for number, line in enumerate(file.read_text().splitlines(), 1):
                yield file.name, number, json.loads(line)


def commands(folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """The calls of pvesh among the commands, as exchanges: what it prints is the data, or the message."""
    file = folder / COMMANDS
    for number, line in enumerate(file.read_text().splitlines() if file.exists() else [], 1):
        told = json.loads(line)
        words = shlex.split(told["command"]) if re.fullmatch(r"pvesh [^;|<>]+", told["command"]) else []
        if len(words) < 3 or words[1] not in VERBS or "Unknown option" in told["stderr"]:
            continue
        options = dict(zip(words[3::2], words[4::2], strict=False))
        params = {key.removeprefix("--"): value for key, value in options.items() if key != "--output-format"}
        if told["rc"]:
            body = {"data": None, "message": told["stderr"]}
        elif "--output-format" not in options and told["stdout"].strip():
            continue  # a table
        else:
            body = {"data": json.loads(told["stdout"] or "null")}
        asked = {"method": VERBS[words[1]], "path": words[2], "params": params}
        yield file.name, number, {"request": asked, "body": body}


def replay_command(exchange: dict[str, Any], blind: bool) -> list[Difference]:
    """The same for a call of pvesh, which shows neither status nor reason, and `errors` below the message."""
    asked = exchange["request"]
    world, user = seeds.world_for(exchange, blind)
    body = api.Api(world).request(asked["method"], asked["path"], asked["params"], user).body
    if "message" not in exchange["body"] or "message" not in body:
        return list(compare(exchange["body"], body, "body", ""))
    refusal = Refusal(body["message"].strip(), 400 if "errors" in body else 500, body.get("errors"))
    text = exchange["body"]["message"]
    return [] if text.startswith(refusal.perl) else [Difference("stderr", text, refusal.perl)]


def replay(exchange: dict[str, Any], blind: bool = False) -> list[Difference]:
    """What the double answers otherwise than was recorded."""
    asked = exchange["request"]
    try:
        world, user = seeds.world_for(exchange, blind)
        answer = api.Api(world).request(asked["method"], asked["path"], seeds.params_of(asked), user)
    except Dropped:
        return [Difference("connection", exchange["status"], "dropped")]
    except Exception as problem:  # a defect of the double or of a seeder is one more way to differ
        return [Difference("double", exchange["status"], repr(problem))]
    found = [
        Difference(name, theirs, ours)
        for name, theirs, ours in (
            ("status", exchange["status"], answer.status),
            ("reason", DRAWN.sub("", exchange["reason"]), DRAWN.sub("", answer.reason)),
        )
        if theirs != ours
    ]
    return found + list(compare(exchange["body"], answer.body, "body", ""))


def compare(theirs: Any, ours: Any, where: str, key: str) -> Iterator[Difference]:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for name in sorted(theirs.keys() | ours.keys()):
            if name in LOOSE and name in ours and name in theirs:
                continue
            if name not in ours or name not in theirs:
                absent = "(absent)"
                yield Difference(f"{where}.{name}", theirs.get(name, absent), ours.get(name, absent))
            else:
                yield from compare(theirs[name], ours[name], f"{where}.{name}", name)
    elif isinstance(theirs, list) and isinstance(ours, list):
        yield from compare_lists(theirs, ours, where, key)
    elif not alike(theirs, ours, key, where):
        yield Difference(where, theirs, ours)


def compare_lists(theirs: list[Any], ours: list[Any], where: str, key: str) -> Iterator[Difference]:
    """As sets: every element finds the one that is most like it."""
    left = list(ours)
    for each in theirs:
        best = min(left, key=lambda other: len(list(compare(each, other, where, key))), default=None)
        if best is None:
            yield Difference(f"{where}[]", each, "(absent)")
            continue
        left.remove(best)
        yield from compare(each, best, f"{where}[{name_of(each)}]", key)
    for other in left:
        yield Difference(f"{where}[]", "(absent)", other)


def name_of(element: Any) -> Any:
    if isinstance(element, dict):
        return next(
            (element[k] for k in ("id", "key", "name", "vmid", "userid", "sid", "rule", "n") if k in element),
            "",
        )
    return ""


def alike(theirs: Any, ours: Any, key: str, where: str) -> bool:
    if key == "saved":  # now a number, now a string
        return str(theirs) == str(ours)
    if isinstance(theirs, str) and isinstance(ours, str):
        if key == "message":
            return DRAWN.sub("", theirs) == DRAWN.sub("", ours)
        a, b = UPID.fullmatch(theirs), UPID.fullmatch(ours)
        if a and b:
            return all(a[part] == b[part] for part in ("node", "type", "id", "user"))
        if LISTS.fullmatch(key):
            return set(re.split(r"[,;]", theirs)) == set(re.split(r"[,;]", ours))
    if MOMENTARY.fullmatch(key) and not where.startswith("body.errors"):
        return isinstance(ours, kinds(theirs)) and isinstance(theirs, kinds(ours))
    return bool(theirs == ours) and isinstance(theirs, str) == isinstance(ours, str)


def kinds(value: Any) -> tuple[type, ...]:
    return (int, float) if isinstance(value, int | float) else (type(value),)


def run_commands(folder: Path, blind: bool = False) -> list[Result]:
    return [Result(file, line, each, replay_command(each, blind)) for file, line, each in commands(folder)]


def run(folder: Path, blind: bool = False) -> list[Result]:
    return [
        Result(file, line, exchange, replay(exchange, blind)) for file, line, exchange in exchanges(folder)
    ]


def agreement(results: list[Result]) -> float:
    """In per cent."""
    return 100 * sum(not result.differences for result in results) / max(len(results), 1)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.doubles.pve.fidelity", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=RECORDINGS)
    parser.add_argument("--quiet", action="store_true", help="only the figures")
    parser.add_argument("--blind", action="store_true", help="read no state out of a refusal's message")
    chosen = parser.parse_args()
    results = run(chosen.folder, chosen.blind)
    shell = run_commands(chosen.folder, chosen.blind)
    if not chosen.quiet:
        for result in results + shell:
            if result.differences:
                print(result)
    total, right = Counter(r.file for r in results), Counter(r.file for r in results if not r.differences)
    for file in total:
        print(f"{file:24} {right[file]:4} of {total[file]:4}")
    if shell:
        alike = sum(not result.differences for result in shell)
        print(f"{COMMANDS:24} {alike:4} of {len(shell):4}, apart: those of pvesh that print JSON")
    if not chosen.blind:
        print(f"without what refusals tell: {agreement(run(chosen.folder, blind=True)):.1f} %")
    print(f"agreement: {agreement(results):.1f} %")


if __name__ == "__main__":
    main()
