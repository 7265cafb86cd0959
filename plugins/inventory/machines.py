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
notes:
  - The servers must stand in an inventory that is read before this one, so let the name of this file come
    later, such as C(10-servers.yml) and C(20-machines.yml).
  - Servers are reached with their own variables by ssh; those are copied to their machines, passwords and
    keys excepted. Role P(twin.datacenter.server#role) must have run, a server without it has no machines.
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Marks a file as an inventory of this plugin.
    required: true
    choices: [twin.datacenter.machines]
  group:
    description: The group of the servers.
    type: string
    default: servers
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
"""

import json
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
from ansible_collections.twin.datacenter.plugins.module_utils._machine.view import one_picture

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
        if group not in self.inventory.groups or not self.inventory.groups[group].get_hosts():
            raise AnsibleParserError(
                f"inventory group {group}, of the servers of twin.datacenter.machines: it has no host;"
                " list the servers in a file whose name comes before this one's."
            )
        return {host.name: self._variables(host) for host in self.inventory.groups[group].get_hosts()}

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
        # Ansible's plugin loader knows no threads: these only wait for the servers.
        connections = [self._connection(variables) for variables in servers.values()]
        with ThreadPoolExecutor(len(servers)) as pool:
            answers = dict(zip(servers, pool.map(self._ask, servers, connections), strict=True))
        if wanted and None not in answers.values():
            self._cache[key] = answers
        return answers

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
            "ansible_host": server.get("ansible_host") or server.get("ansible_ssh_host") or record["server"],
            "ansible_twin_kind": record["kind"],
            "ansible_twin_machine": name,
            "ansible_twin_server": record["server"],
            "twin_machine": record,
        }
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
