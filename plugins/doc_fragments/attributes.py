# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The attributes that every module of this collection has."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and tell what it would do without changing anything.
    support: full
    details:
      - The plan announced in check mode is the plan that a run carries out.
  diff_mode:
    description: Tells what it changed, or would change, in diff mode.
    support: full
    details:
      - The diff is made from the plan, so it names exactly what is touched.
  idempotent:
    description: Run again with the same options, it changes nothing.
    support: full
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode.
    support: full
    details:
      - This module changes nothing.
  diff_mode:
    description: Tells what it changed, or would change, in diff mode.
    support: full
    details:
      - This module changes nothing, so there is never a difference to tell.
  idempotent:
    description: Run again with the same options, it changes nothing.
    support: full
    details:
      - This module changes nothing.
"""
