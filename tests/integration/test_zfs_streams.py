# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots and streams on real ZFS: from castor to pollux, in a pool of their own."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused, TwinError
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Peer, WritableHost
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Outcome, reconcile
from ansible_collections.twin.datacenter.plugins.module_utils._core.pipe import Meter
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.host import capabilities
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.replica import Item
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot import HOLD, Dataset
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.snapshot_host import read_datasets
from ansible_collections.twin.datacenter.plugins.module_utils._zfs.transfer import read_replica, replicate
from ansible_collections.twin.datacenter.plugins.modules import zfs_replica, zfs_snapshot
from tests.integration.zfs_bed import DISKS, FLAVOUR, OPENZFS, ZfsServer
from tests.lab import Lab
from tests.laws import cases_zfs_replica, cases_zfs_snapshot, laws
from tests.laws.cases_zfs_replica import item

Use = cases_zfs_snapshot.Use | cases_zfs_replica.Use
POOL = "flow"
TREE = f"{POOL}/m"


class Server(ZfsServer):
    """A server of the lab which reaches the other one, through the control node."""

    other: Server

    def reach(self, peer: Peer) -> WritableHost:
        return self.other

    def fresh(self, lines: tuple[str, ...] = ()) -> None:
        """A new pool, for what is held cannot be taken out of one; and then a script."""
        self.new_disks((), [POOL])
        self.pool(POOL)
        self.script(lines)

    def script(self, lines: Iterable[str]) -> None:
        """Run argument lines of zfs(8); ``write DATASET TEXT`` writes a file."""
        commands = ["set -eu"]
        for words in (line.split(" ") for line in lines):
            if words[0] == "write":
                commands.append(f"printf %s {shlex.quote(words[2])} >{shlex.quote(f'/{words[1]}/file')}")
            elif words[0] == "rename":
                # zfs-fuse goes on unmounting after it has answered.
                commands.append(f"timeout 5 sh -c 'until {shlex.join(['zfs', *words])}; do sleep 0.1; done'")
            else:
                commands.append(shlex.join(["zfs", *words]))
        self.change(["sh", "-c", "\n".join(commands)])

    def streaming(self) -> bool:
        """Whether the stream of the data is under way."""
        return self.run(["pgrep", "-f", "^zfs (send|receive) .*data"], ok=(0, 1)).rc == 0

    def tree(self, root: str = TREE) -> dict[str, Dataset]:
        """What there is, read by our own code."""
        return read_datasets(self, capabilities(self), [root], recursive=True)

    def data(self, dataset: str, megabytes: float, name: str = "file") -> None:
        """Write incompressible data into a dataset."""
        count = int(megabytes * 1e6)
        self.change(["sh", "-c", 'head -c "$1" /dev/urandom >"$2"', "sh", str(count), f"/{dataset}/{name}"])

    def digest(self, dataset: str, snapshot: str, name: str = "file") -> str:
        """Of a file in a snapshot; it is cloned for a moment, since a replica is not mounted."""
        clone = f"{POOL}/look"
        self.change(["zfs", "clone", f"{dataset}@{snapshot}", clone])
        digest = self.run(["sha256sum", f"/{clone}/{name}"]).out.split()[0]
        self.change(["sh", "-c", f"until zfs destroy {clone} 2>/dev/null; do sleep 0.1; done"], timeout=20)
        return digest


@pytest.fixture(scope="module")
def servers(lab: Lab) -> Iterator[tuple[Server, Server]]:
    castor, pollux = (Server(lab, name) for name in ("castor", "pollux"))
    castor.other, pollux.other = pollux, castor
    with ThreadPoolExecutor() as pool:
        list(pool.map(Server.install, (castor, pollux)))
    yield castor, pollux
    for server in (castor, pollux):
        server.new_disks((), [POOL])
        server.change(["rm", "-r", DISKS])


@pytest.fixture
def castor(servers: tuple[Server, Server]) -> Server:
    """With a machine and its image, and a snapshot of the machine."""
    servers[0].fresh(
        (
            "create flow/image",
            "write flow/image system",
            "snapshot flow/image@base",
            "create flow/m",
            "clone flow/image@base flow/m/root",
            "create flow/m/data",
            "write flow/m/data one",
            "snapshot -r flow/m@s1",
        )
    )
    return servers[0]


@pytest.fixture
def pollux(servers: tuple[Server, Server]) -> Server:
    """With an empty pool."""
    servers[1].fresh()
    return servers[1]


