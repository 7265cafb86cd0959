# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema of the API, and the verification of parameters against it.

Rests on: the schemas of releases 9.1 and 9.2 as captured by the package of requirements/schema.txt, and
PVE::JSONSchema and PVE::RESTHandler (pve-common) for the order of the checks and their texts: type, format,
pattern, length, range, enumeration; then what is required, then what is unknown. Verified against the
recorded exchanges.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any

from tests.doubles.pve import errors, formats, releases
from tests.gates import schema as gate

Property = dict[str, Any]
# How many there may be of a numbered property: the captured schema shows them as `net[n]` only. From the
# sources named above; what is not listed may be numbered up to 7.
NUMBERED = {
    "net": 32, "scsi": 31, "virtio": 16, "ide": 4, "sata": 6, "hostpci": 16, "usb": 14, "serial": 4,
    "parallel": 3,
    "unused": 256, "numa": 8, "ipconfig": 32, "mp": 256, "dev": 256, "virtiofs": 10, "link": 8,
    "acmedomain": 6,
}  # fmt: skip
DIGITS = re.compile(r"([a-z]+)(0|[1-9]\d*)")
NUMBER = re.compile(r"[+-]?(\d+\.\d+|\d+\.|\.\d+|\d+)([eE][+-]?\d+)?")
ENUMERATION = re.compile(r"[a-z/][\w/.-]*(\|[a-z/][\w/.-]*)+")
INTEGER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Method:
    """One operation: GET /nodes/{node}/qemu."""

    release: str
    verb: str
    template: str
    properties: dict[str, Property]
    additional: bool
    permissions: dict[str, Any]
    returns: dict[str, Any]
    token: bool
    """Whether an API token may call it."""

    def property(self, name: str) -> Property | None:
        """The schema of a parameter, `net0` included."""
        if name in self.properties:
            return self.properties[name]
        found = DIGITS.fullmatch(name)
        if found and int(found[2]) < NUMBERED.get(found[1], 8):
            return self.properties.get(f"{found[1]}[n]")
        return None

    def applies(self, name: str, params: dict[str, Any]) -> bool:
        """Whether the kind of thing that is created or changed (`type`) has this property."""
        schema = self.property(name) or {}
        kind = next(
            (each["type-property"] for each in self.properties.values() if "type-property" in each), None
        )
        if kind is None:
            return True
        if kind not in params:  # of a kind that is not told only what all kinds have is known
            return not schema.get("optional") or name in ("delete", "digest")
        return "type-property" not in schema or params[kind] in schema.get("instance-types", [])

    def verify(self, given: dict[str, Any]) -> dict[str, Any]:
        """The parameters in their types, or a Refusal that names each wrong one."""
        params = {k: v for k, raw in given.items() if (v := self.normal(k, raw)) is not None}
        wrong: dict[str, str] = {}
        for name in self.properties:
            if not name.endswith("[n]") and self.applies(name, params):
                check_property(params.get(name), self.properties[name], name, wrong)
        for name, value in params.items():
            schema = self.property(name)
            if schema is None or not self.applies(name, params):
                if not self.additional:
                    wrong[name] = (
                        "property is not defined in schema and the schema does not allow additional "
                        "properties"
                    )
                continue
            if name not in self.properties:
                check_property(value, schema, name, wrong)
            required = schema.get("requires")
            if isinstance(required, str) and required not in params:
                add(wrong, required, f"missing property - '{name}' requires this property")
        if wrong:
            raise errors.parameters(wrong)
        return {name: typed(value, self.property(name) or {}) for name, value in params.items()}

    def normal(self, name: str, value: Any) -> Any:
        """What came in a form or as JSON, as Perl sees it: lists joined where a list format is wanted, 0 and
        1.
        """
        kind = (self.property(name) or {}).get("type")
        form = (self.property(name) or {}).get("format")
        if isinstance(value, list):
            if kind == "string" and isinstance(form, str) and form.endswith("-list"):
                return ",".join(scalar(each) for each in value)
            return [each if isinstance(each, dict) else scalar(each) for each in value]
        if isinstance(value, dict) or value is None:
            return value
        return [scalar(value)] if kind == "array" else scalar(value)


