# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks as people run them, on a pair that begins empty. A lab of its own.

The tests build on each other in their order: what is announced, what is done, that it stays so.
"""

from __future__ import annotations

import copy
import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.bed import SLOWNESS
from tests.lab import Lab

ROOT = Path(__file__).parents[2]
INVENTORY = ROOT / "inventories/lab"
SERVERS = ("castor", "pollux")
PLAYBOOKS = {
    "site": (),
    "machines": (),
    "parity": (),
    "migrate": ("-e", "machine=ssa", "-e", "to=pollux"),
    "evacuate": ("-e", "server=castor"),
}
HOWTO = (ROOT / "docs/howto/run.md").read_text()
SITE = "site"
"""The saved state of a pair on which site.yml was run."""


@dataclass(frozen=True)
class Played:
    """How a run of a playbook ended."""

    rc: int
    said: str
    record: list[dict[str, Any]]

    @property
    def changed(self) -> set[tuple[str, str]]:
        """Task and host of every change."""
        return {(line["task"], line["host"]) for line in self.record if line["changed"]}

    @property
    def plans(self) -> dict[tuple[str, str], list[str]]:
        """What each task said it would do, or did; not what is owed."""
        plans: dict[tuple[str, str], list[str]] = {}
        for line in self.record:
            due = [sentence for sentence in line["plan"] if not sentence.endswith("(owed)")]
            if due:
                plans[line["task"], line["host"]] = due
        return plans

    @property
    def sentences(self) -> set[tuple[str, str]]:
        """Host and sentence of all that was said, what is owed too."""
        return {(line["host"], sentence) for line in self.record for sentence in line["plan"]}

    @property
    def skipped(self) -> set[str]:
        """Tasks that were skipped."""
        return {line["task"] for line in self.record if line["outcome"] == "skipped"}

    @property
    def hosts(self) -> set[str]:
        """Hosts on which anything ran after the declaration was checked."""
        return {line["host"] for line in self.record if line["play"] != "Declaration"}


class Pair:
    """The lab, and playbooks on it."""

    inventory = INVENTORY

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.shown: list[str] = []
        """Whatever was printed, logged, or stood on a command line."""
        self.first: Played | None = None
        """The run that made the state `SITE`."""

    def start(self, name: str, *words: str) -> subprocess.Popen[str]:
        """Begin a playbook on the control node, in a process group of its own."""
        argv = [
            "ansible-playbook",
            "-i",
            str(self.lab.inventory()),
            "-i",
            str(self.inventory),
            f"twin.datacenter.{name}",
        ]
        record = self.folder / "record"
        record.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "record",
            "ANSIBLE_NOCOLOR": "1",
            "TWIN_RECORD": str(record),
        }
        return subprocess.Popen(
            self.lab.command(*argv, *words), env=environment, text=True, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def play(self, name: str, *words: str) -> Played:
        """Run a playbook to its end. A warning is a failure."""
        process = self.start(name, *words)
        said, _nothing = process.communicate()
        record = self.folder / "record"
        lines = record.read_text().splitlines() if record.exists() else []
        print(said)
        self.shown.append(said)
        assert "[WARNING]" not in said
        assert "DEPRECAT" not in said
        return Played(process.returncode, said, [json.loads(line) for line in lines])

    def done(self, name: str, *words: str) -> Played:
        """The same, which must end well."""
        played = self.play(name, *words)
        assert played.rc == 0
        return played

    def built(self) -> Played:
        """The first run of site.yml, kept as a saved state.

        Ansible is made to say all that it can, and command lines are looked at all the while.
        """
        for server in SERVERS:
            self.sh(server, f"systemd-run --quiet --unit=watch sh -c {WATCH!r}")
        played = self.first = self.done("site", "-vvv", "--diff")
        for server in SERVERS:
            self.shown.append(self.sh(server, f"systemctl stop watch; {WATCHED}"))
        self.lab.save(SITE)
        return played

    def equip(self, server: str, collection: Path) -> None:
        """Make a server one that can run playbooks, as the howto tells; the inventory is copied there."""
        ssh = f"-q -F /dev/null -o UserKnownHostsFile={self.lab.known_hosts} -i {self.lab.key}".split()
        self.lab.run("scp", *ssh, "-r", collection, INVENTORY, f"root@{server}:", check=True)
        self.lab.ssh(server, "cat >>.ssh/known_hosts", input=self.lab.known_hosts.read_text(), check=True)
        for command in EQUIP:
            assert f"\n    {command}\n" in HOWTO
            self.lab.ssh(server, command, input="y\n", check=True)

    def done_on(self, server: str, name: str, *words: str) -> str:
        """Run a playbook on a server, which must end well; our key stays here, in an agent.

        Returns what it printed.
        """
        command = shlex.join(["ansible-playbook", "-i", ".", f"twin.datacenter.{name}", *words])
        *ssh, address = self.lab.ssh_command(server)
        argv = [*ssh, "-A", address, f"cd {INVENTORY.name} && {command} 2>&1"]
        agent = ["ssh-agent", "sh", "-c", 'ssh-add -q "$0" && exec "$@"', str(self.lab.key)]
        done = subprocess.run(
            [*agent, *argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout)
        self.shown.append(done.stdout)
        assert done.returncode == 0
        assert "[WARNING]" not in done.stdout
        return done.stdout

    def sh(self, server: str, command: str) -> str:
        """What a command prints on a server."""
        return str(self.lab.ssh(server, command, check=True).stdout)

    def homes(self) -> dict[str, list[str]]:
        """On which servers each machine runs."""
        homes: dict[str, list[str]] = {}
        for server in SERVERS:
            for name in self.sh(server, "lxc-ls --running -1").split():
                homes.setdefault(name, []).append(server)
        return homes

    def copy_image(self, old: str, new: str) -> None:
        """Make an image which is that of another name but for one file; on both servers."""
        self.sh("castor", COPY_IMAGE.format(old=old, new=new))
        stream = self.lab.ssh("castor", f"zfs send tank/images/{new}@base", text=False, check=True).stdout
        receive = f"zfs receive tank/images/{new} && zfs set readonly=on tank/images/{new}"
        self.lab.ssh("pollux", receive, input=stream, text=False, check=True)

    def roots(self, server: str, name: str) -> dict[str, str]:
        """The root file systems of a machine on a server, and of which image each is a clone."""
        listed = self.sh(server, f"zfs list -H -r -o name,origin tank/machines/{name}").split()
        pairs = zip(listed[::2], listed[1::2], strict=True)
        top, image = f"tank/machines/{name}/", "tank/images/"
        found = {dataset.removeprefix(top): origin for dataset, origin in pairs if f"{top}root" in dataset}
        return {root: origin.removeprefix(image).removesuffix("@base") for root, origin in found.items()}

    def owners(self, name: str) -> set[str]:
        """Who owns a machine, as both servers say."""
        return {
            self.sh(server, f"zfs get -H -o value twin:owner tank/machines/{name}").strip()
            for server in SERVERS
        }


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """A pair that nothing was ever run on."""
    with Lab(f"playbooks-{os.getpid()}") as lab:
        yield Pair(lab, tmp_path_factory.mktemp("playbooks"))


@pytest.fixture
def site(pair: Pair) -> Pair:
    """A pair on which site.yml was run."""
    if SITE not in pair.lab.status()["saved"]:
        pair.built()
    return pair


@pytest.mark.parametrize(
    ("name", "limit"),
    [
        ("site", "all"),
        ("site", "castor"),
        ("machines", "castor"),
        ("parity", "all"),
        ("migrate", "all"),
        ("evacuate", "castor"),
    ],
)
def test_check_on_an_empty_pair(pair: Pair, name: str, limit: str) -> None:
    pair.done(name, *PLAYBOOKS[name], "--check", "--diff", "--limit", limit)
    for server in SERVERS:
        assert (
            pair.sh(server, "ls -d /etc/twin /usr/local/sbin/twin /sys/class/net/br0 2>/dev/null || true")
            == ""
        )


def test_what_is_announced_on_an_empty_pair_is_done(pair: Pair) -> None:
    announced = pair.done("site", "--check")
    done = pair.built()
    # An image that is not made yet cannot be compared with that of the other server: check mode skips it.
    unknown = {task for task, _host in done.changed - announced.changed}
    assert unknown <= announced.skipped
    assert announced.changed == {change for change in done.changed if change[0] not in unknown}
    assert pair.homes() == {"ssa": ["castor"], "tap": ["pollux"]}


def test_a_second_run_changes_nothing(site: Pair) -> None:
    again = site.done("site")
    assert again.changed == set()
    assert again.plans == {}
    assert set(re.findall(r"changed=(\d+)", again.said)) == {"0"}


NOTHING_TO_DO = {
    "twin.datacenter.machine : What the other server has": "it is in this run itself",
    "twin.datacenter.machine : Machines that go, where they live": "no machine is declared absent",
    "twin.datacenter.machine : What the other server has of machines that go": "likewise",
    "twin.datacenter.machine : Machines whose image is another one now": "none is declared another one",
    "twin.datacenter.machine : What has become of their root file systems": "likewise",
    "twin.datacenter.machine : Jails": "no machine is one",
    "twin.datacenter.replication : Stop the timers of machines that are gone": "likewise",
    "twin.datacenter.witness : Logins for pvecm": "the servers are none of Proxmox VE",
    "twin.datacenter.pair : Cluster": "likewise",
}
"""The tasks that the lab's inventory gives nothing to do, whatever its servers can do."""
MEMORY = "lxc.cgroup2.memory.max"


