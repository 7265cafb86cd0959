# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: python3 -m tests.gates.pve_tables

Writes plugins/module_utils/_pve/tables: of each call to Proxmox VE that we make, its parameters, their types,
values and formats. They come out of the schema that PVE gives of its own API, as the package named in
requirements/schema.txt has recorded it.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from tests.gates import schema

ROOT = Path(__file__).parents[2]
Schema: TypeAlias = "dict[str, Any]"

TABLES = ROOT / "plugins" / "module_utils" / "_pve" / "tables"
RELEASE = "9.2"
CALLS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "pool": {"CREATE": ("POST", "/pools"), "UPDATE": ("PUT", "/pools")},
    "storage": {"UPDATE": ("PUT", "/storage/{storage}"), "CREATE": ("POST", "/storage")},
    "options": {"UPDATE": ("PUT", "/cluster/options")},
    "cluster": {"CREATE": ("POST", "/cluster/config"), "JOIN": ("POST", "/cluster/config/join")},
    "ha_resource": {
        "UPDATE": ("PUT", "/cluster/ha/resources/{sid}"),
        "CREATE": ("POST", "/cluster/ha/resources"),
    },
    "ha_rule": {"UPDATE": ("PUT", "/cluster/ha/rules/{rule}"), "CREATE": ("POST", "/cluster/ha/rules")},
    "ha_group": {"UPDATE": ("PUT", "/cluster/ha/groups/{group}"), "CREATE": ("POST", "/cluster/ha/groups")},
    "mapping_dir": {
        "UPDATE": ("PUT", "/cluster/mapping/dir/{id}"),
        "CREATE": ("POST", "/cluster/mapping/dir"),
    },
    "mapping_pci": {
        "UPDATE": ("PUT", "/cluster/mapping/pci/{id}"),
        "CREATE": ("POST", "/cluster/mapping/pci"),
    },
    "mapping_usb": {
        "UPDATE": ("PUT", "/cluster/mapping/usb/{id}"),
        "CREATE": ("POST", "/cluster/mapping/usb"),
    },
    "replication": {
        "UPDATE": ("PUT", "/cluster/replication/{id}"),
        "CREATE": ("POST", "/cluster/replication"),
    },
    "lxc": {
        "CONFIG": ("PUT", "/nodes/{node}/lxc/{vmid}/config"),
        "CREATE": ("POST", "/nodes/{node}/lxc"),
    },
    "qemu": {
        "CONFIG": ("POST", "/nodes/{node}/qemu/{vmid}/config"),
        "CREATE": ("POST", "/nodes/{node}/qemu"),
    },
}
"""The files, their tables, and the call that each is of."""

CONTROL = {"background_delay", "delete", "digest", "force", "import-working-storage", "revert", "skiplock"}
"""How a change is asked for, not what is changed."""
OTHER_NAMES = {"cdrom"}
"""What PVE takes for another key (``ide2``), and never shows."""
NEEDS = {"pve-qm-ipconfig": {"gw": "ip", "gw6": "ip6"}}
"""Which part needs which other, of formats that the schema only names (PVE::QemuServer, $ipconfig_fmt)."""

HEAD = '''\
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE {release}.

{calls}
"""

from __future__ import annotations

from ..schema import Field

'''


def endpoints_of(release: str) -> Schema:
    """The calls of the API by path and method."""
    text = (schema.folder() / f"{release}.json").read_text()
    return json.loads(text)  # type: ignore[no-any-return]


def table_files(endpoints: Schema) -> Iterator[tuple[str, str]]:
    """Name and text of each file."""
    for name, calls in CALLS.items():
        yield f"{name}.py", _formatted(_Writer().file(endpoints, calls))


class _Writer:
    """Writes one file; tables that hold another as a whole are written as that and the rest."""

    def __init__(self) -> None:
        self.names: dict[str, dict[str, str]] = {}

    def file(self, endpoints: Schema, calls: Mapping[str, tuple[str, str]]) -> str:
        parts: list[str] = []
        for table, (method, path) in calls.items():
            parameters = endpoints[path][method]["parameters"]
            in_path = set(re.findall(r"{(\w+)}", path))
            fields = {}
            for key in sorted(set(parameters) - CONTROL - OTHER_NAMES - in_path):
                format_ = parts_of(parameters[key].get("items", parameters[key]))
                name = self._parts(key, format_, parts) if format_ else ""
                fields[key] = field(parameters[key], name)
            parts.append(self._table(table, fields))
        told = "\n".join(f"{table}: {method} {path}" for table, (method, path) in calls.items())
        return HEAD.format(calls=told, release=RELEASE) + "\n".join(parts)

    def _parts(self, key: str, format_: Schema, before: list[str]) -> str:
        # The key without a name first, as PVE prints it.
        order = sorted(format_, key=lambda part: (not format_[part].get("default_key"), part))
        fields = {part: field(format_[part], requires=format_[part].get("requires")) for part in order}
        for name, known in self.names.items():
            if known == fields:
                return name
        name = re.sub(r"\W", "_", key.removesuffix("[n]")).upper()
        while name in self.names:
            name += "_"
        before.append(self._table(name, fields))
        return name

    def _table(self, name: str, fields: dict[str, str]) -> str:
        bases = [
            (len(known), base)
            for base, known in self.names.items()
            if len(known) > 4 and known.items() <= fields.items()
        ]
        _size, base = max(bases, default=(0, ""))
        rest = {key: text for key, text in fields.items() if not base or key not in self.names[base]}
        self.names[name] = fields
        lines = [f"**{base},"] if base else []
        lines += [f"{json.dumps(key)}: {text}," for key, text in rest.items()]
        return f"{name} = {{\n" + "\n".join(lines) + "\n}"