class Schema:
    """All operations of one release."""

    def __init__(self, release: str) -> None:
        self.release = release
        self.root: dict[str | None, Any] = {}
        for template, methods in raw(release).items():
            place = self.root
            for part in filter(None, template.split("/")):
                place = place.setdefault("{}" if part.startswith("{") else part, {})
            place[None] = (template, methods)

    def find(self, verb: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The operation and what the path says of its parameters; None where Proxmox VE answers 501."""
        found = self.lookup(path)
        if found is None or verb not in found[1]:
            return None
        template, methods, values = found
        return method(self.release, template, verb), values

    @functools.lru_cache(4096)  # noqa: B019 - there is one for each release, for good
    def lookup(self, path: str) -> tuple[str, dict[str, Any], dict[str, str]] | None:
        place, values = self.root, []
        parts = [part for part in path.split("/") if part]
        while parts:
            part = parts.pop(0)
            if part in place:
                place = place[part]
            elif "{}" in place and not re.search(r"\s", part):
                place = place["{}"]
                if list(place) == [None]:  # the identifier of a volume or mapping may itself contain slashes
                    part, parts = "/".join([part, *parts]), []
                values.append(part)
            else:
                return None
        if None not in place:
            return None
        template, methods = place[None]
        names = re.findall(r"\{([^}]+)\}", template)
        return template, methods, dict(zip(names, values, strict=True))


@functools.cache
def raw(release: str) -> dict[str, dict[str, Any]]:
    if release == releases.OLDEST:
        return releases.older(raw("9.1"))
    return json.loads((gate.folder() / f"{release}.json").read_text())  # type: ignore[no-any-return]


@functools.cache
def of(release: str) -> Schema:
    """The schema of a release, read once."""
    return Schema(release)


@functools.cache
def method(release: str, template: str, verb: str) -> Method:
    entry = raw(release)[template][verb]
    return Method(
        release,
        verb,
        template,
        entry["parameters"],
        bool(entry["additional"]),
        entry["permissions"],
        entry["returns"],
        entry["token"],
    )


def children(method: Method) -> list[str]:
    """The fixed names right below an operation's path."""
    start = method.template.rstrip("/") + "/"
    below = {
        each.removeprefix(start).partition("/")[0] for each in raw(method.release) if each.startswith(start)
    }
    return sorted(name for name in below if not name.startswith("{"))


def scalar(value: Any) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def typed(value: Any, schema: Property) -> Any:
    """Whole numbers as such: what Perl writes into JSON for a value that it stored as a number."""
    if isinstance(value, str):
        if schema.get("type") in ("integer", "boolean"):
            return int(value)
        if schema.get("type") == "number":
            return float(value) if "." in value or "e" in value.lower() else int(value)
    return value


def add(wrong: dict[str, str], path: str, text: str) -> None:
    wrong[path] = f"{wrong[path]}\\n{text}" if path in wrong else text


def check_property(value: Any, schema: Property, path: str, wrong: dict[str, str]) -> None:
    """One value against its schema (PVE::JSONSchema::check_prop)."""
    if value is None:
        if not schema.get("optional") and not schema.get("alias") and not schema.get("group"):
            add(wrong, path, "property is missing and it is not optional")
        return
    if "oneOf" in schema:
        return
    kind = schema.get("type")
    if isinstance(value, list | dict):
        if kind not in ("array" if isinstance(value, list) else "object", None, "any"):
            add(
                wrong,
                path,
                f"type check ('{kind}') failed - got {'ARRAY' if isinstance(value, list) else 'HASH'}",
            )
        elif isinstance(value, list) and isinstance(schema.get("items"), dict):
            for place, each in enumerate(value):
                check_property(each, schema["items"], f"{path}[{place}]", wrong)
        elif isinstance(value, dict) and "properties" in schema:
            check_object(value, schema["properties"], path, wrong)
        return
    if kind in ("array", "object"):
        return add(wrong, path, f"type check ('{kind}') failed")
    if (
        (kind == "boolean" and value not in ("0", "1"))
        or (kind == "integer" and not INTEGER.fullmatch(value))
        or (kind == "number" and not NUMBER.fullmatch(value))
    ):
        return add(wrong, path, f"type check ('{kind}') failed - got '{value}'")
    problem = format_problem(value, schema, path) or plain_problem(value, schema)
    if problem:
        add(wrong, path, problem)


def plain_problem(value: str, schema: Property) -> str | None:
    pattern = schema.get("pattern")
    if pattern and not perl(pattern).match(value):
        return "value does not match the regex pattern"
    if "maxLength" in schema and len(value) > int(schema["maxLength"]):
        return f"value may only be {schema['maxLength']} characters long"
    if "minLength" in schema and len(value) < int(schema["minLength"]):
        return f"value must be at least {schema['minLength']} characters long"
    if NUMBER.fullmatch(value):
        if "maximum" in schema and float(value) > float(schema["maximum"]):
            return f"value must have a maximum value of {schema['maximum']}"
        if "minimum" in schema and float(value) < float(schema["minimum"]):
            return f"value must have a minimum value of {schema['minimum']}"
    choices = schema.get("enum")
    if choices and value not in [str(each) for each in choices]:
        listed = ", ".join(str(each) for each in choices)
        return f"value '{value}' does not have a value in the enumeration '{listed}'"
    return None


def format_problem(value: str, schema: Property, path: str) -> str | None:
    try:
        check_format(value, schema, path)
    except ValueError as problem:
        return f"invalid format - {problem}\n"
    return None


def check_format(value: str, schema: Property, path: str) -> None:
    name = schema.get("format")
    if not name:
        return
    if isinstance(name, dict):
        parse(value, name, path)
        return
    if name not in formats.FORMATS and (found := re.fullmatch(r"(.*)-(a?list|opt)", name)):
        check = formats.FORMATS.get(found[1])
        if callable(check) and (value or found[2] != "opt"):
            for each in [value] if found[2] == "opt" else formats.split_list(value):
                check(each)
        return
    check = formats.FORMATS.get(name) or from_usage(schema.get("typetext", ""))
    if callable(check):
        check(value)
    elif check:
        parse(value, check, path)


@functools.cache
def from_usage(usage: str) -> dict[str, Property] | None:
    """The schema of a property string out of its usage line: `[[cputype=]<string>] [,hidden=<1|0>]`."""
    found = re.findall(r"(\[)?,?(\[)?([\w-]+)=(\])?<([^>]*)>", usage)
    kinds = {"1|0": "boolean", "integer": "integer", "number": "number", "N": "integer"}
    return {
        name: {
            "type": kinds.get(kind, "string"),
            **({"enum": kind.split("|")} if ENUMERATION.fullmatch(kind) and kind not in kinds else {}),
            **({"optional": 1} if optional and (inner or not closed) or (inner and optional) else {}),
            **({"default_key": 1} if closed else {}),
        }
        for optional, inner, name, closed, kind in found
    } or None


def parse(value: str, properties: dict[str, Property], path: str = "") -> dict[str, str]:
    """A property string taken apart (PVE::JSONSchema::parse_property_string), or a ValueError with its
    text.
    """
    result: dict[str, str] = {}
    default: str | None = None
    for part in value.split(","):
        if not part.strip():
            continue
        key, equals, rest = part.partition("=")
        if equals and key and rest:
            if key in result:
                raise ValueError(f"duplicate key in comma-separated list property: {key}")
            schema = properties.get(key, {})
            if "alias" in schema:
                if alias := schema.get("keyAlias"):
                    if alias in result:
                        raise ValueError(f"key alias '{alias}' is already defined")
                    result[alias] = key
                key = schema["alias"]
                schema = properties.get(key, {})
            result[key] = formats.parse_boolean(rest) if schema.get("type") == "boolean" else rest
        elif not equals:
            if default:
                raise ValueError(f"duplicate key in comma-separated list property: {default}")
            default = next((name for name, each in properties.items() if each.get("default_key")), None)
            if default is None:
                raise ValueError("value without key, but schema does not define a default key")
            if default in result:
                raise ValueError(f"duplicate key in comma-separated list property: {default}")
            boolean = properties[default].get("type") == "boolean"
            result[default] = formats.parse_boolean(part) if boolean else part
        else:
            raise ValueError("missing key in comma-separated list property")
    wrong: dict[str, str] = {}
    check_object(result, properties, path, wrong)
    if wrong:
        raise ValueError("format error\n" + "\n".join(f"{k}: {wrong[k]}" for k in sorted(wrong)))
    return result


def compose(values: dict[str, str], properties: dict[str, Property]) -> str:
    """A property string: the default key, then what is required, then the rest, each in order of the
    alphabet.
    """
    first = [name for name, each in properties.items() if each.get("default_key") and name in values][:1]
    rest = sorted(values.keys() - first, key=lambda name: (bool(optional(properties, name)), name))
    return ",".join([*(values[name] for name in first), *(f"{name}={values[name]}" for name in rest)])


def optional(properties: dict[str, Property], name: str) -> Any:
    return properties.get(name, {}).get("optional")


def check_object(
    value: dict[str, Any], properties: dict[str, Property], path: str, wrong: dict[str, str]
) -> None:
    below = f"{path}." if path else ""
    for name, schema in properties.items():
        check_property(value.get(name), schema, below + name, wrong)
    for name in value:
        if name not in properties:
            text = "property is not defined in schema and the schema does not allow additional properties"
            add(wrong, below + name, text)
        elif (required := properties[name].get("requires")) and required not in value:
            add(wrong, below + required, f"missing property - '{below}{name}' requires this property")


@functools.cache
def perl(pattern: str) -> re.Pattern[str]:
    """A pattern of Perl, anchored as PVE::JSONSchema does."""
    modern = re.sub(r"\(\?\^([a-z]*):", lambda found: f"(?{found[1].replace('u', '')}:", pattern)
    return re.compile(f"^{modern}$")
