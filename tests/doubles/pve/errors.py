# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Proxmox VE refuses.

Rests on: PVE::Exception (pve-common) and the recorded exchanges. A Perl `die` becomes status 500 with its
first line as the reason of HTTP and all of it, line break included, as `message`; a bad parameter becomes 400
with a map `errors`; a missing privilege 403. 401 and 596 come from the HTTP server itself and have no JSON
body; 501 and 424 have a message without a line break.
"""

from __future__ import annotations

VERIFICATION = "Parameter verification failed."


class Refusal(Exception):
    """An answer other than 200; inside a task its text becomes the exit status."""

    def __init__(
        self, text: str, status: int = 500, errors: dict[str, str] | None = None, bare: bool = False
    ) -> None:
        super().__init__(text)
        self.text = text
        self.status = status
        self.errors = errors
        self.bare = bare
        """Whether it has no JSON body."""
        self.delay = 0.0
        """Seconds that went by before it."""

    @property
    def reason(self) -> str:
        return self.text.split("\n", 1)[0]

    @property
    def perl(self) -> str:
        """As PVE::Exception prints itself: with its code in front and its errors below, where it has them."""
        code = "" if self.status == 500 else f"{self.status} "
        lines = [
            f"{code}{self.text.rstrip()}",
            *(f"{k}: {v}" for k, v in sorted((self.errors or {}).items())),
        ]
        return "\n".join(lines)


class Dropped(Exception):
    """The connection breaks off without an answer."""


def parameter(**errors: str) -> Refusal:
    """400: these parameters are wrong. A name that is no Python name is passed by `parameters`."""
    return parameters(errors)


def parameters(errors: dict[str, str]) -> Refusal:
    return Refusal(VERIFICATION, 400, errors)


def forbidden(what: str = "") -> Refusal:
    return Refusal(f"Permission check failed ({what})" if what else "Permission check failed", 403)


def unauthorized(text: str) -> Refusal:
    return Refusal(text, 401, bare=True)
