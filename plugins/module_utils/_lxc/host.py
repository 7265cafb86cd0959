# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""LXC containers on a host: read them, apply a step.

Exit codes of the lxc-* programs are not believed: lxc-start(1) says yes to a container that dies at
once, lxc-stop(1) says no to one that has just gone. The state is read again instead.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from .._core.check import Check, probe
from .._core.check import wait_for_answer as check_answers
from .._core.errors import CommandFailed, CommandMissing, TwinError
from .._core.host import Host, WritableHost
from .._core.plan import Step
from .model import Config, Container, Found, System, Wanted, exported
from .plan import configured, plan_containers, verdict

PATH = "/var/lib/lxc"
RUNNING = "/run/twin/lxc"
"""The file with which each container was started; gone with the boot, as the containers are."""
LOGS = "/var/log/lxc"
CONTROLLERS = "/sys/fs/cgroup/cgroup.controllers"


# ---- reading ----------------------------------------------------------------------------------


def read(host: Host, wanted: Wanted) -> System:
    """The containers that the options speak of; a host without LXC is empty while it is only looked at."""
    try:
        states = read_states(host)
    except CommandMissing:
        if host.writable:
            raise
        return System()
    declared = {container.name: container for container in wanted.containers}
    names = [
        name
        for name in states
        if name in declared or (wanted.scope is not None and fnmatchcase(name, wanted.scope))
    ]
    found = {}
    for name in names:
        keys = declared[name].config if name in declared else ()
        found[name] = _found(host, name, *states[name], keys=list(keys))
    return System(found, read_controllers(host))


def read_controllers(host: Host) -> frozenset[str] | None:
    """The controllers of control groups that a host offers; None when that cannot be known."""
    text = host.read(CONTROLLERS)
    return None if text is None else frozenset(text.split())


def read_info(host: Host, params: Mapping[str, Any]) -> dict[str, Any]:
    """All containers, or those named, as module lxc_container accepts them."""
    try:
        states = read_states(host)
    except CommandMissing:
        states = {}
    names = params.get("names") or sorted(states)
    found = [_found(host, name, *states[name]) for name in names if name in states]
    return {"containers": [exported(container) for container in found]}


def read_states(host: Host) -> dict[str, tuple[str, int]]:
    """State and pid (0 when stopped) of all containers, by one command however many there are."""
    lines = host.run(["lxc-ls", "--fancy", "--fancy-format=NAME,STATE,PID"]).out.splitlines()[1:]
    rows = [line.split() for line in lines if line.strip()]
    return {name: (state.lower(), int(pid) if pid.isdigit() else 0) for name, state, pid in rows}


def _found(host: Host, name: str, state: str, pid: int, keys: Sequence[str] = ()) -> Found:
    config = Config.parse(host.read(f"{PATH}/{name}/config") or "")
    running = _started_with(host, name, pid) if pid else None
    return Found(
        name=name,
        state=state,
        pid=pid,
        config=config,
        running=config if running is None else Config.parse(running),
        limits=_limits(host, pid, [key for key in keys if verdict(key) == "live"]) if pid else {},
        data=bool(host.listing(f"{PATH}/{name}/rootfs")),
    )


def _started_with(host: Host, name: str, pid: int) -> str | None:
    """The file with which the process of this pid was started, if it was us who started it."""
    owner, _newline, text = (host.read(f"{RUNNING}/{name}") or "").partition("\n")
    return text if owner == str(pid) else None


def _limits(host: Host, pid: int, keys: Sequence[str]) -> dict[str, str]:
    """What the kernel says of these limits."""
    if not keys:
        return {}
    match = re.search(r"^0::(/.*)$", host.read(f"/proc/{pid}/cgroup") or "", re.MULTILINE)
    if match is None:
        return {}
    # systemd puts itself into a group of its own below the one that bears the limits.
    group = f"/sys/fs/cgroup{match[1].removesuffix('/init.scope')}"
    values = {key: host.read(f"{group}/{key.removeprefix('lxc.cgroup2.')}") for key in keys}
    return {key: value.strip() for key, value in values.items() if value is not None}