def test_what_a_server_cannot_do_is_said(site: Pair) -> None:
    """No task is skipped for want of a capability; what a module leaves out for it is named in its plan."""
    assert site.first
    assert site.first.skipped == NOTHING_TO_DO.keys()
    _twin, machines = declared()
    for name, machine in machines.items():
        home = machine["home"]
        sentence = f"{MEMORY} of container {name} is not enforced, this host has no memory controller (owed)"
        said = (home, sentence) in site.first.sentences
        assert said is (MEMORY not in site.sh(home, f"cat /var/lib/lxc/{name}/config"))
        assert said is ("memory" not in site.sh(home, "cat /sys/fs/cgroup/cgroup.controllers").split())


@pytest.mark.parametrize("words", [("--check", "--diff"), ("--limit", "castor")])
def test_a_converged_pair_stays_so(site: Pair, words: tuple[str, ...]) -> None:
    assert site.done("site", *words).changed == set()


def test_a_change_is_done_as_announced(site: Pair) -> None:
    _twin, machines = declared()
    machines["ssa"] |= {"rpo": "10m", "options": {"lxc.environment": "LANG=C.UTF-8"}}
    words = ("-e", json.dumps({"machines": machines}))
    announced = site.done("machines", *words, "--check")
    done = site.done("machines", *words)
    assert {host for _task, host in done.changed} == {"castor", "pollux"}
    assert announced.changed == done.changed
    assert announced.plans == done.plans
    assert site.done("machines", *words).changed == set()
    site.lab.reset(SITE)


