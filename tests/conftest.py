# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible finds this collection before any test imports it, so that plugins load as in a playbook."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings

TREE = subprocess.run([Path(__file__).parent / "gates" / "tree"], capture_output=True, text=True, check=True)
init_plugin_loader([TREE.stdout.strip()])

# Examples: the same in continuous integration, always new elsewhere. A busy machine is no fault of ours.
settings.register_profile("twin", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("twin")
