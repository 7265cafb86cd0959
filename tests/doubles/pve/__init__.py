# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A double of the API of Proxmox VE: it rejects what Proxmox VE rejects, answers in its types and texts, and
keeps state.

What it rests on: the schemas of releases 9.1 and 9.2 (requirements/schema.txt, taken apart by
tests/gates/schema.py), exchanges recorded from a real cluster of release 9.2.11 (`recordings`), and the
sources of Proxmox VE. Every file says at its head which of these. `make fidelity` measures how well it does.

The parts, each knowing only those above it:

    releases.py   how 8.4 differs
    errors.py     Refusal: an answer other than 200, and the text of a failed task
    formats.py    the named formats of parameters
    schema.py     which operations there are; verification of parameters
    tasks.py      Task: UPID, log, exit status; a worker is a generator that yields the seconds it works
    access.py     users, tokens, roles, grants, and the permission checks of the schema
    world.py      World: nodes, guests, volumes, files of sections, quorum, digests
    faults.py     what is to go wrong, and when
    api.py        Api.request(verb, path, params, user) -> Response, without any socket
    storages.py, guests.py, sections.py
                  what several areas need: volumes, configurations of guests, changes of a file of sections
    ha_*.py       the manager of high availability and its rules
    areas/*.py    one file per area of the API: its handlers
    cli/*.py      commands on a node: functions of the world
    server.py     Api over HTTPS; `python3 -m tests.doubles.pve` serves one
    cli/*.py      the commands of a node, each a function of the world, the node, its words and its input
    office.py     all nodes of a lab at once; reality.py makes their containers run (docs/lab.md)
    seeds*.py     the state that a recorded exchange shows
    fidelity.py   replays recordings: make fidelity

To use it without sockets:

    world = pair("castor", "pollux", clock=StillClock())
    api = Api(world)
    upid = api.request("POST", "/nodes/castor/qemu", {"vmid": 100}).data
    world.clock.advance(5)                      # or world.finish(upid)
    api.request("GET", "/nodes/castor/qemu/100/config").data

To add an area: put a file into `areas`; it is found by itself. A handler is a function of one `Call`:

    @handles("GET", "/cluster/ha/resources/{sid}")
    def resource(call: Call) -> Any:
        found = call.world.file("ha/resources").get(call["sid"])
        if found is None:
            raise Refusal(f"no such resource '{call['sid']}'")
        return {"sid": call["sid"], **found, "digest": call.world.file_digest("ha/resources")}

* The template is that of the schema, letter by letter. Before the handler is called the user, the privileges
  that the schema names, the node and the parameters have been checked. What the schema only describes in
  words (`permissions: {"user": "all"}`) is the handler's: `call.demand(path, privilege)`, `call.allows(path,
  privilege)`.
* `call["name"]` is a parameter in its type, None where it was not given; `call.params` has those that were
  given.
* The answer is what stands under `data`; `call.extra["total"] = 3` puts something beside it.
* Refusals: `Refusal(text)` is 500, `parameter(name=text)` 400 with `errors`, `forbidden(what)` 403.
* State that is a file of sections under /etc/pve is `world.file(name)`, {id: settings}; its digest is
  `world.file_digest(name)`, compared by `world.require_digest(name, call["digest"])`; before a write ask
  `world.require_writable(name)`. What belongs to a node goes into `world.nodes[name].facts`, the rest into
  `world.facts`.
* What goes on by itself as time passes is `@daemon`, a function of the world that does what has become due.
* Work in the background is `call.task("hamigrate", subject, worker)`, which returns the UPID.
* Lists come in random order from Proxmox VE; tests must not rely on that of the double.
"""
