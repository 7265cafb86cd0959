#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: machine_upgrade
short_description: Give machines the root file system of the image that is declared for them
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - For each machine that this server owns and whose root file system is of another image than is declared,
    makes a new one beside it, stops the machine, keeps the old root file system as V(root.IMAGE) beside
    V(root), takes the new one, and starts the machine as it is declared. Its C(data) stays as it is.
  - What the machine had changed in the old one is kept with it, and named. Nothing of it is copied into
    the new one, for what fits there is for people to say.
  - The way back is the same. A machine whose old image is declared again gets the root file system that was
    kept of it, with all that was changed in it.
  - The replica follows with the next replication, and the machine moves with all of its root file systems.
  - After that the machine lacks what was installed in the old root file system, so its name must
    stand in O(allow_destroy). Nothing is destroyed all the same.
  - A machine that is declared as started is started, also when its image is the right one already.
  - A machine that is being moved is refused. One that this server does not own is left alone.
options:
  machines:
    description:
      - The machines by their names, as they are declared.
      - The variable C(machines) of the inventory, or a part of it.
    type: dict
    required: true
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
seealso:
  - module: twin.datacenter.machine_image
  - module: twin.datacenter.machine_info
"""

EXAMPLES = r"""
- name: Give machine ssa the root file system of its image
  twin.datacenter.machine_upgrade:
    machines: "{{ {'ssa': machines.ssa} }}"
    allow_destroy: [ssa]
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample:
    - make tank/machines/ssa/root.debian-13 as a clone of tank/images/debian-13@base
    - >-
      stop machine ssa, keep its root with 3 changed paths as tank/machines/ssa/root.debian-12, make
      tank/machines/ssa/root.debian-13 the root of machine ssa and start it
measured:
  description:
    - Of each machine that got another root file system, where the old one is C(kept), and the paths that were
      C(changed) in it, C(added), C(modified) and C(deleted). A folder stands for all that is in it.
    - What the platform itself writes, such as logs, is left out.
    - C(twin changes NAME IMAGE) says the same on the server at any time.
    - C(changed) is null where it cannot be told, because the old image is not mounted there.
  returned: when a root file system was replaced
  type: list
  elements: dict
  sample:
    - key: ssa
      kept: tank/machines/ssa/root.debian-12
      changed: {added: [usr/local/bin/asked], modified: [etc/motd], deleted: []}
"""

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.upgrade import (
    apply_upgrade,
    parse_upgrades,
    plan_upgrades,
    read_upgrades,
)

OPTIONS = {
    "machines": {"type": "dict", "required": True},
    **ALLOW_DESTROY,
}
SUBJECT = Subject(OPTIONS, parse_upgrades, read_upgrades, plan_upgrades, apply_upgrade)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
