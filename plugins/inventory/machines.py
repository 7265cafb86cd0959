# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
name: machines
short_description: All machines of a pair of servers, stopped ones too
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Asks each server once for its machines, all servers at the same time, and gives every machine as a host.
  - Machines are reached by connection plugin P(twin.datacenter.machine#connection), through their server.
  - "Hosts are grouped by kind (C(kind_lxc)), server (C(on_castor)), state (C(state_running)) and image
    (C(image_debian_13)); all are in group C(machines)."
  - A machine whose server does not answer is taken from its replica on the other one, with state
    V(unknown).
  - Each host has a variable C(twin_machine), the machine as M(twin.datacenter.machine_info) returns it,
    with the name of its C(server).
  - On platform V(proxmox) one request to the API tells all of them, however many there are. It goes to the
    first server that answers. Machines are all guests but templates, by their names; C(twin_machine) has
    their C(vmid), C(pool) and C(tags) too, and V(null) for what Proxmox VE does not tell there, such as the
    image.
notes:
  - The servers must stand in an inventory that is read before this one, so let the name of this file come
    later, such as C(10-servers.yml) and C(20-machines.yml).
  - Servers are reached with their own variables by ssh; those are copied to their machines, passwords and
    keys excepted. Role P(twin.datacenter.server#role) must have run, a server without it has no machines.
  - On platform V(proxmox) names of servers are those of the nodes. C(VM.Audit) on C(/vms) is the only
    privilege that is needed; for O(facts) of virtual machines C(VM.GuestAgent.Audit) too, which is
    C(VM.Monitor) before release 9. Guests on which there is no privilege are not seen.
  - The C(api_) options count on platform V(proxmox) alone, need proxmoxer and requests on the control node,
    may hold templates, and none of them becomes a variable of a host.
extends_documentation_fragment:
  - constructed
  - inventory_cache
  - twin.datacenter.pve.reader
options:
  plugin:
    description: Marks a file as an inventory of this plugin.
    required: true
    choices: [twin.datacenter.machines]
  group:
    description: The group of the servers.
    type: string
    default: servers
  platform:
    description: Platform of the pair. C(twin.platform) of the servers when it is not given.
    type: string
    choices: [debian, freebsd, proxmox]
  facts:
    description:
      - Whether every machine that runs is asked for its addresses, one request for each.
      - For platform V(proxmox); the others tell addresses anyway.
    type: bool
    default: false
  api_host:
    description:
      - Name or address of a node that is asked first. Then, or when it is not given, the servers are asked at
        their C(ansible_host).
      - Or E(PROXMOX_HOST).
    type: string
"""

EXAMPLES = r"""
# inventories/lab/20-machines.yml
plugin: twin.datacenter.machines

# With groups of one's own, and answers kept for five minutes:
---
plugin: twin.datacenter.machines
groups:
  stale: twin_machine.replicated is none
keyed_groups:
  - key: twin_machine.machine.failover
    prefix: failover
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_timeout: 300
cache_connection: ~/.cache/twin-datacenter/inventory

# Proxmox VE, with a token of least privilege and a group of each tag:
---
plugin: twin.datacenter.machines
platform: proxmox
api_user: inventory@pve
api_token_id: ansible
api_token_secret: "{{ lookup('ansible.builtin.env', 'TWIN_TOKEN') }}"
ca_path: /etc/ssl/pve-root-ca.pem
keyed_groups:
  - key: twin_machine.tags
    prefix: tag
"""

import json
import os
import shlex
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.errors import AnsibleError, AnsibleParserError
from ansible.inventory.helpers import get_group_vars, sort_groups
from ansible.playbook.play_context import PlayContext
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.plugins.loader import connection_loader
from ansible.utils.display import Display
from ansible.utils.vars import combine_vars
from ansible.vars.plugins import get_vars_from_inventory_sources

from ansible_collections.twin.datacenter.plugins.doc_fragments.ssh import OPTIONS
from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._machine.view import one_picture
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS, access_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.errors import Denied
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import HttpsTransport, PveReader
from ansible_collections.twin.datacenter.plugins.module_utils._pve.machine import distinct
from ansible_collections.twin.datacenter.plugins.module_utils._pve.machine_host import read_machines

display = Display()

# A server that is not of a pair yet has no machines; that is no error. The account's shell may be csh(1).
_ASK = shlex.join(
    [
        "/bin/sh",
        "-c",
        "[ -x /usr/local/sbin/twin ] && [ -e /etc/twin/pair.json ] || { echo '{\"machines\": []}'; exit 0; };"
        " as=; [ \"$(id -u)\" = 0 ] || as='sudo -n'; exec $as /usr/local/sbin/twin info",
    ]
)
# Variables by which a server is reached and which its machines share: no secrets, and not its address.
_SHARED = sorted(
    variable["name"]
    for option, definition in OPTIONS.items()
    if option not in ("host", "password", "private_key", "private_key_passphrase")
    for variable in [*definition.get("vars", ()), {"name": "ansible_user"}, {"name": "ansible_ssh_user"}]
)
Answer = list[dict[str, Any]] | None


def _address(name: str, server: Mapping[str, Any]) -> str:
    """Where a server with these variables is reached."""
    return str(server.get("ansible_host") or server.get("ansible_ssh_host") or name)


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """The machines of a pair."""

    NAME = "twin.datacenter.machines"

    def verify_file(self, path: str) -> bool:
        """Whether the file may be ours; its key ``plugin`` decides."""
        return super().verify_file(path) and path.endswith(("machines.yml", "machines.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add every machine, its groups and its variables."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        servers = self._servers()
        for name, record in one_picture(self._answers(servers, path, cache)).items():
            self._add(name, record, servers.get(record["server"], {}))

    def _servers(self) -> dict[str, dict[str, Any]]:
        """The variables of each server."""
        group = self.get_option("group")
        hosts = self.inventory.groups[group].get_hosts() if group in self.inventory.groups else []
        if not hosts and not self._api_host():
            raise AnsibleParserError(
                f"inventory group {group}, of the servers of twin.datacenter.machines: it has no host;"
                " list the servers in a file whose name comes before this one's."
            )
        return {host.name: self._variables(host) for host in hosts}

    def _variables(self, server: Any) -> dict[str, Any]:
        """What the inventories read before this one say about a server, group_vars and host_vars too."""
        # Ansible makes every group a child of `all` only when all inventories are read.
        groups = sort_groups({self.inventory.groups["all"], *server.get_groups()})
        sources = self.inventory.processed_sources
        known: dict[str, Any] = {}
        for variables in (
            get_group_vars(groups),
            get_vars_from_inventory_sources(self.loader, sources, groups, "all"),
            server.get_vars(),
            get_vars_from_inventory_sources(self.loader, sources, [server], "all"),
        ):
            known = combine_vars(known, variables)
        self.templar.available_variables = known
        return {
            key: self.templar.template(value) if key.startswith("ansible_") else value
            for key, value in known.items()
        }

    def _answers(self, servers: Mapping[str, dict[str, Any]], path: str, cache: bool) -> dict[str, Answer]:
        """What each server says, from the cache if that is wanted and all of it is there."""
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        wanted = bool(self.get_option("cache"))
        if wanted and cache and key in self._cache:
            return dict(self._cache[key])
        answers = self._ask_cluster(servers) if self._on_proxmox(servers) else self._ask_all(servers)
        if wanted and None not in answers.values():
            self._cache[key] = answers
        return answers

    def _ask_all(self, servers: Mapping[str, dict[str, Any]]) -> dict[str, Answer]:
        # Ansible's plugin loader knows no threads: these only wait for the servers.
        connections = [self._connection(variables) for variables in servers.values()]
        with ThreadPoolExecutor(len(servers)) as pool:
            return dict(zip(servers, pool.map(self._ask, servers, connections), strict=True))

    def _on_proxmox(self, servers: Mapping[str, dict[str, Any]]) -> bool:
        twins = [server.get("twin") for server in servers.values()]
        platforms = [twin.get("platform") for twin in twins if isinstance(twin, Mapping)]
        return bool((self.get_option("platform") or next(iter(platforms), "")) == "proxmox")

    def _ask_cluster(self, servers: Mapping[str, dict[str, Any]]) -> dict[str, Answer]:
        """What the first server that answers says about all of them, by the server that has them."""
        faults: list[str] = []
        for host in dict.fromkeys(
            filter(None, (self._api_host(), *map(_address, servers, servers.values())))
        ):
            try:
                told = read_machines(self._api(host), self.get_option("facts"))
            except (Denied, Refused) as error:
                raise AnsibleParserError(str(error)) from None
            except TwinError as error:
                faults.append(str(error))
                continue
            machines, unclear = distinct(told, servers)
            for fault in (*faults, *unclear):
                display.warning(fault)
            return {
                owner: [machine for machine in machines if machine["owner"] == owner]
                for owner in sorted({machine["owner"] for machine in machines})
            }
        raise AnsibleParserError(" ".join(faults))

    def _api_host(self) -> str:
        return str(self._given("api_host") or os.environ.get("PROXMOX_HOST") or "")

    def _api(self, host: str) -> PveReader:
        """One server, asked once: the next one takes the place of another try."""
        options = {key: self._given(key) for key in ACCESS if key != "timeout"}
        access = access_of({**options, "api_host": host}, os.environ)
        return PveReader(HttpsTransport(access), tries=1)

    def _given(self, option: str) -> Any:
        return self.templar.template(self.get_option(option))

    @staticmethod
    def _connection(variables: Mapping[str, Any]) -> Any:
        connection = connection_loader.get("ansible.builtin.ssh", PlayContext())
        connection.set_options(var_options=variables)
        return connection

    @staticmethod
    def _ask(server: str, connection: Any) -> Answer:
        try:
            rc, out, err = connection.exec_command(_ASK, sudoable=False)
            if rc != 0:
                raise AnsibleError(err.decode(errors="replace").strip() or f"exit code {rc}")
            return list(json.loads(out)["machines"])
        except (AnsibleError, ValueError, KeyError) as error:
            display.warning(
                f"server {server} did not tell its machines: {error}; what its twin knows is shown instead."
            )
            return None

    def _add(self, name: str, record: dict[str, Any], server: Mapping[str, Any]) -> None:
        if record.get("error"):
            display.warning(f"machine {name} on {record['server']}: {record['error']}")
        host = self.inventory.add_host(name)
        variables = {
            **{key: server[key] for key in _SHARED if key in server},
            "ansible_connection": "twin.datacenter.machine",
            "ansible_host": _address(record["server"], server),
            "ansible_twin_kind": record["kind"],
            "ansible_twin_machine": name,
            "ansible_twin_server": record["server"],
            "twin_machine": record,
        }
        if "vmid" in record:
            variables |= {"ansible_twin_platform": "proxmox", "ansible_twin_vmid": record["vmid"]}
        for key, value in variables.items():
            self.inventory.set_variable(host, key, value)
        self.inventory.add_child(self.inventory.add_group("machines"), host)
        for prefix, key in (("kind", "kind"), ("on", "server"), ("state", "state"), ("image", "image")):
            if record[key]:  # a replica need not know its kind and image
                group = self._sanitize_group_name(f"{prefix}_{record[key]}")
                self.inventory.add_child(self.inventory.add_group(group), host)
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
