# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serves the double until it is interrupted, and prints its address."""

from __future__ import annotations

import argparse
import signal

from tests.doubles.pve.clock import Clock
from tests.doubles.pve.server import Server
from tests.doubles.pve.world import RELEASES, pair, single


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m tests.doubles.pve", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--release", choices=RELEASES, default="9.2")
    parser.add_argument("--nodes", default="castor,pollux", help="names; a single one stands alone")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds added to every answer")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than real time tasks run")
    chosen = parser.parse_args()
    names = chosen.nodes.split(",")
    settings = {"release": chosen.release, "clock": Clock(chosen.speed)}
    world = single(names[0], **settings) if len(names) == 1 else pair(*names, **settings)
    with Server(world, chosen.port, chosen.latency) as server:
        print(server.address, server.fingerprint, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
