# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of twin on two servers in memory: the real code, interrupted before each change that it makes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._machine.declaration import (
    parse_machine,
    to_mapping,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.driver import (
    Forecast,
    Tolerable,
    forecast,
    move,
    replicate_machine,
    resume,
    undo,
)
from ansible_collections.twin.datacenter.plugins.module_utils._machine.journal import Owner, Stage
from ansible_collections.twin.datacenter.plugins.module_utils._machine.kinds import kind_of
from ansible_collections.twin.datacenter.plugins.module_utils._machine.move import Done, Relay
from ansible_collections.twin.datacenter.plugins.module_utils._machine.stations import read_info
from tests.doubles.machines import MACHINE, MachineServer, driver, two_servers
from tests.doubles.zfs_streams import written

Servers = tuple[MachineServer, MachineServer]


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def servers(tmp_path: Path) -> Servers:
    return two_servers(str(tmp_path))


def quiet(*_said: object, **_facts: object) -> None:
    pass


def moved(here: MachineServer, there: MachineServer, to: str = "pollux") -> object:
    job = driver(here, there, quiet)
    plan = forecast(job, to)
    assert isinstance(plan, Forecast)
    return move(job, plan)


def brought_to_an_end(servers: Servers) -> MachineServer:
    """Resume on either server; whoever has the machine then."""
    castor, pollux = servers
    for here, there in ((castor, pollux), (pollux, castor)):
        decision = resume(driver(here, there, quiet))
        if isinstance(decision, Relay):
            decision = resume(driver(there, here, quiet))
        assert isinstance(decision, Done), decision
    (owner,) = [server for server in servers if server.running]
    other = pollux if owner is castor else castor
    mine, his = owner.station.owner("ssa"), other.station.owner("ssa")
    assert mine is not None and mine.server == owner.name
    assert his is None or his == mine
    assert other.station.side("ssa").replica
    assert written(owner, "tank/machines/ssa/data") == "acknowledged"
    return owner


def write(server: MachineServer) -> None:
    server.zfs.state.datasets["tank/machines/ssa/data"].content = "acknowledged"


@pytest.mark.parametrize("flavour", ["fuse", "openzfs-2.3", "freebsd-14.3", "freebsd-15.0"])
def test_there_and_back(tmp_path: Path, flavour: str) -> None:
    servers = castor, pollux = two_servers(str(tmp_path), flavour)
    write(castor)
    assert isinstance(moved(castor, pollux), Done)
    assert brought_to_an_end(servers) is pollux
    assert isinstance(moved(pollux, castor, "castor"), Done)
    assert brought_to_an_end(servers) is castor
    assert castor.station.owner("ssa") == Owner("castor", 3)


def test_a_jail_with_a_dataset_of_its_own_there_and_back(tmp_path: Path) -> None:
    scratch = "tank/machines/ssa/scratch"
    options = {"datasets": {"scratch": "/scratch"}, "vnet": False, "allow.raw_sockets": True}
    servers = castor, pollux = two_servers(str(tmp_path), "freebsd-14.3", options=options)
    castor.zfs.state.datasets[scratch].content = "the jail's own"
    write(castor)
    for here, there in ((castor, pollux), (pollux, castor)):
        assert isinstance(moved(here, there, there.name), Done)
        assert brought_to_an_end(servers) is there
        assert written(there, scratch) == "the jail's own"
        jid = there.kernel.find("ssa").jid
        assert there.kernel.delegated == {scratch: jid}
        values = there.run(["zfs", "get", "-H", "-o", "value", "jailed,mountpoint,mounted", scratch]).out
        assert values.split() == ["on", "/scratch", "no"]
        assert there.kernel.jails()[0].params["ip4.addr"] == ["192.0.2.21"]


def test_the_file_of_mounts_of_a_jail_goes_with_it(tmp_path: Path) -> None:
    line = "tmpfs /tank/machines/ssa/root/tmp tmpfs size=64m 0 0"
    castor, pollux = two_servers(str(tmp_path), "freebsd-14.3", options={"fstab": [line]})
    pollux.files["/etc/fstab.ssa"] = "# of pollux\n"
    assert isinstance(moved(castor, pollux), Done)
    assert pollux.files["/etc/fstab.ssa"] == f"# of pollux\n{line}\n"
    assert "tmpfs" in [each.kind for each in pollux.kernel.mounts]
    assert "tmpfs" not in [each.kind for each in castor.kernel.mounts]


