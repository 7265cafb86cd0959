# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two servers and a witness on one machine; docs/lab.md tells how to use them."""

from __future__ import annotations

from .lab import Lab
from .model import LabError, cables

__all__ = ["Lab", "LabError", "cables"]
