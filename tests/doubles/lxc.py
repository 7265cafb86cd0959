# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""LXC in memory.

Facts it rests on, seen on LXC 6.0.4 (Debian 13) unless a page is named:

* a container is a file ``/var/lib/lxc/NAME/config``; ``lxc-ls --fancy`` lists exactly those, with a
  heading, and ``-`` for the pid of one that is stopped;
* the file is read at the start, and not again while the container runs;
* a limit whose controller is missing makes the start fail, and the log says why;
* ``lxc-start --daemon`` ends with 0 although the container dies a moment later (`dying`);
* ``lxc-stop --nokill`` ends with 1 when the container did not halt in time (`deaf`), and so does
  ``lxc-stop`` of one that does not run (lxc-stop(1));
* ``lxc-cgroup`` writes into the kernel's file, and fails when there is none;
* a frozen container does not halt;
* ``rmdir`` leaves a folder that is not empty, ``rm -rf`` does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._lxc.model import Config, controller_of

from .memory import MemoryHost, answered

PATH = "/var/lib/lxc"
KERNEL = {"memory.max": "max", "pids.max": "max", "cpu.max": "max 100000", "cpu.weight": "100"}


class LxcHost(MemoryHost):
    """A host with LXC.

    :param containers: configuration files by name.
    :param up: those that run, as started by something else than our code.
    :param controllers: of control groups; None: the host has no cgroup2.
    :param dying: those that stop by themselves after their start.
    :param deaf: those that do not halt when they are asked to.
    :param silent: those that never answer.
    """

    def __init__(
        self,
        containers: Mapping[str, str] | None = None,
        *,
        up: Sequence[str] = (),
        controllers: str | None = "cpuset cpu io memory pids",
        dying: Collection[str] = (),
        deaf: Collection[str] = (),
        silent: Collection[str] = (),
    ) -> None:
        files = {f"{PATH}/{name}/config": text for name, text in (containers or {}).items()}
        if controllers is not None:
            files["/sys/fs/cgroup/cgroup.controllers"] = f"{controllers}\n"
        self.lxc = Lxc(files, dying, deaf, silent)
        super().__init__(self.lxc, files=files)
        self.lxc.files = self.files
        for name in up:
            self.lxc.call(["lxc-start", "--name", name, "--daemon"], "")