def state_of(host: Host, name: str) -> tuple[str, int]:
    """State and pid of one container; one that is not defined is ``stopped``."""
    output = host.run(["lxc-info", "--name", name, "--state", "--pid"], ok=range(256))
    words = dict(re.findall(r"^(\w+):\s+(\S+)", output.out, re.MULTILINE))
    return words.get("State", "STOPPED").lower(), int(words.get("PID", "0"))


def running(host: Host, name: str) -> bool:
    """Whether a container has processes."""
    return state_of(host, name)[0] != "stopped"


# ---- changing ---------------------------------------------------------------------------------


def apply(host: WritableHost, step: Step) -> dict[str, Any] | None:
    """Carry out one step."""
    name = step.args["name"]
    match step.verb:
        case "define" | "set":
            _configure(host, name, step.args["config"])
            if step.args.get("live"):
                _set_live(host, name, step.args["config"])
        case "live":
            _set_live(host, name, step.args["config"])
        case "start":
            return _start_and_wait(host, step.args)
        case "restart":
            stop(host, name, step.args["timeout"])
            return _start_and_wait(host, step.args)
        case "stop":
            return {"killed": True} if stop(host, name, step.args["timeout"]) else None
        case "freeze":
            host.change(["lxc-freeze", "--name", name])
        case "unfreeze":
            host.change(["lxc-unfreeze", "--name", name])
        case "remove":
            remove(host, name, data=bool(step.destroys))
    return None


def define(host: WritableHost, container: Container) -> None:
    """Bring a container's file to what was declared, without starting, stopping or removing anything.

    :raises Refused: when this host cannot enforce one of its limits.
    """
    wanted = Wanted((replace(container, state="present", apply="next_boot"),))
    plan = plan_containers(read(host, wanted), wanted)
    plan.guard()
    for step in plan.due:
        apply(host, step)


def _configure(host: WritableHost, name: str, values: Mapping[str, Sequence[str]]) -> None:
    path = f"{PATH}/{name}/config"
    text = host.read(path)
    state, pid = state_of(host, name) if text is not None else ("stopped", 0)
    if state != "stopped" and _started_with(host, name, pid) is None:
        # The last moment at which what the container was started with can still be known.
        host.write(f"{RUNNING}/{name}", f"{pid}\n{text}", 0o600)
    after = configured(Config.parse(text or ""), values).text
    if after != text:
        host.write(path, after)


def _set_live(host: WritableHost, name: str, values: Mapping[str, Sequence[str]]) -> None:
    for key, items in values.items():
        host.change(["lxc-cgroup", "--name", name, key.removeprefix("lxc.cgroup2."), items[-1]])


def start(host: WritableHost, name: str) -> None:
    """Start a container and see that it runs; one that runs already is left alone.

    :raises CommandFailed: with the words of LXC's log, when it does not run.
    """
    if running(host, name):
        return
    text = host.read(f"{PATH}/{name}/config")
    if text is None:
        raise TwinError(f"container {name} cannot be started", "it is not defined here", "define it first")
    own = Config.parse(text).value("lxc.log.file")
    log = own or f"{LOGS}/{name}.log"
    seen = len(host.read(log) or "")
    options = [] if own else [f"--logfile={log}", "--logpriority=ERROR"]
    output = host.change(["lxc-start", "--name", name, "--daemon", *options], ok=range(256))
    state, pid = state_of(host, name)
    if state == "stopped":
        said = (host.read(log) or "")[seen:] or output.err
        raise CommandFailed(
            f"container {name} did not start",
            _reason(said) or "LXC gave no reason",
            f"its log is {log}",
            command=list(output.argv),
            rc=output.rc,
            stderr="\n".join(said.splitlines()[-20:]),
        )
    host.write(f"{RUNNING}/{name}", f"{pid}\n{text}", 0o600)


