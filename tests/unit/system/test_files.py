# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files: parsing, the block, plans, and what is refused before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import CommandFailed, Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._system.files import (
    BEGIN,
    END,
    splice,
    with_lines,
)
from ansible_collections.twin.datacenter.plugins.modules.files import SUBJECT
from tests.doubles.memory import MemoryHost, power_cut_before
from tests.doubles.system import freebsd_server, server

LINES = st.lists(st.text(alphabet="ab #\t", max_size=6), max_size=6)
TEXTS = LINES.map(lambda lines: "".join(f"{line}\n" for line in lines))
BLOCKS = st.lists(st.text(alphabet="ab", min_size=1, max_size=6), min_size=1, max_size=3).map("\n".join)


def apply(host: MemoryHost, *items: dict[str, Any]) -> list[str]:
    return reconcile(SUBJECT, {"files": list(items)}, host, host).plan.sentences


def announce(host: MemoryHost, *items: dict[str, Any]) -> list[str]:
    return reconcile(SUBJECT, {"files": list(items)}, host.reader()).plan.sentences


@given(TEXTS, BLOCKS)
def test_a_second_splice_changes_nothing(text: str, block: str) -> None:
    once = splice(text, block)
    assert splice(once, block) == once
    assert f"{BEGIN}\n{block}\n{END}\n" in once


@given(TEXTS, TEXTS, BLOCKS, BLOCKS)
def test_a_block_is_replaced_where_it_stands(head: str, tail: str, old: str, new: str) -> None:
    text = f"{head}{BEGIN}\n{old}\n{END}\n{tail}"
    assert splice(text, new) == f"{head}{BEGIN}\n{new}\n{END}\n{tail}"
    assert splice(text, "") == head + tail


@given(TEXTS, BLOCKS)
def test_a_first_block_comes_before_the_rest(text: str, block: str) -> None:
    once = splice(text, block, first=True)
    assert once == f"{BEGIN}\n{block}\n{END}\n{text}"
    assert splice(once, block, first=True) == once and splice(once, "", first=True) == text


@given(TEXTS, st.lists(st.text(alphabet="ab:0", min_size=1, max_size=4), max_size=4))
def test_lines_are_added_once_and_nothing_is_lost(text: str, lines: list[str]) -> None:
    result = with_lines(text, lines)
    assert result.startswith(text)
    assert set(lines) <= set(result.splitlines())
    assert with_lines(result, lines) == result


def test_lines_that_another_tool_sorted_are_still_there() -> None:
    host = server(files={"/etc/subuid": "alice:165536:65536\nroot:100000:65536\n"})
    assert apply(host, {"path": "/etc/subuid", "lines": ["root:100000:65536"]}) == []


def test_a_block_after_a_line_without_an_end() -> None:
    assert splice("a", "b") == f"a\n{BEGIN}\nb\n{END}\n"


def test_a_begin_without_an_end_is_no_block() -> None:
    text = f"{BEGIN}\na\n"
    assert splice(text, "b").endswith("a\n")


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"path": "etc/motd", "content": ""}, "not absolute"),
        ({"path": "/etc//motd", "content": ""}, "not absolute"),
        ({"path": "/etc/motd", "content": "", "block": ""}, "exclude each other"),
        ({"path": "/etc/motd", "content": "", "state": "absent"}, "means nothing"),
        ({"path": "/etc/motd", "content": "", "first": True}, "first means nothing without block"),
        ({"path": "/etc/motd", "content": "", "mode": "u+x"}, "octal"),
        ({"path": "/etc/motd", "template": "a.j2"}, "not rendered"),
        ({"path": "/etc/motd"}, "no content is given"),
    ],
)
def test_bad_input_is_refused(item: dict[str, Any], words: str) -> None:
    host = server()
    with pytest.raises(Refused, match=words):
        apply(host, item)
    assert host.changes == []


def test_a_path_listed_twice_is_refused() -> None:
    item = {"path": "/etc/motd", "content": ""}
    with pytest.raises(Refused, match="more than once"):
        apply(server(), item, item)


def test_a_folder_is_neither_removed_nor_replaced() -> None:
    host = server()
    apply(host, {"path": "/etc/twin", "state": "directory"})
    for item in ({"path": "/etc/twin", "state": "absent"}, {"path": "/etc/twin", "content": "a"}):
        with pytest.raises(Refused, match="folder|directory"):
            apply(host, item)