BASE = {"source": "/tank/images/tiny", "target": "/.base", "readonly": True}


def test_a_thin_jail_does_not_move_where_its_base_is_not_mounted(tmp_path: Path) -> None:
    castor, pollux = two_servers(str(tmp_path), "freebsd-14.3", mounts=[BASE])
    job = driver(castor, pollux, quiet)
    assert isinstance(forecast(job, "pollux"), Forecast)
    pollux.change(["zfs", "unmount", "tank/images/tiny"])
    with pytest.raises(Refused) as error:
        forecast(job, "pollux")
    assert (
        "pollux: tank/images/tiny is not mounted at /tank/images/tiny, as jail ssa needs; "
        "run zfs mount tank/images/tiny"
    ) in str(error.value)
    pollux.change(["zfs", "mount", "tank/images/tiny"])
    assert isinstance(moved(castor, pollux), Done)


def test_a_jail_does_not_move_where_a_folder_is_missing_that_it_sees(tmp_path: Path) -> None:
    line = "/usr/ports\\040tree /tank/machines/ssa/root/tmp nullfs ro"
    _castor, pollux = two_servers(str(tmp_path), "freebsd-14.3")
    machine = parse_machine("ssa", {**MACHINE, "kind": "jail", "options": {"fstab": [line]}})
    lacking = kind_of(machine).lacking(pollux.reader(), machine, pollux.pair)
    assert lacking == ["there is no /usr/ports tree, which jail ssa is to see; make it"]
    pollux.files["/usr/ports tree/README"] = ""
    # These are never mounted on the server, wherever they say.
    for name, options in (
        ("usr", ["canmount=off", "mountpoint=/usr"]),
        ("own", ["jailed=on", "mountpoint=/usr"]),
    ):
        pollux.change(["zfs", "create", *(word for each in options for word in ("-o", each)), f"tank/{name}"])
    assert kind_of(machine).lacking(pollux.reader(), machine, pollux.pair) == []


def test_where_it_is_already(servers: Servers) -> None:
    castor, pollux = servers
    plan = forecast(driver(castor, pollux, quiet), "castor")
    assert not isinstance(plan, Forecast | str)
    assert not plan.open


def test_the_other_server_has_to_drive(servers: Servers) -> None:
    castor, pollux = servers
    assert forecast(driver(pollux, castor, quiet), "pollux") == "castor"


def test_a_stopped_machine_stays_stopped(servers: Servers) -> None:
    castor, pollux = servers
    castor.station.stop("ssa")
    assert isinstance(moved(castor, pollux), Done)
    assert not castor.running and not pollux.running
    assert pollux.station.owner("ssa") == Owner("pollux", 2)
    assert "lxc.uts.name" in pollux.files["/var/lib/lxc/ssa/config"]


@pytest.mark.parametrize("flavour", ["fuse", "freebsd-14.3"])
@pytest.mark.parametrize("where", ["castor", "pollux"])
@pytest.mark.parametrize("how", ["killed", "power cut", "fails"])
def test_interrupted_before_each_change(tmp_path: Path, where: str, how: str, flavour: str) -> None:
    """Every change of either server in turn is the one that is not made (of like accidents, every third)."""
    for number in itertools.count(step=1 if how == "killed" else 3):
        servers = castor, pollux = two_servers(str(tmp_path), flavour)
        write(castor)
        sick = castor if where == "castor" else pollux
        left = number

        def fault(argv: tuple[str, ...]) -> Output | None:
            nonlocal left
            left -= 1
            if left == -1:
                if how == "fails":
                    raise TwinError("the disk is sick")
                raise Killed
            return None

        sick.fault = fault  # noqa: B023
        try:
            moved(castor, pollux)
        except Killed:
            if how == "power cut":
                sick.power_cut()
                sick.boot()
        except TwinError:
            assert how == "fails"
        sick.fault = lambda argv: None
        owner = brought_to_an_end(servers)
        if left >= 0:
            assert owner is pollux
            assert number > 10
            break


