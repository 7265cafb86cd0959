# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a pair's machines, over a stand-in of ssh."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

from tests.doubles import entrance
from tests.doubles.pve.access import Grant, Token, User
from tests.doubles.pve.clock import StillClock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import Guest
from tests.doubles.pve.world import pair as cluster

ADDRESSES = {"castor": "192.0.2.11", "pollux": "192.0.2.12"}


def record(name: str, owner: str | None, here: str, **others: Any) -> dict[str, Any]:
    """A machine as ``twin info`` on one server tells it."""
    return {
        "name": name,
        "kind": "lxc",
        "state": "running" if owner == here else "stopped",
        "owner": owner,
        "epoch": 1,
        "role": "owner" if owner == here else "replica",
        "image": "debian-13",
        "addresses": ["192.0.2.21/24"],
        "replicated": None,
        "machine": {"kind": "lxc", "home": owner, "image": "debian-13"},
        **others,
    }


class Pair:
    """An inventory folder over two servers whose answers the tests choose."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inventory = folder / "inventory"
        self.inventory.mkdir()
        self.servers: dict[str, dict[str, Any]] = {
            name: {
                "ansible_host": address,
                "ansible_user": "root",
                "ansible_ssh_executable": str(folder / "server/bin/ssh"),
                "ansible_ssh_args": "",
            }
            for name, address in ADDRESSES.items()
        }
        self.everywhere: dict[str, Any] = {}
        self.options: dict[str, Any] = {"plugin": "twin.datacenter.machines"}

    def says(self, server: str, *machines: dict[str, Any]) -> None:
        text = json.dumps({"server": server, "pool": "tank", "machines": list(machines)})
        self.answer(server, f"cat <<'END'\n{text}\nEND\n")

    def answer(self, server: str, script: str) -> None:
        (self.folder / "server/answers" / ADDRESSES[server]).write_text(script)

    def read(self) -> InventoryManager:
        servers = {"all": {"vars": self.everywhere}, "servers": {"hosts": self.servers}}
        (self.inventory / "10-servers.yml").write_text(yaml.safe_dump(servers))
        (self.inventory / "20-machines.yml").write_text(yaml.safe_dump(self.options))
        return InventoryManager(loader=DataLoader(), sources=[str(self.inventory)])

    @property
    def calls(self) -> int:
        calls = self.folder / "server/calls"
        return calls.read_text().count("twin info") if calls.exists() else 0


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    for name, value in entrance.install(tmp_path / "server").items():
        monkeypatch.setenv(name, value)
    return Pair(tmp_path)


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is shown to people as a warning."""
    shown: list[str] = []
    show: Callable[..., None] = lambda self, msg, *args, **kwargs: shown.append(str(msg))  # noqa: E731
    monkeypatch.setattr(Display, "warning", show)
    return shown


def groups(inventory: InventoryManager, host: str) -> set[str]:
    return {group.name for group in inventory.get_host(host).get_groups()} - {"all"}


def test_every_machine_once_with_its_groups(pair: Pair, warnings: list[str]) -> None:
    ssa, tap = ("ssa", "castor"), ("tap", "pollux")
    pair.says("castor", record(*ssa, "castor"), record(*tap, "castor"))
    pair.says("pollux", record(*ssa, "pollux"), record(*tap, "pollux", state="stopped"))
    inventory = pair.read()
    assert sorted(host.name for host in inventory.get_hosts()) == ["castor", "pollux", "ssa", "tap"]
    assert groups(inventory, "ssa") == {
        "machines", "kind_lxc", "on_castor", "state_running", "image_debian_13"
    }  # fmt: skip
    assert groups(inventory, "tap") >= {"on_pollux", "state_stopped"}
    assert warnings == []