class Lxc:
    """The programs of LXC, and the few others that are used beside them."""

    commands = (
        "lxc-ls", "lxc-info", "lxc-start", "lxc-stop", "lxc-freeze", "lxc-unfreeze", "lxc-cgroup",
        "lxc-attach", "rm", "rmdir", "/usr/bin/python3",
    )  # fmt: skip

    def __init__(
        self, files: dict[str, str], dying: Collection[str], deaf: Collection[str], silent: Collection[str]
    ) -> None:
        self.files = files
        self.dying, self.deaf, self.silent = set(dying), set(deaf), set(silent)
        self.state: dict[str, Any] = {"pid": 1000, "up": {}}

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        program = argv[0].rpartition("/")[2].replace("-", "_")
        return getattr(self, f"_{program}")(list(argv))  # type: ignore[no-any-return]

    # -- reading

    def _lxc_ls(self, argv: list[str]) -> Output:
        assert argv[1:] == ["--fancy", "--fancy-format=NAME,STATE,PID"], argv
        names = sorted(
            match[1] for path in self.files if (match := re.fullmatch(rf"{PATH}/([^/]+)/config", path))
        )
        if not names:
            return answered(argv)
        rows = ["NAME STATE   PID"]
        for name in names:
            up = self.state["up"].get(name)
            rows.append(f"{name} {up['state']} {up['pid']}" if up else f"{name} STOPPED -")
        return answered(argv, "\n".join(rows) + "\n")

    def _lxc_info(self, argv: list[str]) -> Output:
        name = argv[2]
        if f"{PATH}/{name}/config" not in self.files:
            return answered(argv, err=f"{name} doesn't exist\n", rc=1)
        up = self.state["up"].get(name)
        if up is None:
            return answered(argv, "State:          STOPPED\n")
        return answered(argv, f"State:          {up['state']}\nPID:            {up['pid']}\n")

    def _lxc_attach(self, argv: list[str]) -> Output:
        name, command = argv[2], argv[argv.index("--") + 1 :]
        if name not in self.state["up"]:
            return answered(argv, err=f"lxc-attach: {name}: Failed to get init pid\n", rc=1)
        if name in self.silent:
            return answered(argv, out="starting\n", rc=1)
        return answered(argv, out="running\n" if command == ["systemctl", "is-system-running"] else "")

    def _python3(self, argv: list[str]) -> Output:
        _program, _option, _code, _kind, target, _port, _patience = argv
        answering = [
            up["address"]
            for name, up in self.state["up"].items()
            if up["state"] == "RUNNING" and name not in self.silent
        ]
        if any(address and address in target for address in answering):
            return answered(argv)
        return answered(argv, err="[Errno 113] No route to host\n", rc=1)

    # -- changing

    def _lxc_start(self, argv: list[str]) -> Output:
        name = argv[2]
        if name in self.state["up"]:
            return answered(argv, err=f"lxc-start: {name}: Container is already running\n", rc=1)
        config = Config.parse(self.files[f"{PATH}/{name}/config"])
        offered = self.files.get("/sys/fs/cgroup/cgroup.controllers", "").split()
        for key in config.keys:
            controller = controller_of(key)
            if controller is not None and controller not in offered:
                knob = key.removeprefix("lxc.cgroup2.")
                self._log(name, f"No such file or directory - Failed to set {knob}", "Failed to setup")
                return answered(argv, err="The container failed to start\n", rc=1)
        if not config.value("lxc.rootfs.path"):
            self._log(name, "No such file or directory - Failed to mount rootfs", "Failed to start")
            return answered(argv, err="The container failed to start\n", rc=1)
        if name in self.dying:
            self._log(name, "Exec format error - Failed to exec /sbin/init", "Received state ABORTING")
            return answered(argv)
        self._come_up(name, config)
        return answered(argv)

    def _come_up(self, name: str, config: Config) -> None:
        self.state["pid"] += 1
        pid = self.state["pid"]
        address = config.value("lxc.net.0.ipv4.address").partition("/")[0]
        self.state["up"][name] = {"pid": pid, "state": "RUNNING", "address": address}
        self.files[f"/proc/{pid}/cgroup"] = f"0::/lxc.payload.{name}/init.scope\n"
        offered = self.files.get("/sys/fs/cgroup/cgroup.controllers", "").split()
        for knob, value in KERNEL.items():
            if knob.partition(".")[0] in offered:
                self.files[self._knob(name, knob)] = f"{config.value(f'lxc.cgroup2.{knob}') or value}\n"

    def _lxc_stop(self, argv: list[str]) -> Output:
        name = argv[2]
        up = self.state["up"].get(name)
        if up is None:
            return answered(argv, err=f"{name} is not running\n", rc=2)
        if "--kill" not in argv and (name in self.deaf or up["state"] == "FROZEN"):
            return answered(argv, rc=1)
        del self.state["up"][name]
        for path in [path for path in self.files if path.startswith(("/proc/", self._knob(name, "")))]:
            if path == f"/proc/{up['pid']}/cgroup" or not path.startswith("/proc/"):
                del self.files[path]
        return answered(argv)

    def _lxc_freeze(self, argv: list[str]) -> Output:
        self.state["up"][argv[2]]["state"] = "FROZEN"
        return answered(argv)

    def _lxc_unfreeze(self, argv: list[str]) -> Output:
        self.state["up"][argv[2]]["state"] = "RUNNING"
        return answered(argv)

    def _lxc_cgroup(self, argv: list[str]) -> Output:
        _program, _option, name, knob, value = argv
        path = self._knob(name, knob)
        if path not in self.files:
            return answered(argv, err=f"lxc-cgroup: {name}: Failed to assign '{value}' to '{knob}'\n", rc=1)
        self.files[path] = f"{value}\n"
        return answered(argv)

    def _rm(self, argv: list[str]) -> Output:
        for path in [path for path in self.files if path.startswith(f"{argv[-1]}/")]:
            del self.files[path]
        return answered(argv)

    def _rmdir(self, argv: list[str]) -> Output:
        return answered(argv)

    # -- parts

    def _knob(self, name: str, knob: str) -> str:
        return f"/sys/fs/cgroup/lxc.payload.{name}/{knob}"

    def _log(self, name: str, *errors: str) -> None:
        path = f"/var/log/lxc/{name}.log"
        lines = "".join(
            f"lxc-start {name} 20261120180000.000 ERROR    start - ../src/lxc/start.c:f:1 - {error}\n"
            for error in errors
        )
        self.files[path] = self.files.get(path, "") + lines
