# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of a pair's machines, over a stand-in of ssh."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

from tests.doubles import entrance

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
