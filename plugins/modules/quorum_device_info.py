#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: quorum_device_info
short_description: What a witness does, and for whom
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Tells whether C(corosync-qnetd) runs, where it listens, whether it wants TLS, how its certificates are,
    and which clusters are connected to it.
  - Runs on the witness.
extends_documentation_fragment:
  - twin.datacenter.attributes.info
"""

EXAMPLES = r"""
- name: For whom the witness votes
  twin.datacenter.quorum_device_info:
  register: witness
"""

RETURN = r"""
running:
  description: Whether the daemon answers.
  returned: success
  type: bool
  sample: true
address:
  description: Where it listens; empty when it does not run.
  returned: success
  type: str
  sample: "*:5403"
tls:
  description: Whether it wants TLS, in its own words; empty when it does not run.
  returned: success
  type: str
  sample: Required (client certificate required)
database:
  description: The database of its certificates; V(sound), V(none), V(broken), or V(closed) to the daemon.
  returned: success
  type: str
  sample: sound
clusters:
  description: The clusters that are connected, with the addresses of their nodes by number.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "twin", "algorithm": "Fifty-Fifty split", "nodes": {"1": "192.0.2.11:41262"}}]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._cluster.host import read_witness
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import report


def main() -> None:
    report({}, read_witness)


if __name__ == "__main__":
    main()