def parts_of(parameter: Schema) -> Schema:
    """What a property string may hold; of a format that the schema only names, as its text tells it."""
    format_ = parameter.get("format")
    if isinstance(format_, dict):
        return format_
    text = parameter.get("typetext", "")
    needs = NEEDS.get(str(format_), {})
    found = re.findall(r"(?:^|,)(\[\[|\[)?(?:([\w-]+)=|([\w-]+)=\])<([^>]*)>", _plain(text))
    return {
        (key or bare): {
            **_kind(kind),
            **({"default_key": 1} if bare else {}),
            # The bare one is always in brackets, in two when it may be left out.
            "optional": opening == "[[" if bare else bool(opening),
            "requires": needs.get(key or bare),
        }
        for opening, key, bare, kind in found
    }


def _plain(text: str) -> str:
    """The text of a type: parts ``[key=<kind>]`` with commas between, the bare one ``[[key=]<kind>]``."""
    text = text.replace(" [,", ",[").replace(" ,", ",").replace(r"\d+", "<integer>")
    return text if "=<" in text or "=]<" in text else ""


def _kind(text: str) -> Schema:
    if text == "1|0":
        return {"type": "boolean"}
    if text in ("integer", "N"):
        return {"type": "integer"}
    if re.fullmatch(r"[\w./-]+(\|[\w./-]+)+", text) and not re.search(r"\d-\d", text):
        return {"type": "string", "enum": text.split("|")}
    return {"type": "string", "typetext": f"<{text}>"}


def field(parameter: Schema, parts: str = "", requires: str | None = None) -> str:
    """One parameter, or a part of one, as the call of ``Field`` that stands for it.

    What a whole parameter requires is of one call, and no property of what is declared.
    """
    if "alias" in parameter:
        key_alias = parameter.get("keyAlias")
        return _call(alias=parameter["alias"], **({"key_alias": key_alias} if key_alias else {}))
    kind = parameter.get("type", "string")
    choices = tuple(map(str, parameter.get("enum", ()))) if kind == "string" else ()
    pattern = _pattern(parameter.get("pattern", ""))
    if len(choices) > 40:
        # The names of all disks that there can be.
        stems = dict.fromkeys(re.sub(r"\d+$", r"\\d+", choice) for choice in choices)
        choices, pattern = (), "|".join(stems)
    format_ = parameter.get("format") if isinstance(parameter.get("format"), str) and not parts else None
    arguments = {
        "choices": choices,
        "low": _bound(parameter, "minimum"),
        "high": _bound(parameter, "maximum"),
        "longest": parameter.get("maxLength"),
        "pattern": pattern,
        "format": format_,
        "default": _default(kind, parameter),
        "required": not parameter.get("optional"),
        "parts": parts,
        "requires": requires,
        "separated": not parts and (";" in pattern or "[;" in parameter.get("typetext", "")),
        "bare": bool(parameter.get("default_key")),
    }
    given = {
        name: value
        for name, value in arguments.items()
        if value is not None and value != "" and value != () and (value is not False or name == "default")
    }
    if kind != "string":
        given = {"kind": kind, **given}
    return _call(**given)


def _call(**arguments: Any) -> str:
    words = [str(value) if name == "parts" else _literal(value) for name, value in arguments.items()]
    named = [
        word if name == "kind" else f"{name}={word}" for name, word in zip(arguments, words, strict=True)
    ]
    return f"Field({', '.join(named)})"


def _literal(value: Any) -> str:
    """A value as Python writes it, a long text in several pieces."""
    if not isinstance(value, str):
        return repr(value)
    return " ".join(repr(value[at : at + 80]) for at in range(0, len(value), 80)) or repr(value)


def _bound(parameter: Schema, name: str) -> int | float | None:
    value = parameter.get(name)
    return None if value is None else _number(value)


def _number(value: Any) -> int | float:
    number = float(value)
    return int(number) if number.is_integer() else number


def _pattern(text: str) -> str:
    """A regular expression of Perl as Python has it."""
    text = re.sub(r"\(\?\^([iu]?):", lambda match: "(?i:" if match[1] == "i" else "(?:", text)
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text}: {error}") from error
    return text


def _default(kind: str, parameter: Schema) -> Any:
    """The default, where the schema gives a value and not a sentence."""
    value = parameter.get("default")
    if value is None:
        return None
    if kind == "boolean":
        return {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}.get(str(value))
    if kind in ("integer", "number"):
        try:
            return _number(value)
        except ValueError:
            return None
    return value if value in parameter.get("enum", ()) else None


def _formatted(text: str) -> str:
    done = subprocess.run(
        ["ruff", "format", "--config", str(ROOT / "pyproject.toml"), "-"],
        input=text, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def main() -> None:
    TABLES.mkdir(exist_ok=True)
    for name, text in table_files(endpoints_of(RELEASE)):
        (TABLES / name).write_text(text)


if __name__ == "__main__":
    main()
