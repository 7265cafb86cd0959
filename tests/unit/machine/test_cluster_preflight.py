# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the log of a replication tells of its size."""

from __future__ import annotations

from ansible_collections.twin.datacenter.plugins.module_utils._machine.cluster_preflight import sent_of


def test_the_estimates_of_all_streams_are_added() -> None:
    log = [
        "2026-11-20 18:00:01 200-0: incremental sync 'tank:subvol-200-disk-0' (__replicate_200-0_1__ => 2)",
        "2026-11-20 18:00:02 200-0: total estimated size is 1.50M",
        "2026-11-20 18:00:02 200-0: total estimated size is 624B",
        "2026-11-20 18:00:02 200-0: total estimated size is 12",
    ]
    assert sent_of(log) == 1572864 + 624 + 12
    assert sent_of(log[:1]) == 0