def _reason(log: str) -> str:
    """What went wrong, from LXC's log: its first error is the cause, those behind it are consequences."""
    errors = re.findall(r" ERROR +\S+ - \S+ - (.*)$", log, re.MULTILINE)
    return str(errors[0]) if errors else "".join(log.strip().splitlines()[-1:])


def stop(host: WritableHost, name: str, timeout: int = 60) -> bool:
    """Ask a container to halt, and end it when it has not within the timeout.

    :returns: whether it had to be ended.
    :raises CommandFailed: when it runs even then.
    """
    state, _pid = state_of(host, name)
    if state == "stopped":
        return False
    if state == "frozen":
        host.change(["lxc-unfreeze", "--name", name])
    host.change(["lxc-stop", "--name", name, "--nokill", f"--timeout={timeout}"], ok=range(256))
    killed = running(host, name)
    if killed:
        output = host.change(["lxc-stop", "--name", name, "--kill"], ok=range(256))
        if running(host, name):
            raise CommandFailed(
                f"container {name} could not be stopped",
                f"it still runs after {timeout} s and after it was killed",
                "look for processes that wait for a disk or a network mount",
                command=list(output.argv),
                rc=output.rc,
                stderr=output.err,
            )
    host.remove(f"{RUNNING}/{name}")
    return killed


def remove(host: WritableHost, name: str, *, data: bool = False) -> None:
    """Remove the definition of a container that does not run.

    Never by lxc-destroy(1), which removes the root file system too, wherever it lies.

    :param data: remove what lies in its own folder with it.
    """
    host.remove(f"{PATH}/{name}/config")
    if data:
        host.change(["rm", "-rf", "--one-file-system", f"{PATH}/{name}"])
    else:
        # The folder goes if nothing is left in it.
        host.change(["rmdir", "--ignore-fail-on-non-empty", f"{PATH}/{name}"], ok=(0, 1))


# ---- whether it answers -----------------------------------------------------------------------


def _start_and_wait(host: WritableHost, args: Mapping[str, Any]) -> dict[str, Any]:
    began = time.monotonic()
    start(host, args["name"])
    wait_for_answer(host, args["name"], Check(**args["check"]), args["wait"])
    return {"answered_after": round(time.monotonic() - began, 2)}


def wait_for_answer(host: Host, name: str, check: Check, timeout: float) -> None:
    """Wait until a container answers.

    :param timeout: seconds.
    :raises CommandFailed: when it does not, or stops running; with what it said last.
    """
    check_answers(
        f"container {name}",
        check,
        lambda patience: answer(host, name, check, patience),
        lambda: running(host, name),
        timeout,
    )


def answer(host: Host, name: str, check: Check, patience: float = 0.0) -> str | None:
    """Ask once, or for a while, whether a container answers: None if it does, else what was said instead.

    :param patience: seconds for which an address is asked again.
    """
    if check.kind == "command":
        output = host.run(_inside(name, *check.argv), ok=range(256))
        return None if output.rc == 0 else _last(output.err or output.out) or f"exit code {output.rc}"
    if check.kind == "init":
        return _init_is_up(host, name)
    return probe(host, check, patience)


def _init_is_up(host: Host, name: str) -> str | None:
    """systemd says so itself; an init that knows no systemctl is up when it runs."""
    output = host.run(_inside(name, "systemctl", "is-system-running"), ok=range(256))
    said = output.out.strip()
    if said in ("running", "degraded"):
        return None
    if not said and "No such file" in output.err:
        return None if running(host, name) else "it does not run"
    return said or _last(output.err) or "nothing"


def _inside(name: str, *argv: str) -> list[str]:
    path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return ["lxc-attach", "--name", name, "--clear-env", f"--set-var={path}", "--", *argv]


def _last(text: str) -> str:
    return "".join(text.strip().splitlines()[-1:])
