# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of mounts: the laws stated in fstab.py."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._jail import fstab

A, B, C = "/a /r/a nullfs ro 0 0", "/b /r/b nullfs rw 0 0", "tmpfs /r/tmp tmpfs size=1m,mode=1777 0 0"
MOUNTS = st.sampled_from([A, B, C, "/a\\040b /r/x nullfs", "proc /r/proc procfs rw"])
OTHERS = st.sampled_from(["", "# words", "   ", "#/a /r/a nullfs", "\t# more /a /b c"])
TEXTS = st.tuples(st.lists(st.one_of(MOUNTS, OTHERS)), st.booleans()).map(
    lambda found: "\n".join(found[0]) + "\n" * found[1]
)


@given(st.text(alphabet="ab/#, \trw0", max_size=30))
def test_a_meaning_is_its_own_meaning(line: str) -> None:
    assert fstab.meaning(fstab.meaning(line)) == fstab.meaning(line)


@given(TEXTS, st.lists(MOUNTS))
def test_an_edited_file_mounts_what_is_wanted_and_keeps_the_rest(text: str, wanted: list[str]) -> None:
    edited = fstab.edit(text, wanted)
    assert fstab.mounts(edited) == tuple(map(fstab.meaning, wanted))
    assert fstab.edit(text, fstab.mounts(text)) == text
    assert fstab.edit(edited, wanted) == edited

    def others(whole: str) -> list[str]:
        return [line for line in whole.splitlines() if not fstab.meaning(line)]

    assert others(edited) == others(text)


def test_lines_that_stay_are_kept_byte_for_byte() -> None:
    text = "# mine\n/a  /r/a\tnullfs ro\n\n# tmp\ntmpfs /r/tmp tmpfs mode=1777,size=1m 0 0 # small\n"
    assert fstab.edit(text, [A, B, C]) == text.replace("ro\n", f"ro\n{B}\n")
    assert fstab.edit(text, [C]) == text.replace("/a  /r/a\tnullfs ro\n", "")
    assert fstab.edit(text, [A, C]) == text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (B, "/b/\t/r/b/ nullfs", True),
        (C, "tmpfs /r/tmp tmpfs mode=1777,size=1m 2 2 # x", True),
        (A, "/a /r/a nullfs rw 0 0", False),
    ],
)
def test_lines_are_compared_by_what_they_mount(one: str, other: str, same: bool) -> None:
    assert (fstab.meaning(one) == fstab.meaning(other)) is same


@pytest.mark.parametrize(
    "line", ["/a /b", "/a b nullfs", "# /a /b nullfs", "/a /b nullfs ro 0 0 7", "/a /b\nnullfs x"]
)
def test_what_is_no_mount_is_refused(line: str) -> None:
    with pytest.raises(Refused, match="is no mount"):
        fstab.check(line, "jail web")
