# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A FreeBSD server that is not there: one state machine, on memory or on other ground.

`World` dispatches command lines to programs; the programs touch the system only through the world
(files) and its kernel (jails, interfaces, mounts, rules). Each module here offers the programs it
has in a table `PROGRAMS`, by name; a new module needs no entry elsewhere.
"""
