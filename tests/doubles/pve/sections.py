# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a file made of sections, as most objects of a cluster are stored.

Rests on: PVE::SectionConfig (delete_from_config, assert_if_modified) and the recorded exchanges.

"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tests.doubles.pve.errors import Refusal
from tests.doubles.pve.formats import split_list


def delete_options(
    section: dict[str, Any], delete: str | None, known: Collection[str], required: Collection[str]
) -> None:
    """Takes options out of a section, whether they are set or not; one that does not exist refuses."""
    for name in split_list(delete or ""):
        if name not in known:
            raise Refusal(f"no such option '{name}'")
        if name in required:
            raise Refusal(f"unable to delete required option '{name}'")
        section.pop(name, None)


class Failed:
    """`with Failed("create ha rule failed"):` puts these words before what is refused (lock_ha_domain)."""

    def __init__(self, words: str) -> None:
        self.words = words

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, refusal: BaseException | None, trace: Any) -> None:
        if isinstance(refusal, Refusal):
            raise Refusal(f"{self.words}: {refusal.perl}") from refusal
