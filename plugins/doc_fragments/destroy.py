# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The option that names what may lose data."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  allow_destroy:
    description:
      - Names of the things that may lose data in this task.
      - A plan which would destroy anything else is refused before anything is touched.
    type: list
    elements: str
    default: []
"""