def run(castor: Server, *items: dict[str, Any], allow: tuple[str, ...] = (), check: bool = False) -> Outcome:
    """Module zfs_replica."""
    params = {"replicas": list(items), "peer": {"addresses": ["192.0.2.12"]}, "allow_destroy": list(allow)}
    return reconcile(zfs_replica.SUBJECT, params, castor, None if check else castor)


# ---- the laws, on the real system -------------------------------------------------------------


def real(use: Use, servers: tuple[Server, Server]) -> laws.Case:
    """A use of the laws on the lab: the systems are made by the same commands, in a pool of ours."""
    here, there = servers
    lines = [line.replace("tank/", f"{POOL}/") for line in use.system]

    def host() -> Server:
        here.fresh()
        there.fresh()
        for mine, group in itertools.groupby(lines, key=_kind):
            _make(here, there, mine, list(group))
        return here

    params = json.loads(json.dumps(use.params).replace("tank/", f"{POOL}/"))
    module = "zfs_snapshot" if isinstance(use, cases_zfs_snapshot.Use) else "zfs_replica"
    return laws.Case(module, use.name, host, params)


def _kind(line: str) -> str:
    """Where a line of a use is run: there (``peer:``), on both (``copy``) or here."""
    word = line.partition(" ")[0]
    return word if word in ("peer:", "copy") else "here"


def _make(here: Server, there: Server, kind: str, lines: list[str]) -> None:
    if kind == "here":
        here.script(lines)
    elif kind == "peer:":
        there.script([line.removeprefix("peer: ") for line in lines])
    else:
        for line in lines:
            argv, _bar, target = line.removeprefix("copy ").partition(" | ")
            replica = [
                ["set", "readonly=on", target],
                ["set", "canmount=noauto", target],
                ["unmount", target],
            ]
            meter = Meter()
            joined = here.pipe(["zfs", "send", *argv.split(" ")], there, ["zfs", "receive", target], meter)
            assert joined.receiver_rc == 0, joined
            for words in replica:
                there.change(["zfs", *words], ok=(0, 1))


# Each of them sees that the plan is empty afterwards. A name with the time in it is never announced exactly.
LAWS = {
    "series": laws.plan_after_apply_is_empty,
    "series with retention": laws.plan_after_apply_is_empty,
    "absent": laws.interrupted_run_converges,
}
USES: list[Use] = [use for use in cases_zfs_snapshot.USES if FLAVOUR in use.flavours]
USES += cases_zfs_replica.USES


ON_KERNELS = ("retention leaves what is held or cloned",)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(use, id=use.name, marks=[pytest.mark.kernel] if use.name in ON_KERNELS else [])
        for use in USES
    ],
)
def test_law(use: Use, servers: tuple[Server, Server]) -> None:
    LAWS.get(use.name, laws.announced_is_executed)(real(use, servers))


# ---- what only real systems can show ----------------------------------------------------------


@pytest.mark.kernel
def test_a_machine_goes_over_and_a_second_run_has_nothing_to_do(castor: Server, pollux: Server) -> None:
    castor.data(f"{TREE}/data", 5)
    castor.change(["zfs", "snapshot", "-r", f"{TREE}@s2"])
    run(castor, item("flow/image"))
    announced = run(castor, item(TREE, recursive=True), check=True).plan.sentences
    outcome = run(castor, item(TREE, recursive=True))
    assert outcome.plan.sentences == announced
    assert not run(castor, item(TREE, recursive=True)).plan.changed
    assert pollux.digest(f"{TREE}/data", "s2") == castor.digest(f"{TREE}/data", "s2")
    for dataset in pollux.tree().values():
        assert dataset.readonly and not dataset.mounted and dataset.canmount == "noauto"


ANSWERED_255 = "zfs send -nvP -t 1-nonsense" if OPENZFS else "zfs holds -H flow/image@base"


@pytest.mark.kernel
def test_an_exit_code_of_zfs_is_no_lost_connection(castor: Server) -> None:
    """255, which ssh keeps for itself."""
    answer = castor.answer(ANSWERED_255.split(" "), "", None)
    assert answer.rc == 255
    # zfs-fuse says why on its standard output.
    assert len((answer.out + answer.err).splitlines()) == 1, answer


