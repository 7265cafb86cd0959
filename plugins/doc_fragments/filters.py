# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What several filters are given: the declaration, and the server that it is looked at from."""

from __future__ import annotations


class ModuleDocFragment:
    OF_TWIN = r"""
options:
  _input:
    description: The pair, the variable C(twin).
    type: dict
    required: true
"""

    OF_MACHINES = r"""
options:
  _input:
    description: The machines by their names, the variable C(machines).
    type: dict
    required: true
"""

    TWIN = r"""
options:
  twin:
    description: The pair, the variable C(twin).
    type: dict
    required: true
"""

    MACHINES = r"""
options:
  machines:
    description: The machines by their names, the variable C(machines).
    type: dict
    required: true
"""

    SERVER = r"""
options:
  server:
    description: Name of the server.
    type: str
    required: true
"""