@pytest.mark.parametrize("flavour", ["fuse", "freebsd-14.3"])
@pytest.mark.parametrize("lasting", [True, False])
def test_the_link_breaks_before_each_change_of_the_target(
    tmp_path: Path, lasting: bool, flavour: str
) -> None:
    for number in itertools.count():
        servers = castor, pollux = two_servers(str(tmp_path), flavour)
        write(castor)
        left = number

        def fault(argv: tuple[str, ...]) -> Output | None:
            nonlocal left
            left -= 1
            if left == -1:
                castor.link.up = False  # noqa: B023
            return None

        pollux.fault = fault
        moved(castor, pollux)
        castor.link.up = True
        brought_to_an_end(servers)
        if left >= 0:
            break


def killed_at_the_commit(argv: tuple[str, ...]) -> Output | None:
    """The process ends before this server writes who owns the machine."""
    if argv[:2] == ("zfs", "set") and argv[2].startswith("twin:owner"):
        raise Killed
    return None


def test_undo_takes_back_what_was_not_committed(servers: Servers) -> None:
    castor, pollux = servers
    write(castor)

    castor.fault = killed_at_the_commit
    with pytest.raises(Killed):
        moved(castor, pollux)
    castor.fault = lambda argv: None
    assert not castor.running
    with pytest.raises(TwinError, match="is being moved to pollux"):
        castor.station.start(castor.station.journal("ssa"))  # type: ignore[arg-type]
    assert undo(driver(pollux, castor, quiet)) == Relay("castor")
    undo(driver(castor, pollux, quiet))
    assert brought_to_an_end(servers) is castor
    with pytest.raises(Refused, match="there is nothing to undo"):
        undo(driver(castor, pollux, quiet))


def test_undo_after_the_commit_is_refused(servers: Servers) -> None:
    castor, pollux = servers
    write(castor)

    pollux.fault = killed_at_the_commit
    with pytest.raises(Killed):
        moved(castor, pollux)
    pollux.fault = lambda argv: None
    with pytest.raises(Refused, match="was handed over to pollux already"):
        undo(driver(castor, pollux, quiet))
    assert brought_to_an_end(servers) is pollux


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (
            lambda castor, pollux: pollux.files.update({"/proc/meminfo": "MemTotal: 1 kB\n"}),
            "memory of pollux",
        ),
        (lambda castor, pollux: pollux.files.pop("/sys/class/net/br0/address"), "there is no bridge br0"),
        (
            lambda castor, pollux: pollux.files.update({"/sys/fs/cgroup/cgroup.controllers": "cpu\n"}),
            "the kernel cannot enforce lxc.cgroup2.memory.max",
        ),
        (
            lambda castor, pollux: pollux.files.update(
                {"/var/lib/lxc/ssa/config": "lxc.rootfs.path = dir:/x\n"}
            ),
            "its name is taken on pollux by a container",
        ),
        (
            lambda castor, pollux: pollux.change(["zfs", "create", "tank/machines/ssa"]),
            "its name is taken on pollux by dataset tank/machines/ssa",
        ),
        (
            lambda castor, pollux: [
                pollux.change(["zfs", "unmount", "tank/images/tiny"]),
                pollux.zfs.late.clear(),
                pollux.change(["zfs", "rename", "tank/images/tiny", "tank/images/other"]),
            ],
            "image tiny is missing on pollux",
        ),
        (lambda castor, pollux: setattr(castor.link, "up", False), "it answers at none of"),
    ],
)
def test_what_stands_against_it_is_said_before_anything_is_touched(
    servers: Servers, spoil: object, reason: str
) -> None:
    castor, pollux = servers
    spoil(castor, pollux)  # type: ignore[operator]
    castor.changes.clear()
    pollux.changes.clear()
    with pytest.raises(Refused, match=reason):
        forecast(driver(castor, pollux, quiet), "pollux")
    assert not castor.changes and not pollux.changes


def test_unknown_names(servers: Servers) -> None:
    castor, pollux = servers
    job = driver(castor, pollux, quiet)
    with pytest.raises(Refused, match="nowhere: it is none of this pair; use castor or pollux"):
        forecast(job, "nowhere")
    job.name = "nix"
    with pytest.raises(Refused, match="castor has none of that name"):
        forecast(job, "pollux")