def test_a_file_is_no_folder() -> None:
    with pytest.raises(Refused, match="a folder is wanted"):
        apply(server(), {"path": "/etc/hosts", "state": "directory"})


def test_a_judge_refuses_before_anything_is_written_in_check_mode_too() -> None:
    host = server()
    item = {"path": "/etc/sudoers.d/a", "content": "nonsense", "validate": ["/usr/sbin/visudo", "-cf", "%s"]}
    for run in (apply, announce):
        with pytest.raises(Refused, match="visudo says"):
            run(host, {"path": "/etc/motd", "content": "a"}, item)
    assert host.changes == []


def test_a_judge_that_is_not_installed_yet_says_nothing_in_check_mode() -> None:
    item = {"path": "/etc/a", "content": "a", "validate": ["/usr/sbin/absent", "%s"]}
    assert announce(server(), item) == ["write /etc/a"]


def test_what_nobody_declared_is_kept() -> None:
    host = server(files={"/etc/motd": "old\n"})
    apply(host, {"path": "/etc/motd", "mode": "0640", "owner": "alice"})
    assert apply(host, {"path": "/etc/motd", "content": "new\n"}) == ["change /etc/motd"]
    assert host.modes["/etc/motd"] == 0o640


def test_units_are_told_after_the_files_and_systemd_first() -> None:
    sentences = announce(
        server(),
        {"path": "/etc/a", "content": "a", "restart": ["ssh.service"]},
        {"path": "/etc/systemd/system/b.service", "content": "b", "restart": ["b.service"]},
    )
    assert sentences == [
        "write /etc/a",
        "write /etc/systemd/system/b.service",
        "let systemd read its units again",
        "restart b.service if it runs",
        "restart ssh.service if it runs",
    ]


def test_an_unchanged_file_restarts_nothing() -> None:
    host = server(files={"/etc/a": "a"})
    assert apply(host, {"path": "/etc/a", "content": "a", "restart": ["ssh.service"]}) == []


def test_a_restart_lost_to_a_power_cut_is_made_good() -> None:
    item = {"path": "/etc/a", "content": "a", "restart": ["ssh.service"]}
    host = server()
    host.fault = power_cut_before(2)
    with pytest.raises(Exception, match="the host died"):
        apply(host, item)
    assert host.files["/etc/a"] == "a"
    host.fault = lambda argv: None
    assert apply(host, item) == ["restart ssh.service if it runs"]
    assert apply(host, item) == []


def test_a_unit_that_does_not_restart_fails_the_task_and_stays_owed() -> None:
    host = server()

    def broken(argv: tuple[str, ...]) -> None:
        if argv[:2] == ("systemctl", "try-restart"):
            raise CommandFailed("systemctl try-restart failed")

    host.fault = broken
    with pytest.raises(Exception, match="1 of 2 steps are done"):
        apply(host, {"path": "/etc/a", "content": "a", "restart": ["ssh.service"]})
    assert "/var/run/twin/owed/restart:ssh.service" in host.files


def test_a_secret_is_named_but_not_shown() -> None:
    outcome = reconcile(SUBJECT, {"files": [{"path": "/etc/key", "secret": "hush\n"}]}, server().reader())
    assert outcome.plan.after["/etc/key"]["content"] == "another secret"
    assert "hush" not in repr(outcome)


def test_a_missing_newline_is_seen_in_the_diff() -> None:
    host = server(files={"/etc/a": "a\n"})
    plan = reconcile(SUBJECT, {"files": [{"path": "/etc/a", "content": "a"}]}, host.reader()).plan
    assert plan.before["/etc/a"] == {"content": ["a"]}
    assert plan.after["/etc/a"] == {"content": ["a (no newline at the end)"]}


def test_a_service_of_freebsd_is_restarted_if_it_runs() -> None:
    host = freebsd_server(running=["sshd"])
    told = ["restart ntpd if it runs", "restart sshd if it runs"]
    assert apply(host, {"path": "/etc/a", "content": "a", "restart": ["sshd", "ntpd"]}) == [
        "write /etc/a",
        *told,
    ]
    assert ("service", "sshd", "onerestart") in host.changes
    assert ("service", "ntpd", "onerestart") not in host.changes
    assert not host.listing("/var/run/twin/owed")
