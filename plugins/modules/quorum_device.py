#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: quorum_device
short_description: The certificates of a witness, a host that gives clusters a third vote
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Sees that the database of certificates of C(corosync-qnetd) is there, whole, and readable by the daemon,
    without which it does not start. What runs is restarted when it changes.
  - The package makes it when it is installed; what is lost or broken later is made here.
  - The package, its options in C(/etc/default/corosync-qnetd) and its unit are for
    M(twin.datacenter.packages), M(twin.datacenter.files) and M(twin.datacenter.units), as role C(witness)
    uses them.
  - Clusters that use the witness come and go by themselves; M(twin.datacenter.quorum_device_info) tells them.
  - A database that is broken is only made anew when C(qnetd database) stands in O(allow_destroy), for every
    cluster must set up its QDevice again after that.
  - Runs on the witness, a host with Debian.
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
"""

EXAMPLES = r"""
- name: The witness has its certificates
  twin.datacenter.quorum_device:
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample: ["make the certificates of the witness"]
"""

from ansible_collections.twin.datacenter.plugins.module_utils._cluster.host import (
    apply_database,
    read_database,
)
from ansible_collections.twin.datacenter.plugins.module_utils._cluster.plan import plan_database
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    Subject,
    converge,
)

SUBJECT = Subject(ALLOW_DESTROY, lambda _params: None, read_database, plan_database, apply_database)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
