#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: twin_program
short_description: Install the program twin on a server
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Installs C(/usr/local/sbin/twin), the code of this collection as one file that Python runs. Timers, start
    hooks, moves and the other server call it.
  - Equal versions of the collection give equal bytes, so a second run changes nothing.
  - All of it is done by the action plugin of the same name.
extends_documentation_fragment:
  - twin.datacenter.attributes
options:
  interpreter:
    description:
      - Full path of Python on the server, 3.11 or later.
      - The default is what C(ansible_python_interpreter) names, or else C(/usr/bin/python3), on FreeBSD
        C(/usr/local/bin/python3.11).
    type: path
"""

EXAMPLES = r"""
- name: Install the program twin
  twin.datacenter.twin_program:
"""

RETURN = r"""
plan:
  description: What was done, or would be done, as sentences.
  returned: always
  type: list
  elements: str
"""
