# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: two servers, machines on them, and one that moves. Run by `make demo`.

python3 -m tests.demo [debian|freebsd|proxmox]
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tests.lab import Lab, LabError
from tests.lab.proxmox import PASSWORD

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PATIENCE = 4.0
"""Seconds of silence after which a sign of life is printed."""
FAILOVER_PATIENCE = 180.0
"""Seconds in which a machine must run again whose server died."""
MACHINE, ADDRESS, HOME, TARGET = "ssa", "192.0.2.21", "castor", "pollux"


@dataclass(frozen=True)
class Platform:
    """What is otherwise on another system.

    :param lab: the name of its lab: both may be up.
    :param services: the playbook that puts services into the machines.
    :param freebsd: the release of FreeBSD as which the servers behave.
    :param proxmox: the release of Proxmox VE that they get.
    """

    title: str
    lab: str
    inventory: str
    services: str
    freebsd: str = ""
    proxmox: str = ""


PLATFORMS = {
    "debian": Platform("bare Debian", "lab", "lab", "services.yml"),
    "freebsd": Platform(
        "servers that behave as FreeBSD 14.3",
        "freebsd",
        "lab-freebsd",
        "services-freebsd.yml",
        freebsd="14.3",
    ),
    "proxmox": Platform("bare Debian", "proxmox", "lab-proxmox", "services-proxmox.yml", proxmox="9.2"),
}


class Failed(Exception):
    """A part of the demonstration did not end well.

    :ivar said: what it printed.
    """

    said = ""


def title(text: str) -> None:
    print(f"\n=== {text}", flush=True)


def follow(argv: list[str]) -> str:
    """Run a command, showing what it prints as it comes; its whole output."""
    started = last = time.monotonic()
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    said = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(PATIENCE - (time.monotonic() - last)):
                last = time.monotonic()
                print(f"... {last - started:.0f} s", flush=True)
                continue
            chunk = os.read(process.stdout.fileno(), 65536)
            if not chunk:
                break
            last = time.monotonic()
            said += chunk
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    if process.wait():
        failed = Failed(f"{Path(argv[-1]).name} ended with exit code {process.returncode}")
        failed.said = said.decode(errors="replace")
        raise failed
    return said.decode(errors="replace")


