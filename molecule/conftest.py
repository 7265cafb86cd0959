# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of all scenarios ask of a server, in the words of its platform."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import Any

import pytest
from testinfra.host import Host


class Server(ABC):
    """A server of the lab.

    :cvar clock: the service that keeps its clock.
    :cvar images: of machines, as the inventory has them.
    """

    clock: str
    images: tuple[str, ...]

    def __init__(self, host: Host) -> None:
        self._host = host
        self.name = str(host.check_output("uname -n"))
        self.declared: dict[str, dict[str, Any]] = host.ansible.get_variables()["machines"]
        """The machines, as the inventory has them."""

    def of_home(self) -> list[str]:
        """The machines whose home it is."""
        return sorted(name for name, each in self.declared.items() if each["home"] == self.name)

    @abstractmethod
    def running(self) -> list[str]:
        """The machines that run on it."""

    @abstractmethod
    def inside(self, machine: str, command: str) -> str:
        """What a command answers in a machine."""

    @abstractmethod
    def confined(self, machine: str) -> bool:
        """Whether a running machine may do no more on the server than its platform lets such a machine."""

    @abstractmethod
    def bridged(self) -> list[str]:
        """The interfaces in br0."""

    @abstractmethod
    def pause(self, job: str) -> int:
        """Seconds from the end of a job that is repeated to its next run."""

    @abstractmethod
    def repeat(self, job: str) -> str:
        """Run such a job now, as its timer would. Returns what it said, and may have said at earlier runs."""


class Debian(Server):
    clock = "chrony"
    images = ("debian-13",)

    def running(self) -> list[str]:
        return sorted(self._host.check_output("lxc-ls --running -1").split())

    def inside(self, machine: str, command: str) -> str:
        return str(self._host.check_output(f"lxc-attach -n {machine} -- {command}"))

    def confined(self, machine: str) -> bool:
        # Its root is nobody on the server.
        pid = self._host.check_output(f"lxc-info -n {machine} -pH")
        return bool(self._host.check_output(f"stat -c %u /proc/{pid}") == "100000")

    def bridged(self) -> list[str]:
        return str(self._host.check_output("ls /sys/class/net/br0/brif")).split()

    def pause(self, job: str) -> int:
        timer = self._host.service(f"{job}.timer")
        assert timer.is_running
        assert timer.is_enabled
        shown = self._host.check_output(f"systemctl cat {job}.timer")
        ((count, unit),) = re.findall(r"^OnUnitInactiveSec=(\d+)(s|min)$", shown, re.MULTILINE)
        return int(count) * {"s": 1, "min": 60}[unit]

    def repeat(self, job: str) -> str:
        self._host.check_output(f"systemctl start {job}.service")
        assert self._host.check_output(f"systemctl show -P Result {job}.service") == "success"
        return str(self._host.check_output(f"journalctl --unit={job} --output=cat --quiet --no-pager"))


class Freebsd(Server):
    clock = "ntpd"
    images = ("freebsd-14.3", "freebsd-14.3-thin")

    def running(self) -> list[str]:
        return sorted(self._host.check_output("jls name").split())

    def inside(self, machine: str, command: str) -> str:
        return str(self._host.check_output(f"jexec {machine} {command}"))

    def confined(self, machine: str) -> bool:
        # It sees the devices of devfs_rules_jail(4) and those below, and changes no flags of files.
        shown = self._host.check_output(f"jls -j {machine} devfs_ruleset allow.chflags")
        return shown == "5 false"

    def bridged(self) -> list[str]:
        return re.findall(r"member: (\S+)", self._host.check_output("ifconfig br0"))

    def pause(self, job: str) -> int:
        return int(self._line(job)[0])

    def repeat(self, job: str) -> str:
        return str(self._host.check_output(self._line(job)[1]))

    def _line(self, job: str) -> tuple[str, str]:
        """Of its table: seconds, and the command without where its words go."""
        table = self._host.file(f"/etc/cron.d/{job.replace('@', '-')}").content_string
        ((seconds, command),) = re.findall(r"^@(\d+) root (.*) 2>&1 \| logger ", table, re.MULTILINE)
        return seconds, command


@pytest.fixture
def server(host: Host) -> Server:
    """The server that a test is about."""
    return {"Linux": Debian, "FreeBSD": Freebsd}[host.check_output("uname -s")](host)
