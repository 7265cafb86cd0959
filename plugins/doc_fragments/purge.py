# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The options by which things that are not listed are removed."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  purge:
    description:
      - Whether to remove the things below O(scope) that are not listed.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description:
      - The name below which O(purge) may remove things; nothing outside it is touched.
      - Required with O(purge=true).
    type: str
"""