def test_a_machine_is_reached_through_its_server(pair: Pair) -> None:
    pair.servers["castor"] |= {"ansible_port": 2222, "ansible_password": "canary"}
    pair.says("castor", record("ssa", "castor", "castor"))
    pair.says("pollux")
    variables = pair.read().get_host("ssa").get_vars()
    assert {key: value for key, value in variables.items() if key.startswith("ansible_")} == {
        "ansible_connection": "twin.datacenter.machine",
        "ansible_host": "192.0.2.11",
        "ansible_port": 2222,
        "ansible_ssh_args": "",
        "ansible_ssh_executable": pair.servers["castor"]["ansible_ssh_executable"],
        "ansible_twin_kind": "lxc",
        "ansible_twin_machine": "ssa",
        "ansible_twin_server": "castor",
        "ansible_user": "root",
    }
    assert variables["twin_machine"]["server"] == "castor"
    assert "canary" not in str(variables)


def test_variables_of_all_and_of_folders_count(pair: Pair) -> None:
    for variables in pair.servers.values():
        del variables["ansible_user"], variables["ansible_ssh_args"]
    pair.everywhere = {"ansible_user": "{{ 'al' + 'ice' }}"}
    (pair.inventory / "group_vars").mkdir()
    (pair.inventory / "group_vars" / "servers.yml").write_text("ansible_ssh_args: ''\nansible_port: 2222\n")
    pair.says("castor", record("ssa", "castor", "castor"))
    variables = pair.read().get_host("ssa").get_vars()
    assert (variables["ansible_user"], variables["ansible_port"]) == ("alice", 2222)


def test_two_hundred_machines_cost_one_call_per_server(pair: Pair) -> None:
    for server in ADDRESSES:
        pair.says(server, *(record(f"m{n}", "castor" if n % 2 else "pollux", server) for n in range(200)))
    assert len(pair.read().get_hosts("machines")) == 200
    assert pair.calls == 2


def test_the_higher_epoch_wins(pair: Pair) -> None:
    pair.says("castor", record("ssa", "castor", "castor", epoch=3, state="stopped"))
    pair.says("pollux", record("ssa", "pollux", "pollux", epoch=4))
    assert groups(pair.read(), "ssa") >= {"on_pollux", "state_running"}


def test_machines_of_a_dead_server_come_from_its_twin(pair: Pair, warnings: list[str]) -> None:
    pair.answer("castor", "echo 'ssh: connect to host: No route to host' >&2; exit 255")
    pair.says("pollux", record("ssa", "castor", "pollux"), record("tap", "pollux", "pollux"))
    inventory = pair.read()
    assert groups(inventory, "ssa") >= {"on_castor", "state_unknown"}
    assert groups(inventory, "tap") >= {"on_pollux", "state_running"}
    assert len(warnings) == 1
    assert "server castor did not tell its machines" in warnings[0]
    assert "No route to host" in warnings[0]


def test_a_replica_that_does_not_know_what_it_is(pair: Pair) -> None:
    unknown = dict.fromkeys(("kind", "epoch", "image", "machine"))
    pair.answer("castor", "exit 255")
    pair.says("pollux", record("ssa", None, "pollux", **unknown))
    assert groups(pair.read(), "ssa") == {"machines", "on_castor", "state_unknown"}


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'twin: pool tank is not there.' >&2; exit 1", "pool tank is not there"),
        ("exit 3", "exit code 3"),
        ("echo nonsense", "Expecting value"),
    ],
)
def test_an_answer_that_is_none_is_told(pair: Pair, warnings: list[str], script: str, reason: str) -> None:
    pair.answer("castor", script)
    pair.says("pollux")
    assert pair.read().get_hosts("machines") == []
    assert reason in warnings[0]


def test_servers_that_are_no_pair_yet_have_no_machines(pair: Pair, warnings: list[str]) -> None:
    assert [host.name for host in pair.read().get_hosts()] == ["castor", "pollux"]
    assert warnings == []
    assert pair.calls == 2


