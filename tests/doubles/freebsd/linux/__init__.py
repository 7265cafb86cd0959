# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second ground of the double: a Linux server that behaves as a FreeBSD server.

The programs are the same as in memory and work on the same tables. What they change there is then made real
(`network`, `mounts`), and what they start runs: on the server, or in the namespaces of a jail (`kernel`).

Where a Linux kernel cannot be what FreeBSD's is, this ground says so here:

* jails without a network stack of their own share all of the server's addresses and ports, so a service in
  such a jail must bind to the address of its jail;
* limits of rctl(8), CPU sets and most jail parameters are kept and shown, but hold nobody back;
* what is mounted from inside a jail is not seen on the host; the datasets of a jail are mounted in it when
  they are attached (`zfs jail`), for no program inside reaches the host's ZFS;
* root of a jail may do what root of the server may; what its own programs do to its interfaces is seen by
  ifconfig(8) alone;
* Linux programs want /proc: a jail has one where its root has that folder, unseen by the host;
* jails die at once, apart from those whose names stand in /var/db/freebsd-double/lingering: they go on as
  dying ones, which keep their names, until they are no longer named there.
"""

from collections.abc import Callable, Sequence

Become = Callable[[Sequence[str], dict[str, str]], None]
"""Makes the program that runs another one, of these words and this environment, as execve(2) does."""