class Demonstration:
    """What is shown, in order."""

    def __init__(self, lab: Lab, platform: Platform) -> None:
        self.lab = lab
        self.platform = platform

    def playbook(self, *words: str) -> str:
        """Run ansible-playbook on the control node."""
        inventories = [
            "-i",
            str(self.lab.inventory()),
            "-i",
            str(ROOT / "inventories" / self.platform.inventory),
        ]
        return follow(self.lab.command("ansible-playbook", *inventories, *words))

    def ask(self, address: str) -> dict[str, object]:
        """What the service at an address answers, asked from the control node."""
        asked = self.lab.run(
            "curl", "-sSf", "--max-time", "5", "--retry", "5", "--retry-connrefused", f"http://{address}/"
        )
        if asked.returncode:
            raise Failed(f"http://{address}/ does not answer: {asked.stderr.strip()}")
        answer: dict[str, object] = json.loads(asked.stdout)
        print(f"http://{address}/ answers {asked.stdout.strip()}", flush=True)
        return answer

    def servers_of_machines(self) -> dict[str, str]:
        """Where each machine runs, as the servers say."""
        found = {}
        for server in (HOME, TARGET):
            said = json.loads(self.lab.ssh(server, "twin info", check=True).stdout)
            found |= {
                each["name"]: server
                for each in said["machines"]
                if each["owner"] == server and each["state"] == "running"
            }
        return found

    def run(self) -> None:
        title("Two servers and a witness")
        self.lab.up()
        title(f"site.yml: from {self.platform.title} to machines that run")
        self.build()
        title("Services, put into the machines through their servers")
        self.services()
        before = self.ask(ADDRESS)
        self.ask("192.0.2.22")
        title("site.yml again: nothing to change")
        recap = self.playbook("twin.datacenter.site")
        if set(re.findall(r"changed=(\d+)", recap)) != {"0"}:
            raise Failed("the second run of site.yml changed something")
        if self.servers_of_machines().get(MACHINE) != HOME:
            title(f"{MACHINE} is on {TARGET} from an earlier demonstration: first back to {HOME}")
            self.playbook("twin.datacenter.migrate", "-e", f"machine={MACHINE}", "-e", f"to={HOME}")
        self.move(before)

    def build(self) -> None:
        self.playbook("twin.datacenter.site")

    def services(self) -> None:
        self.playbook(str(HERE / self.platform.services))

    def move(self, before: dict[str, object]) -> None:
        title(f"migrate.yml: {MACHINE} moves from {HOME} to {TARGET} while it is asked every 20 ms")
        prober = subprocess.Popen(
            self.lab.command("python3", str(HERE / "prober.py"), f"http://{ADDRESS}/"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.playbook("twin.datacenter.migrate", "-e", f"machine={MACHINE}", "-e", f"to={TARGET}")
        probed = json.loads(prober.communicate("end\n")[0])
        title("The same service at the same address, on the other server, with its data")
        after = self.ask(ADDRESS)
        if int(str(after["asked"])) <= int(str(before["asked"])):
            raise Failed(f"data was lost: asked {before['asked']} times before and {after['asked']} after")
        server = self.servers_of_machines().get(MACHINE)
        if server != TARGET:
            raise Failed(f"{MACHINE} runs on {server}, not on {TARGET}")
        self.summary(probed)

    def summary(self, probed: dict[str, float]) -> None:
        """The last lines: server, machine, bytes of each round, downtime."""
        text = self.lab.ssh(TARGET, "cat /var/lib/twin/reports/migration.json", check=True).stdout
        report = json.loads(text)
        moved = report[0]
        title("Summary")
        print(f"server:   {moved['to']} (before: {moved['from']})")
        print(f"machine:  {moved['machine']}, {ADDRESS}")
        for number, each in enumerate(moved["rounds"], 1):
            print(f"round {number}:  {each['bytes']} bytes sent in {each['seconds']:.2f} s")
        print(f"downtime: {probed['longest_gap_s']:.2f} s, asked every 20 ms from the control node")


class Cluster(Demonstration):
    """The same on Proxmox VE, and a failover at its end."""

    def build(self) -> None:
        """Two runs, if the servers are bare: Proxmox's own kernel has to be booted between them."""
        try:
            super().build()
        except Failed as failed:
            if "A boot is owed" not in failed.said:
                raise
            title("The servers are booted, as they ask for, and site.yml goes on")
            for server in (HOME, TARGET):
                self.lab.power(server, "cycle")
            super().build()

    def services(self) -> None:
        os.environ["PROXMOX_PASSWORD"] = PASSWORD
        self.playbook("-i", str(HERE / "proxmox-machines.yml"), str(HERE / self.platform.services))

    def servers_of_machines(self) -> dict[str, str]:
        listed = self.api("/cluster/resources --type vm")
        return {each["name"]: each["node"] for each in listed if each["status"] == "running"}

    def api(self, words: str) -> list[dict[str, str]]:
        """What a node answers."""
        said = self.lab.ssh(HOME, f"pvesh get {words} --output-format json", check=True).stdout
        answer: list[dict[str, str]] = json.loads(said)
        return answer

    def move(self, before: dict[str, object]) -> None:
        self.show(
            "pvecm status",
            "ha-manager status",
            "pvesh get /cluster/ha/rules",
            "pvesh get /cluster/mapping/pci",
        )
        super().move(before)
        self.fail_over()

    def show(self, *commands: str) -> None:
        """What commands say on a node."""
        for command in commands:
            title(f"{HOME}# {command}")
            print(self.lab.ssh(HOME, command, check=True).stdout.rstrip(), flush=True)

    def fail_over(self) -> None:
        """The server on which the machine is dies: what the manager says until it runs again."""
        title(f"{TARGET} loses its power; the manager of {HOME} starts {MACHINE} there, from its replica")
        began = time.monotonic()
        self.lab.power(TARGET, "off")
        said = ""
        while self.servers_of_machines().get(MACHINE) != HOME or "(recovery)" in said:
            if time.monotonic() - began > FAILOVER_PATIENCE:
                raise Failed(f"{MACHINE} does not run on {HOME} after {FAILOVER_PATIENCE:.0f} s")
            now = self.lab.ssh(HOME, "ha-manager status", check=True).stdout
            told = "\n".join(line for line in now.splitlines() if line.startswith("service"))
            if told != said:
                said = told
                print(f"{time.monotonic() - began:5.1f} s\n{told}", flush=True)
            time.sleep(1)
        print(f"{MACHINE} runs on {HOME} after {time.monotonic() - began:.0f} s", flush=True)
        self.ask(ADDRESS)
        title(f"{TARGET} comes back")
        self.lab.power(TARGET, "on")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.demo")
    parser.add_argument("platform", nargs="?", default="debian", choices=PLATFORMS)
    platform = PLATFORMS[parser.parse_args().platform]
    lab = Lab(
        platform.lab,
        say=lambda text: print(text, flush=True),
        freebsd=platform.freebsd,
        proxmox=platform.proxmox,
    )
    try:
        (Cluster if platform.proxmox else Demonstration)(lab, platform).run()
    except (Failed, LabError) as error:
        print(f"\nThe demonstration failed: {error}.", file=sys.stderr)
        return 1
    print(
        f"\nThe lab is still up; look around with `python3 -m tests.lab ssh --name {lab.name} castor`, "
        "end it with `make down`."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
