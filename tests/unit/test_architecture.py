# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the house and who may know whom (docs/architecture.md), read from the import statements."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
UTILS = ROOT / "plugins" / "module_utils"
PACKAGE = "ansible_collections.twin.datacenter.plugins.module_utils"

MACHINE_KINDS = {"_jail", "_lxc", "_qemu"}
# Whom a folder may know beside itself and `_core`; most know nobody.
MAY_KNOW = {
    **{kind: {"_zfs"} for kind in MACHINE_KINDS},
    "_machine": {"_zfs", "_pve", *MACHINE_KINDS},
    "_parity": {"_system", "_zfs"},  # gathers what each technology says of itself
    "_pve": {"_pci"},  # pairs what is mapped
}
# What is no part of Python, and the one file that may import it: the module runs where it is installed.
FOREIGN = {"_pve/host.py": {"proxmoxer", "requests"}}
PURE_FOLDERS = {"_ha", "_firewall"}
PURE_FILES = {
    f"{name}.py" for name in ("model", "plan", "values", "pool", "dataset", "snapshot", "stream")
} | {
    "access.py",
    "boot.py",
    "cluster.py",
    "cluster_preflight.py",
    "conf.py",
    "declaration.py",
    "devfs.py",
    "entrance.py",
    "fields.py",
    "grammar.py",
    "guest.py",
    "guest_export.py",
    "guest_plan.py",
    "guests.py",
    "ha_resource.py",
    "ha_rule.py",
    "identity.py",
    "lxc.py",
    "mapping.py",
    "mapping_plan.py",
    "networkd.py",
    "node.py",
    "note.py",
    "property.py",
    "qemu.py",
    "rc.py",
    "replication.py",
    "resource.py",
    "schema.py",
    "table.py",
    "tasks.py",
    "limits.py",
    "network.py",
    "pairing.py",
    "view.py",
}
# What reaches the world outside the process: only a host.py may have it.
IMPURE = {"asyncio", "ctypes", "glob", "http", "os", "pathlib", "select", "shutil", "signal", "socket"} | {
    "ssl", "subprocess", "tempfile", "threading", "time", "urllib"
}  # fmt: skip


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path.name != "__init__.py")


def imports(source: Path) -> Iterator[tuple[int, int, str]]:
    """Line, level (number of leading dots) and module of each import, those within functions too."""
    for node in ast.walk(ast.parse(source.read_text(), str(source))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, 0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.level, node.module
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.level, alias.name) for alias in node.names)


def faults_of_utils() -> Iterator[str]:
    for source in sources(UTILS):
        here = source.relative_to(UTILS)
        folder = here.parts[0]
        name = here.as_posix()
        for line, level, module in imports(source):
            top = module.partition(".")[0]
            where = f"{name}:{line}: imports {'.' * level}{module}"
            if level == 0:
                if top in ("ansible", "ansible_collections"):
                    if top != "ansible" or name != "_core/module.py":
                        yield f"{where}: Ansible is for _core/module.py, our own code is imported relatively"
                elif top not in sys.stdlib_module_names | FOREIGN.get(name, set()):
                    yield f"{where}: only the standard library is there on every target"
                elif top not in IMPURE or module == "urllib.parse":
                    pass
                elif folder in PURE_FOLDERS or here.name in PURE_FILES:
                    yield f"{where}: this file is pure; what touches the system belongs into host.py"
                continue
            target = (here.parent.parts[: len(here.parent.parts) - level + 1] + tuple(module.split(".")))[0]
            known = {"_core"} if folder == "_core" else {folder, "_core"} | MAY_KNOW.get(folder, set())
            if target not in known:
                yield f"{where}: {folder} may not know {target}"


def test_module_utils_keep_to_their_rooms() -> None:
    assert list(faults_of_utils()) == []


def test_a_module_knows_one_folder_and_core() -> None:
    faults = []
    for source in sources(ROOT / "plugins" / "modules"):
        known = {
            module.removeprefix(f"{PACKAGE}.").partition(".")[0]
            for _line, _level, module in imports(source)
            if module.startswith(f"{PACKAGE}.")
        }
        if len(known - {"_core"}) > 1:
            faults.append(f"{source.name} knows {sorted(known)}; a module knows one folder and _core")
    assert faults == []


def test_no_shell_strings_in_plugins() -> None:
    faults = [
        f"{source.relative_to(ROOT)}:{node.lineno}"
        for source in sources(ROOT / "plugins")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.keyword)
        and node.arg in ("shell", "use_unsafe_shell")
        and isinstance(node.value, ast.Constant)
        and node.value.value
    ]
    assert faults == []


def test_the_action_group_is_every_module() -> None:
    group = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["all"]
    modules = [source.stem for source in sources(ROOT / "plugins" / "modules")]
    assert group == modules, "run: make action-group"