def test_a_clone_of_an_image_travels_as_an_increment(castor: Server, pollux: Server) -> None:
    """And keeps its origin, so that the image takes its space but once."""
    castor.fresh(("create flow/image", "create flow/m"))
    castor.data("flow/image", 20)
    castor.script(["snapshot flow/image@base", "clone flow/image@base flow/m/root"])
    castor.data(f"{TREE}/root", 1, "own")
    castor.script(["snapshot -r flow/m@s1"])
    run(castor, item("flow/image"))
    outcome = run(castor, item(TREE, recursive=True))
    assert 1e6 < sum(each["bytes"] for each in outcome.measured) < 1.3e6
    assert pollux.tree()[f"{TREE}/root"].origin == "flow/image@base"


@pytest.mark.kernel
def test_what_is_sent_was_predicted(castor: Server, pollux: Server) -> None:
    """By zfs send without the headers of its records, else as an upper bound."""
    for number, megabytes in enumerate((3, 0.001)):
        castor.data(f"{TREE}/data", megabytes)
        castor.script([f"snapshot -r {TREE}@n{number}"])
        castor.change(["sync"])
        replica = read_replica(castor, pollux, Item(TREE, TREE, True, 0))
        predicted = sum(send.size or 0 for send in replica.sends)
        headers = 0.05 * predicted + 32_000 if OPENZFS else 0
        assert replicate(castor, pollux, TREE).count <= predicted + headers


def test_killed_halfway_a_second_run_finishes(castor: Server, pollux: Server, lab: Lab) -> None:
    castor.data(f"{TREE}/data", 20)
    castor.script([f"snapshot -r {TREE}@s2"])
    child = subprocess.Popen([sys.executable, "-c", SLOWLY, lab.name], env=environment())
    _until(pollux.streaming)
    time.sleep(0.5)
    child.kill()
    child.wait()
    _until(lambda: not pollux.streaming())
    half = pollux.tree().get(f"{TREE}/data")
    # What OpenZFS has received of a stream is kept, to go on from there.
    assert half is None or (half.token and not half.snapshots)
    replicate(castor, pollux, TREE)
    assert pollux.digest(f"{TREE}/data", "s2") == castor.digest(f"{TREE}/data", "s2")


@pytest.mark.parametrize("where", ["castor", "pollux"])
def test_one_end_killed_halfway_a_second_run_finishes(
    castor: Server, pollux: Server, lab: Lab, where: str
) -> None:
    castor.data(f"{TREE}/data", 20)
    castor.script([f"snapshot -r {TREE}@s2"])
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(replicate, castor, pollux, TREE, limit=1_000_000)
        _until((castor if where == "castor" else pollux).streaming)
        time.sleep(0.5)
        lab.signal(where, signal.SIGKILL, pattern=r"^zfs (send|receive) .*data")
        # The daemon of zfs-fuse may bring a stream to its end without the program that asked for it.
        with contextlib.suppress(TwinError):
            sending.result(180)
    replicate(castor, pollux, TREE)
    assert pollux.digest(f"{TREE}/data", "s2") == castor.digest(f"{TREE}/data", "s2")


@pytest.mark.kernel
def test_what_was_written_on_the_peer_is_not_lost(castor: Server, pollux: Server) -> None:
    replicate(castor, pollux, TREE)
    pollux.script([f"set readonly=off {TREE}/data", f"mount {TREE}/data", f"write {TREE}/data precious"])
    pollux.script([f"unmount {TREE}/data"])
    castor.script([f"write {TREE}/data two", f"snapshot -r {TREE}@s2"])
    with pytest.raises(TwinError, match="has been modified since most recent snapshot|written since"):
        run(castor, item(TREE, recursive=True))
    pollux.change(["sh", "-c", f"until zfs mount {TREE}/data; do sleep 0.1; done"])
    assert pollux.run(["cat", f"/{TREE}/data/file"]).out == "precious"
    run(castor, item(TREE, recursive=True), allow=(f"{TREE}/data",))
    assert pollux.digest(f"{TREE}/data", "s2") == castor.digest(f"{TREE}/data", "s2")


def test_a_snapshot_of_the_peers_own_is_not_lost(castor: Server, pollux: Server) -> None:
    replicate(castor, pollux, TREE)
    pollux.script([f"snapshot {TREE}/data@own"])
    castor.script([f"snapshot -r {TREE}@s2"])
    with pytest.raises(Refused, match=f"name it in allow_destroy \\({TREE}/data\\)"):
        run(castor, item(TREE, recursive=True))
    assert pollux.tree()[f"{TREE}/data"].snapshot("own")


