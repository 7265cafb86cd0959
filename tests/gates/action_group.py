# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 tests/gates/action_group.py

Writes meta/runtime.yml: the action group `twin.datacenter.all` is every file of plugins/modules, and
`twin.datacenter.pve` those which share the options by which Proxmox VE is reached.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """\
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Written by: make action-group
---
requires_ansible: '>=2.19.0'
action_groups:
"""


def main() -> None:
    modules = {path.stem: path.read_text() for path in sorted((ROOT / "plugins" / "modules").glob("*.py"))}
    reached = [name for name, text in modules.items() if "\n  - twin.datacenter.pve\n" in text]
    groups = {"all": list(modules), "pve": reached}
    text = "".join(
        f"  {group}:\n" + "".join(f"    - {name}\n" for name in members) for group, members in groups.items()
    )
    (ROOT / "meta" / "runtime.yml").write_text(HEAD + text)


if __name__ == "__main__":
    main()