def test_a_move_is_done_as_announced_and_once(site: Pair) -> None:
    words = PLAYBOOKS["migrate"]
    announced = site.done("migrate", *words, "--check", "--limit", "castor")
    assert site.homes()["ssa"] == ["castor"]
    done = site.done("migrate", *words, "--limit", "castor", "-vvv", "--diff")
    assert announced.changed == done.changed
    assert site.homes()["ssa"] == ["pollux"]
    assert site.owners("ssa") == {"pollux 2"}
    assert site.done("migrate", *words).changed == set()
    assert site.done("machines").changed == set()


def test_a_server_is_evacuated(site: Pair) -> None:
    site.lab.reset(SITE)
    site.done("evacuate", "-e", "server=castor")
    assert site.homes() == {"ssa": ["pollux"], "tap": ["pollux"]}
    assert site.done("evacuate", "-e", "server=castor").changed == set()


EQUIP = (
    "apt-get update",
    "apt-get install --no-install-recommends ansible-core",
    "ansible-galaxy collection install twin-datacenter-*.tar.gz",
)
"""What the howto has people type on a server of Debian 13."""


def test_either_server_runs_the_playbooks(site: Pair, tmp_path: Path) -> None:
    """Nothing but what the howto brings there: not this checkout, no key, no setting of ours."""
    build = ("ansible-galaxy", "collection", "build", "--output-path", str(tmp_path))
    subprocess.run(build, cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
    (collection,) = tmp_path.glob("*.tar.gz")
    with ThreadPoolExecutor() as pool:
        list(pool.map(site.equip, SERVERS, repeat(collection)))
    (home,) = site.homes()["ssa"]
    (away,) = set(SERVERS) - {home}
    kept = "lxc-attach -n ssa -- sh -c"
    site.sh(home, f"{kept} 'echo as it was >/srv/kept'")
    for server, to in (("castor", away), ("pollux", home)):
        site.done_on(server, "migrate", "-e", "machine=ssa", "-e", f"to={to}")
        assert site.homes()["ssa"] == [to]
        assert site.sh(to, f"{kept} 'cat /srv/kept'") == "as it was\n"
        site.sh("witness", "ping -q -c1 -w10 192.0.2.21")
    again = site.done_on("pollux", "site", "-e", "lab_repository=/srv/repo")
    recap = dict(re.findall(r"^(\w+) .* changed=(\d+)", again, re.MULTILINE))
    assert recap == {"castor": "0", "pollux": "0", "witness": "0"}
    (key, *_rest) = body(site.lab.key.read_text())
    for server in SERVERS:
        assert site.lab.ssh(server, "grep -rqF -f - /etc /home /root /tmp", input=key).returncode == 1


@pytest.mark.parametrize(
    "sentence",
    ["stop ssa on {source}", "hand ssa over to {target}", "start ssa on {target}"],
    ids=["before", "at", "after"],
)
def test_the_controller_is_killed_around_the_commit(site: Pair, sentence: str) -> None:
    (source,) = site.homes()["ssa"]
    (target,) = set(SERVERS) - {source}
    ((_server, epoch),) = map(str.split, site.owners("ssa"))
    words = ("-e", "machine=ssa", "-e", f"to={target}")
    with site.start("migrate", *words) as process:
        assert process.stdout
        for line in process.stdout:
            if sentence.format(source=source, target=target) in line:
                break
        os.killpg(process.pid, signal.SIGKILL)
    site.done("migrate", *words)
    assert site.homes()["ssa"] == [target]
    assert site.owners("ssa") == {f"{target} {int(epoch) + 1}"}


SOON = """
mkdir -p /run/systemd/system/twin-resume.timer.d
printf '[Timer]\\nOnUnitInactiveSec=1s\\n' >/run/systemd/system/twin-resume.timer.d/soon.conf
systemctl daemon-reload
systemctl restart twin-resume.timer
"""


def test_a_timer_finishes_a_move_that_was_cut_off(site: Pair) -> None:
    """Killed between the commit and the claim, the machine is on neither server until somebody resumes."""
    site.lab.reset(SITE)
    # The timer of either server would do, and that of pollux may be the first.
    site.sh("pollux", "systemctl stop twin-resume.timer twin-resume.service")
    killed = site.lab.ssh("castor", "TWIN_SIGNAL_AFTER=commit:KILL twin move ssa --to pollux")
    assert killed.returncode != 0
    site.sh("castor", SOON)
    end = time.monotonic() + 60 * SLOWNESS
    while not site.homes().get("ssa"):
        assert time.monotonic() < end
        time.sleep(0.5)
    assert site.homes()["ssa"] == ["pollux"]
    assert site.owners("ssa") == {"pollux 2"}
    site.sh("castor", "systemctl stop twin-resume.timer; systemctl start twin-resume.service")
    log = site.sh("castor", "journalctl --unit=twin-resume --output=cat --no-pager")
    assert "machine ssa is on pollux: " in log
    assert "Start" not in log, "systemd writes a line for each start"


def test_a_machine_goes_for_good(site: Pair) -> None:
    """From both servers, with its data, once that is allowed; its replica after it."""
    site.lab.reset(SITE)
    _twin, machines = declared()
    machines["ssa"]["state"] = "absent"
    words = ("-e", json.dumps({"machines": machines}))
    allowed = (*words, "-e", "allow_destroy=ssa")
    refused = site.play("machines", *words, "--check")
    assert refused.rc != 0
    assert "this may lose the data of ssa; name it in allow_destroy (ssa)" in one_sentence(refused)
    alone = site.play("machines", *allowed, "--limit", "castor")
    assert alone.rc != 0
    assert "machine ssa cannot be removed: this run is without pollux" in one_sentence(alone)
    announced = site.done("machines", *allowed, "--check")
    assert site.homes() == {"ssa": ["castor"], "tap": ["pollux"]}
    done = site.done("machines", *allowed)
    assert announced.changed == done.changed
    assert announced.plans == done.plans
    assert site.homes() == {"tap": ["pollux"]}
    for server in SERVERS:
        machines = json.loads(site.sh(server, "twin info"))["machines"]
        assert [machine["name"] for machine in machines] == ["tap"]
        assert "ssa" not in site.sh(server, LEFT)
    assert site.done("machines", *words).changed == set()


COPY_IMAGE = """
set -eu
zfs send tank/images/{old}@base | zfs receive tank/images/{new}
zfs destroy tank/images/{new}@base
echo of a newer image >/tank/images/{new}/etc/motd
zfs snapshot tank/images/{new}@base
zfs set readonly=on tank/images/{new}
"""


def test_a_machine_gets_a_newer_image_and_its_old_root_comes_back(site: Pair) -> None:
    """The replica follows, and the machine moves with both of its roots."""
    site.lab.reset(SITE)
    site.copy_image("debian-13", "debian-13.1")
    attach = "lxc-attach -n ssa -- sh -c {!r}".format
    site.sh("castor", attach("echo own >/usr/local/bin/asked; rm /etc/debian_version; echo kept >/srv/note"))
    _twin, machines = declared()
    machines["ssa"]["image"] = "debian-13.1"
    words = ("-e", json.dumps({"machines": machines}))
    allowed = (*words, "-e", "allow_destroy=ssa")
    refused = site.play("machines", *words, "--check")
    assert refused.rc != 0
    assert "keep its root with 2 changed paths as tank/machines/ssa/root.debian-13" in one_sentence(refused)

    announced = site.done("machines", *allowed, "--check")
    assert site.roots("castor", "ssa") == {"root": "debian-13"}
    done = site.done("machines", *allowed)
    assert announced.changed == done.changed
    assert announced.plans == done.plans
    assert site.homes()["ssa"] == ["castor"]
    assert (
        site.sh("castor", attach("cat /etc/motd /srv/note; ls /usr/local/bin")) == "of a newer image\nkept\n"
    )
    assert json.loads(site.sh("castor", "twin changes ssa debian-13")) == {
        "added": ["usr/local/bin/asked"],
        "modified": [],
        "deleted": ["etc/debian_version"],
    }
    assert json.loads(site.sh("castor", "twin changes ssa")) == {"added": [], "modified": [], "deleted": []}
    assert site.done("machines", *words).changed == set()

    site.done("migrate", *words, *PLAYBOOKS["migrate"])
    newer = {"root": "debian-13.1", "root.debian-13": "debian-13"}
    assert site.roots("castor", "ssa") == site.roots("pollux", "ssa") == newer
    site.done("machines", "-e", "allow_destroy=ssa")
    assert site.roots("pollux", "ssa") == {"root": "debian-13", "root.debian-13.1": "debian-13.1"}
    assert site.sh("pollux", attach("cat /usr/local/bin/asked /srv/note")) == "own\nkept\n"
    site.done("migrate", "-e", "machine=ssa", "-e", "to=castor")
    assert site.homes()["ssa"] == ["castor"]
    assert site.roots("castor", "ssa") == {"root": "debian-13", "root.debian-13.1": "debian-13.1"}
    assert site.sh("castor", attach("cat /usr/local/bin/asked /srv/note")) == "own\nkept\n"
    site.lab.reset(SITE)


LEFT = """
zfs list -H -t all -o name
ls /var/lib/lxc /var/lib/twin/journal/*.json 2>/dev/null
systemctl list-timers --all --no-legend
cat /var/lib/twin/reports/replication.json
true
"""


def test_a_replica_older_than_its_rpo_is_a_failure(site: Pair) -> None:
    site.lab.reset(SITE)
    # The saved state itself may have grown older than that by now.
    site.sh("pollux", "systemctl start twin-replicate@tap.service")
    site.sh(
        "castor",
        f"systemctl stop twin-replicate@ssa.timer twin-replicate@ssa.service; sed -i {OLD!r} {LEDGER}",
    )
    played = site.play("parity")
    assert played.rc != 0
    assert "d old, more than its rpo of 1 min" in one_sentence(played)
    site.sh("castor", "systemctl start twin-replicate@ssa.service twin-replicate@ssa.timer")
    assert site.done("parity").changed == set()


LEDGER = "/var/lib/twin/reports/replication.json"
OLD = "s/twin-20[0-9TZ]*/twin-20260101T000000Z/"


# ---- what cannot be meant ---------------------------------------------------------------------


def declared() -> tuple[dict[str, Any], dict[str, Any]]:
    """The pair and the machines of the lab's inventory."""
    folder = INVENTORY / "group_vars/all"
    twin = yaml.safe_load((folder / "twin.yml").read_text())["twin"]
    return twin, yaml.safe_load((folder / "machines.yml").read_text())["machines"]


def put(mapping: dict[str, Any], path: str, value: Any) -> None:
    *folders, key = path.split("/")
    for folder in folders:
        mapping = mapping[folder]
    mapping[key] = value


# One of each place that judges: a machine's schema, a value, a rule across machines, the pair. All the others
# are told to the pure functions behind them, in tests/unit/machine and tests/unit/plugins.
BAD = {
    "unknown key": ("machines/ssa/memroy", "1G", "there is no key 'memroy'"),
    "size": ("machines/ssa/memory", "8 gigs", "'8 gigs'"),
    "one address twice": ("machines/ssa/addresses", ["192.0.2.22/24"], "192.0.2.22"),
    "three servers": ("twin/servers", ["castor", "pollux", "helena"], "castor, pollux, helena"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_declaration_touches_no_host(pair: Pair, case: str) -> None:
    path, value, expected = BAD[case]
    twin, machines = declared()
    variables = copy.deepcopy({"twin": twin, "machines": machines})
    put(variables, path, value)
    played = pair.play("site", "-e", json.dumps(variables))
    assert played.rc != 0
    assert played.hosts == set()
    assert expected in one_sentence(played)


REQUESTS = {
    "unknown machine": (
        "migrate",
        {"machine": "sas", "to": "pollux"},
        "machine sas is not declared; name one of ssa, tap",
    ),
    "no server to leave": ("evacuate", {}, "nothing is named to be moved"),
}


@pytest.mark.parametrize("case", REQUESTS)
def test_a_request_that_cannot_be_meant_touches_no_host(pair: Pair, case: str) -> None:
    name, variables, expected = REQUESTS[case]
    words = [word for key, value in variables.items() for word in ("-e", f"{key}={value}")]
    played = pair.play(name, *words)
    assert played.rc != 0
    assert {line["task"] for line in played.record if line["outcome"] == "failed"} == {
        "twin.datacenter.migration : Check what is to be moved"
    }
    assert expected in one_sentence(played)


def one_sentence(played: Played) -> str:
    """The error that people see first: one line, and no trace of our code."""
    assert "Traceback" not in played.said
    errors = re.findall(r"^\[ERROR\]: (.*)$", played.said, re.MULTILINE)
    assert len(errors) == 1, errors
    return str(errors[0])


def test_a_limit_that_the_host_cannot_enforce_is_named(site: Pair) -> None:
    site.lab.reset(SITE)
    twin, _machines = declared()
    played = site.play("machines", "-e", json.dumps({"twin": {**twin, "unenforced": []}}))
    assert played.rc != 0
    assert played.changed == set()
    assert "memory" in played.said


def test_a_pool_on_disks_in_use_is_refused(site: Pair) -> None:
    variables = {"server_pool": "other", "server_pool_vdevs": [{"devices": ["/srv/disks/disk0.img"]}]}
    played = site.play("site", "-e", json.dumps(variables), "--limit", "castor")
    assert played.rc != 0
    assert "/srv/disks/disk0.img" in played.said
    assert site.sh("castor", "zpool list -H -o name").split() == ["tank"]


# ---- secrets ----------------------------------------------------------------------------------


def test_no_key_was_ever_shown(site: Pair) -> None:
    """In none of the runs above, nor on the servers while they were made."""
    secrets = {line for server in SERVERS for line in body(site.sh(server, "cat /etc/twin/peer_ed25519"))}
    assert len(secrets) > 4
    assert not [secret for secret in secrets if any(secret in text for text in site.shown)]


# A fresh server has no ps(1).
WATCH = f"while :; do cat /proc/[0-9]*/cmdline >>/run/watched; sleep {0.05 * SLOWNESS}; done 2>/dev/null"
WATCHED = "tr '\\0' ' ' </run/watched; journalctl --no-pager; cat /var/lib/twin/reports/*"


def body(key: str) -> list[str]:
    """The lines of a private key that make it one; the first is the same for all keys of a type."""
    lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
    return lines[1:]
