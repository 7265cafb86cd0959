# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""First process of a jail: it keeps the jail's namespaces, reaps its orphans, and does nothing else.

usage: keeper.py ROOT HOSTNAME, in new namespaces. Writes its pid, as the server counts, when all is ready.
"""

import os
import signal
import socket
import subprocess
import sys

root, name = sys.argv[1:]
# Our own /proc is not mounted yet: this is the server's view.
pid = os.readlink("/proc/self")
if os.path.isdir(f"{root}/proc"):
    subprocess.run(["/usr/bin/mount", "-t", "proc", "proc", f"{root}/proc"], check=True)
socket.sethostname(name)
os.chroot(root)
os.chdir("/")
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.write(1, f"{pid}\n".encode())
for descriptor in range(3):
    os.close(descriptor)
while True:
    signal.pause()
