# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The room of Proxmox VE: everything of a cluster, through its API.

    access, host      who we are, and the client: `host.PveReader` asks, `host.PveHost` changes too
    errors            what PVE answers when something is wrong, as errors by kind
    tasks, task_host  UPIDs, and waiting for what they name: `task_host.run_task`
    schema, property  values by their meaning, and the codec of property strings (net0, mp0, map …)
    table, tables/    parameters of the calls that we make, out of PVE's own schema; judged and compared
    note              what is kept of a machine in the description of its guest
    resource          the engine of resources: declared against found, as a plan
    resource_host     reads resources and carries out the plan
    pool, storage …   one description each
    info              what there is, by the names under which the modules take it

Normal form is what `table.checked` makes of what people give and `table.known` of what PVE answers: bool,
int, float, str, a list for lists, a dict for property strings. Only normal forms are compared
(`table.drift`), and `table.wire` turns them into parameters.

A new resource is: its calls in tests/gates/pve_tables.py, a `resource.Resource` in a file of its
own, a module whose subject is that of pve_storage with another description, its laws, a line in `info`.

What is no resource (guests; `guest_power` starts, stops and moves them) has plan and host files of its own,
and uses all of the above but the engine:
`PveReader.find_all` for reads in parallel, for what differs
``table.drift(lxc.CONFIG, wanted, table.known(lxc.CONFIG, answer))``, `task_host.run_task` for what starts
tasks. ``Subject.host`` of such a module is `host.pve_host`, its options have `access.ACCESS`, its
documentation the fragment ``twin.datacenter.pve``.
"""