def test_servers_are_read_before_machines(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.options["group"] = "hypervisors"
    pair.read()
    said = " ".join(capsys.readouterr().err.split())
    assert "inventory group hypervisors, of the servers of twin.datacenter.machines: it has no host;" in said


def test_groups_and_variables_of_ones_own(pair: Pair) -> None:
    pair.options |= {
        "strict": True,
        "compose": {"epoch": "twin_machine.epoch + 1"},
        "groups": {"unsaved": "twin_machine.replicated is none"},
        "keyed_groups": [{"key": "twin_machine.machine.home", "prefix": "home"}],
    }
    pair.says("castor", record("ssa", "castor", "castor"))
    pair.says("pollux")
    inventory = pair.read()
    assert groups(inventory, "ssa") >= {"unsaved", "home_castor"}
    assert inventory.get_host("ssa").get_vars()["epoch"] == 2


def test_a_cached_answer_spares_the_servers(pair: Pair, tmp_path: Path) -> None:
    pair.options |= {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    pair.says("castor", record("ssa", "castor", "castor"))
    pair.answer("pollux", "exit 255")
    pair.read()
    pair.says("pollux")
    pair.read()
    assert pair.calls == 4, "what a dead server did not say must not be kept"
    assert groups(pair.read(), "ssa") >= {"on_castor", "state_running"}
    assert pair.calls == 4


def test_what_is_damaged_of_a_machine_is_told(pair: Pair, warnings: list[str]) -> None:
    pair.says("castor", record("ssa", "castor", "castor", machine=None, error="it is not JSON."))
    pair.says("pollux")
    assert pair.read().get_host("ssa")
    assert warnings == ["machine ssa on castor: it is not JSON."]


SECRET = "canary-7d1f"


class Proxmox(Pair):
    """An inventory folder over two servers, of which the one at 127.0.0.1 answers for their cluster."""

    def __init__(self, folder: Path, api: Server) -> None:
        super().__init__(folder)
        self.api = api
        self.world = api.api.world
        self.servers["castor"]["ansible_host"] = "127.0.0.1"
        self.servers["pollux"]["ansible_host"] = "127.0.0.2"
        self.options |= {
            "platform": "proxmox",
            "api_port": api.port,
            "api_user": "inventory@pve",
            "api_token_id": "ansible",
            "api_token_secret": SECRET,
            "ca_path": str(api.certificate),
        }
        self.world.access.users["inventory@pve"] = User(tokens={"ansible": Token(privsep=0, secret=SECRET)})
        self.world.access.roles["Machines"] = {"VM.Audit"}
        self.world.access.acl[Grant("/vms", "user", "inventory@pve", "Machines")] = 1

    def guest(self, vmid: int, name: str, kind: str = "lxc", node: str = "castor", **more: Any) -> Guest:
        key = "hostname" if kind == "lxc" else "name"
        net = "name=eth0,hwaddr=BC:24:11:00:00:01" if kind == "lxc" else "virtio=BC:24:11:00:00:01"
        config = {key: name, "net0": f"{net},bridge=vmbr0", **more.pop("config", {})}
        made = Guest(vmid, kind, node, config, **more)  # type: ignore[arg-type]
        self.world.guests[vmid] = made
        return made

    @property
    def requests(self) -> list[str]:
        return [path for _verb, path, _params in self.api.api.log]


@pytest.fixture
def proxmox(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxmox]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.0/8")
    (tmp_path / "proxmox").mkdir()
    with Server(cluster(clock=StillClock())) as api:
        yield Proxmox(tmp_path / "proxmox", api)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


def test_guests_of_a_cluster_are_machines(proxmox: Proxmox, warnings: list[str]) -> None:
    proxmox.guest(101, "ssa", status="running", config={"tags": "prod;db"})
    proxmox.guest(102, "web", "qemu", "pollux")
    proxmox.guest(900, "debian-13", config={"template": 1})
    inventory = proxmox.read()
    assert sorted(host.name for host in inventory.get_hosts()) == ["castor", "pollux", "ssa", "web"]
    assert groups(inventory, "ssa") == {"machines", "kind_lxc", "on_castor", "state_running"}
    assert groups(inventory, "web") == {"machines", "kind_qemu", "on_pollux", "state_stopped"}
    record = inventory.get_host("ssa").get_vars()["twin_machine"]
    assert {key: record[key] for key in ("vmid", "server", "owner", "role", "tags", "pool", "addresses")} == {
        "vmid": 101,
        "server": "castor",
        "owner": "castor",
        "role": "owner",
        "tags": ["prod", "db"],
        "pool": None,
        "addresses": [],
    }
    assert warnings == []


def test_a_guest_is_reached_through_its_node(proxmox: Proxmox) -> None:
    proxmox.servers["pollux"]["ansible_port"] = 2222
    proxmox.guest(102, "web", "qemu", "pollux")
    variables = proxmox.read().get_host("web").get_vars()
    assert {key: value for key, value in variables.items() if key.startswith("ansible_")} == {
        "ansible_connection": "twin.datacenter.machine",
        "ansible_host": "127.0.0.2",
        "ansible_port": 2222,
        "ansible_ssh_args": "",
        "ansible_ssh_executable": proxmox.servers["pollux"]["ansible_ssh_executable"],
        "ansible_twin_kind": "qemu",
        "ansible_twin_machine": "web",
        "ansible_twin_platform": "proxmox",
        "ansible_twin_server": "pollux",
        "ansible_twin_vmid": 102,
        "ansible_user": "root",
    }
    assert SECRET not in str(variables)


def test_five_hundred_guests_cost_one_request(proxmox: Proxmox) -> None:
    for number in range(500):
        kind, node = ("lxc", "qemu")[number % 2], ("castor", "pollux")[number % 3 == 0]
        proxmox.guest(1000 + number, f"m{number}", kind, node, status="running")
    assert len(proxmox.read().get_hosts("machines")) == 500
    assert proxmox.requests == ["/cluster/resources"]
    assert proxmox.calls == 0


def test_facts_cost_one_request_for_each_that_runs(proxmox: Proxmox) -> None:
    proxmox.world.access.roles["Machines"] |= {"VM.GuestAgent.Audit"}
    proxmox.options["facts"] = True
    here = ["192.0.2.21/24", "2001:db8::21/64", "fe80::1/64"]
    proxmox.guest(101, "ssa", status="running", addresses=here)
    web = proxmox.guest(102, "web", "qemu", "pollux", status="running", addresses=["192.0.2.22/24"])
    web.config["agent"], web.agent = "1", True
    proxmox.guest(103, "mute", "qemu", status="running")
    proxmox.guest(104, "off")
    inventory = proxmox.read()
    told = {name: inventory.get_host(name).get_vars()["twin_machine"]["addresses"] for name in ("ssa", "web")}
    assert told == {"ssa": here[:2], "web": ["192.0.2.22/24"]}
    assert len(proxmox.requests) == 4


def test_a_privilege_that_facts_need_is_named(proxmox: Proxmox, capsys: pytest.CaptureFixture[str]) -> None:
    proxmox.options["facts"] = True
    proxmox.guest(102, "web", "qemu", status="running")
    proxmox.read()
    assert "VM.GuestAgent.Audit or VM.GuestAgent.Unrestricted on /vms/102" in said(capsys)


def test_a_server_that_is_away_is_passed_over(proxmox: Proxmox, warnings: list[str]) -> None:
    servers = proxmox.servers
    servers["castor"]["ansible_host"], servers["pollux"]["ansible_host"] = "127.0.0.2", "127.0.0.1"
    proxmox.world.nodes["castor"].online = False
    proxmox.guest(101, "ssa", status="running")
    proxmox.guest(102, "web", "qemu", "pollux", status="running")
    inventory = proxmox.read()
    assert groups(inventory, "ssa") >= {"on_castor", "state_unknown"}
    assert groups(inventory, "web") >= {"on_pollux", "state_running"}
    (warning,) = warnings
    assert f"no connection to 127.0.0.2:{proxmox.api.port}" in warning


def test_a_pair_of_which_no_server_answers_is_an_error(
    proxmox: Proxmox, capsys: pytest.CaptureFixture[str]
) -> None:
    proxmox.servers["castor"]["ansible_host"] = "127.0.0.3"
    assert proxmox.read().get_hosts("machines") == []
    shown = said(capsys)
    assert "no connection to 127.0.0.3" in shown and "no connection to 127.0.0.2" in shown


def test_a_secret_that_is_wrong_is_told_by_one_server(
    proxmox: Proxmox, capsys: pytest.CaptureFixture[str]
) -> None:
    proxmox.options["api_token_secret"] = "wrong-canary"
    proxmox.read()
    shown = said(capsys)
    assert "check api_user and its password or token" in shown
    assert "canary" not in shown and "127.0.0.2" not in shown


def test_credentials_that_are_missing_are_named(proxmox: Proxmox, capsys: pytest.CaptureFixture[str]) -> None:
    del proxmox.options["api_user"]
    proxmox.read()
    assert "access to Proxmox VE: api_user is missing; give it, or PROXMOX_USER" in said(capsys)


def test_the_environment_and_templates_give_credentials(
    proxmox: Proxmox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXMOX_USER", "inventory@pve")
    monkeypatch.setenv("TWIN_TOKEN", SECRET)
    del proxmox.options["api_user"]
    proxmox.options["api_token_secret"] = "{{ lookup('ansible.builtin.env', 'TWIN_TOKEN') }}"
    proxmox.guest(101, "ssa")
    assert proxmox.read().get_host("ssa")


def test_the_pair_says_its_platform(proxmox: Proxmox) -> None:
    del proxmox.options["platform"]
    proxmox.everywhere = {"twin": {"name": "sio", "platform": "proxmox"}}
    proxmox.guest(101, "ssa")
    assert proxmox.read().get_host("ssa")


def test_a_cluster_without_listed_servers(proxmox: Proxmox) -> None:
    proxmox.servers = {}
    proxmox.options["api_host"] = "127.0.0.1"
    proxmox.guest(101, "ssa")
    assert proxmox.read().get_host("ssa").get_vars()["ansible_host"] == "castor"


def test_names_that_mean_no_single_machine_are_left_out(proxmox: Proxmox, warnings: list[str]) -> None:
    proxmox.guest(101, "web")
    proxmox.guest(102, "web", "qemu", "pollux")
    proxmox.guest(103, "castor", node="pollux")
    inventory = proxmox.read()
    assert sorted(host.name for host in inventory.get_hosts()) == ["castor", "pollux"]
    assert "ansible_twin_vmid" not in inventory.get_host("castor").get_vars()
    assert warnings == [
        "guests 101 on castor and 102 on pollux share the name web, so that no machine of this name is in the"
        " inventory; give each a name of its own.",
        "guest 103 on pollux has a server's name castor, so that no machine of this name is in the inventory;"
        " give each a name of its own.",
    ]


def test_groups_of_tags_and_a_cached_answer(proxmox: Proxmox, tmp_path: Path) -> None:
    proxmox.options |= {
        "keyed_groups": [{"key": "twin_machine.tags", "prefix": "tag"}],
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    proxmox.guest(101, "ssa", config={"tags": "prod;db"})
    for _again in range(2):
        assert groups(proxmox.read(), "ssa") >= {"tag_prod", "tag_db", "on_castor"}
    assert len(proxmox.requests) == 1
    assert SECRET not in "".join(path.read_text() for path in (tmp_path / "cache").iterdir())