def test_a_move_that_was_interrupted_is_finished_by_moving_again(servers: Servers) -> None:
    castor, pollux = servers
    write(castor)

    def fault(argv: tuple[str, ...]) -> None:
        if argv[0] == "lxc-stop":
            raise Killed

    castor.fault = fault
    with pytest.raises(Killed):
        moved(castor, pollux)
    castor.fault = lambda argv: None
    plan = forecast(driver(castor, pollux, quiet), "pollux")
    assert not isinstance(plan, Forecast | str) and plan.open and plan.stage is Stage.FINAL
    with pytest.raises(Refused, match="is not finished"):
        forecast(driver(castor, pollux, quiet), "castor")
    assert brought_to_an_end(servers) is pollux


def test_replication_and_its_ledger(servers: Servers) -> None:
    castor, pollux = servers
    write(castor)
    for _run in range(6):
        castor.zfs.state.clock += 60
        assert "sent to pollux" in replicate_machine(driver(castor, pollux, quiet))
    ledger = json.loads(castor.files["/var/lib/twin/reports/replication.json"])["machines"]["ssa"]
    assert ledger["to"] == "pollux" and ledger["failed"] is None
    assert written(pollux, f"tank/machines/ssa/data@{ledger['snapshot']}") == "acknowledged"
    kept = [name for name in castor.zfs.state.snapshots if name.startswith("tank/machines/ssa@twin-")]
    assert len(kept) < 6
    assert replicate_machine(driver(pollux, castor, quiet)) == "machine ssa is not of this server"
    castor.link.up = False
    with pytest.raises(Tolerable, match="within its rpo of 15 min: server pollux: it answers at none"):
        replicate_machine(driver(castor, pollux, quiet))
    ledger = json.loads(castor.files["/var/lib/twin/reports/replication.json"])["machines"]["ssa"]
    assert "answers at none" in ledger["error"]


def test_a_server_of_no_pair_has_no_machines(servers: Servers) -> None:
    assert read_info(servers[0], {}) == {"server": None, "pool": None, "machines": []}
    servers[0].files["/etc/twin/pair.json"] = "{"
    with pytest.raises(Refused, match="it is damaged"):
        read_info(servers[0], {})


def test_info(servers: Servers) -> None:
    castor, pollux = servers
    castor.files["/etc/twin/pair.json"] = json.dumps(to_mapping(castor.pair))
    (record,) = read_info(castor, {})["machines"]
    assert (record["name"], record["state"], record["owner"]) == ("ssa", "running", "castor")
    assert (record["role"], record["defined"]) == ("owner", True)
    assert record["machine"]["memory"] == "1G"
    assert (record["image"], record["root_image"]) == ("tiny", "tiny")
    assert pollux.station.info()["machines"] == []
    replicate_machine(driver(castor, pollux, quiet))
    (record,) = pollux.station.info()["machines"]
    assert (record["state"], record["owner"], record["kind"]) == ("stopped", None, None)
    assert (record["role"], record["defined"]) == ("replica", False)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("twin:machine=?", "property twin:machine of machine bad: it is not JSON"),
        ("twin:machine={}", "machine bad: kind is missing"),
        ("twin:owner=castor", "twin:owner of machine bad: 'castor' is no owner"),
    ],
)
def test_what_is_damaged_of_one_machine_hides_no_other(servers: Servers, setting: str, said: str) -> None:
    castor = servers[0]
    castor.change(["zfs", "create", "-o", setting, "tank/machines/bad"])
    bad, good = castor.station.info()["machines"]
    assert bad["error"].startswith(said)
    assert (bad["state"], bad["machine"]) == ("stopped", None)
    assert (good["name"], good["state"], good["error"]) == ("ssa", "running", None)


def test_info_asks_once_however_many_machines_there_are(servers: Servers) -> None:
    castor = servers[0]
    for number in range(5):
        castor.change(["zfs", "create", f"tank/machines/m{number}"])
    castor.calls.clear()
    assert len(castor.station.info()["machines"]) == 6
    assert [argv[:2] for argv in castor.calls] == [("zfs", "get"), ("lxc-ls", "--fancy"), ("zfs", "list")]
