# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""usage: picture.py

Draws the pair of inventories/lab as docs/images/pair.svg. A test sees that it is right.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import yaml

ROOT = Path(__file__).parents[2]
PICTURE = ROOT / "docs/images/pair.svg"
VARIABLES = ROOT / "inventories/lab/group_vars/all"
WIDTH, SERVER_WIDTH, MARGIN, TOP = 760, 250, 30, 70
LINE, BOX, GAP = "#44546a", "#eef2f7", 46
OWNED, REPLICA = "#2f7d4f", "#9aa5b1"


def text(x: int, y: int, words: str, size: int = 13, *, colour: str = "#1d2733", bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{colour}" text-anchor="middle"{weight}>'
        f"{escape(words)}</text>"
    )


def box(x: int, y: int, width: int, height: int, fill: str, stroke: str, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" fill="{fill}" stroke="{stroke}"'
        f' stroke-width="1.5"{dash}/>'
    )


def line(x1: int, y1: int, x2: int, y2: int, *, dashed: bool = False) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="M{x1} {y1} L{x2} {y2}" stroke="{LINE}" stroke-width="2"{dash}/>'


def server(name: str, x: int, height: int, twin: dict[str, Any], machines: dict[str, Any]) -> Iterator[str]:
    """A server with the machines that live on it, and the replicas of the others."""
    middle = x + SERVER_WIDTH // 2
    yield box(x, TOP, SERVER_WIDTH, height, BOX, LINE)
    yield text(middle, TOP + 24, f"{name}.{twin['domain']}", bold=True)
    yield text(middle, TOP + 42, f"bridge {twin['bridge']}, pool {twin['pool']}", 11, colour=LINE)
    for row, (machine, declared) in enumerate(machines.items()):
        y = TOP + 56 + row * GAP
        owned = declared["home"] == name
        colour = OWNED if owned else REPLICA
        yield box(x + 14, y, SERVER_WIDTH - 28, GAP - 10, "white", colour, dashed=not owned)
        said = f"{machine} ({declared['kind']})" if owned else f"replica of {machine}"
        yield text(middle, y + 15, said, colour=colour, bold=owned)
        detail = (
            ", ".join(declared.get("addresses", ())) if owned else f"at most {declared.get('rpo', '15m')} old"
        )
        yield text(middle, y + 30, detail, 11, colour=colour)


def draw(twin: dict[str, Any], machines: dict[str, Any]) -> str:
    """The whole picture, as SVG."""
    height = 66 + len(machines) * GAP
    left, right = MARGIN, WIDTH - MARGIN - SERVER_WIDTH
    bottom = TOP + height
    middle = WIDTH // 2
    parts = [
        text(middle, 26, f"network {twin['network']}: users, administrators, machines", bold=True),
        line(MARGIN, 38, WIDTH - MARGIN, 38),
    ]
    for x in (left, right):
        parts.append(line(x + SERVER_WIDTH // 2, 38, x + SERVER_WIDTH // 2, TOP))
    for row, link in enumerate(twin["links"]):
        y = TOP + 70 + row * 44
        parts += [line(left + SERVER_WIDTH, y, right, y), text(middle, y - 7, link, 11, colour=LINE)]
    for name, x in zip(twin["servers"], (left, right), strict=True):
        parts += server(name, x, height, twin, machines)
        parts.append(line(x + SERVER_WIDTH // 2, bottom, middle, bottom + 50, dashed=True))
    parts += [
        box(middle - 75, bottom + 40, 150, 40, BOX, LINE),
        text(middle, bottom + 65, f"{twin['witness']}: third vote", bold=True),
    ]
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 100}" width="{WIDTH}"'
        f' font-family="sans-serif">\n<title>Two servers and a witness</title>\n{body}\n</svg>\n'
    )


def current() -> str:
    """The picture as the inventory says now."""
    twin = yaml.safe_load((VARIABLES / "twin.yml").read_text())["twin"]
    machines = yaml.safe_load((VARIABLES / "machines.yml").read_text())["machines"]
    return draw(twin, machines)


if __name__ == "__main__":
    PICTURE.write_text(current())
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")