@pytest.mark.kernel
def test_what_both_share_cannot_be_removed(castor: Server, pollux: Server) -> None:
    """By hand nor by retention, before and after its holds have moved on."""
    replicate(castor, pollux, TREE)
    castor.script([f"snapshot -r {TREE}@s2"])
    replicate(castor, pollux, TREE)
    for server in (castor, pollux):
        for name, dataset in server.tree().items():
            assert [each.name for each in dataset.snapshots if HOLD in each.holds] == ["s2"]
            assert re.search("busy|being held", server.change(["zfs", "destroy", f"{name}@s2"], ok=(1,)).err)
    castor.script([f"snapshot -r {TREE}@s3", f"snapshot -r {TREE}@s4"])
    keep = {
        "snapshots": [cases_zfs_snapshot.item(dataset=TREE, prefix="s", keep={"last": 1}, recursive=True)]
    }
    reconcile(zfs_snapshot.SUBJECT, keep, castor, castor)
    assert [each.name for each in castor.tree()[TREE].snapshots] == ["s2", "s4"]
    assert replicate(castor, pollux, TREE).count > 0


def test_a_rate_is_kept(castor: Server, pollux: Server) -> None:
    castor.data(f"{TREE}/data", 4)
    castor.script([f"snapshot -r {TREE}@s2"])
    sent = replicate(castor, pollux, TREE, limit=2_000_000)
    assert sent.count / sent.seconds < 2_200_000


def test_the_module_from_server_to_server(castor: Server, pollux: Server, lab: Lab) -> None:
    """By Ansible on castor, whose ssh has a key and knows pollux."""
    script = "rm -f /root/flow; ssh-keygen -q -t ed25519 -N '' -f /root/flow; cat /root/flow.pub"
    public = castor.change(["sh", "-c", script]).out
    host_key = pollux.run(["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).out
    pollux.change(["sh", "-c", "cat >>/root/.ssh/authorized_keys"], stdin=public)
    castor.write("/root/flow.known", f"10.1.0.2 {host_key}")
    options = {
        "replicas": [{"dataset": "flow/image"}, {"dataset": TREE, "recursive": True, "rate": "100M"}],
        "peer": {
            "addresses": ["127.0.0.1", "10.1.0.2"],
            "key": "/root/flow",
            "known_hosts": "/root/flow.known",
        },
    }
    first, again = (ansible(lab, "twin.datacenter.zfs_replica", options) for _unused in range(2))
    assert first["changed"] is True
    assert [each["key"] for each in first["measured"]] == ["flow/image", TREE, f"{TREE}/data", f"{TREE}/root"]
    assert again["changed"] is False
    assert pollux.digest(f"{TREE}/data", "s1") == castor.digest(f"{TREE}/data", "s1")


def test_the_module_tells_of_a_key_that_is_not_known(castor: Server, pollux: Server, lab: Lab) -> None:
    castor.change(["sh", "-c", "rm -f /root/stranger; ssh-keygen -q -t ed25519 -N '' -f /root/stranger"])
    options = {
        "replicas": [{"dataset": "flow/image"}],
        "peer": {"addresses": ["10.1.0.2"], "key": "/root/stranger"},
    }
    told = ansible(lab, "twin.datacenter.zfs_replica", options)
    assert told["msg"].startswith("the other server could not be reached by ssh: 10.1.0.2: ")


def ansible(lab: Lab, module: str, options: dict[str, Any]) -> dict[str, Any]:
    """What a module answers on castor."""
    done = lab.run(
        "ansible", "-i", lab.inventory(), "castor", "-m", module, "-a", json.dumps(options),
        env=environment(),
    )  # fmt: skip
    # castor | CHANGED =>, and the answer below.
    answer: dict[str, Any] = yaml.safe_load(done.stdout.partition(" =>")[2]) or pytest.fail(done.stderr)
    return answer


SLOWLY = """
import sys
from tests.integration import test_zfs_streams as here
from tests.lab import Lab
castor, pollux = (here.Server(Lab(sys.argv[1]), name) for name in ("castor", "pollux"))
here.replicate(castor, pollux, here.TREE, limit=1_000_000)
"""


def environment() -> dict[str, str]:
    """In which programs of ours find what this one found."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "it takes too long"
        time.sleep(0.1)
