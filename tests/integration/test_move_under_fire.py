# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The move under fire: a real machine on two real servers, killed, cut and powered off at every step.

Whatever happens, afterwards exactly one server owns and runs the machine, and no count that the
machine had served (so it was on its disk) is missing.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bed import ADDRESS, MACHINE, SLOWNESS, STATE, Bed
from tests.integration.jail_bed import bed_of
from tests.lab import Lab
from tests.lab.lab import VM
from tests.lab.model import server as server_of

STEPS = ["announce", "seed", "stop", "final", "commit", "claim", "start", "retire", "close-target", "close"]
BEFORE_COMMIT = STEPS[: STEPS.index("commit")]
HERE, THERE = "castor", "pollux"
UNDONE, REFUSED, UNFINISHED = 1, 2, 3
UNTIL_STOPPED = (
    f"until pgrep --runstates T --full '/usr/local/sbin/twin move'; do sleep {0.03 * SLOWNESS}; done"
)
PATIENCE = 120 * SLOWNESS
"""Seconds; only a move that hangs takes so long, whatever else the machine has to do."""


@dataclass
class View:
    """What a server shows of the machine."""

    owner: str
    running: bool
    stage: str
    journal: dict[str, object] = field(default_factory=dict)


class Fire:
    """One case: a pair out of the saved state, and somebody who counts."""

    def __init__(self, bed: Bed) -> None:
        self.bed, self.lab = bed, bed.lab
        self._started: list[subprocess.Popen[Any]] = []
        self.lab.reset(STATE, (HERE, THERE))
        self.bed.count()
        prober = Path(__file__).with_name("prober.py")
        self._prober = subprocess.Popen(
            self.lab.command(sys.executable, prober, ADDRESS, "/count", str(0.02 * SLOWNESS)),
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        for process in (self._prober, *self._started):
            process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()

    def acknowledged(self) -> list[int]:
        """All counts that the machine has served, in the order in which they were read."""
        self._prober.kill()
        assert self._prober.stdout
        rows = [line.split() for line in self._prober.stdout]
        return [int(row[1]) for row in rows if len(row) == 2]

    def move(self, debug: str = "", server: str = HERE, to: str = THERE) -> subprocess.Popen[str]:
        """Start a move; debug: STEP:SIGNAL for the program itself."""
        command = f"TWIN_SIGNAL_AFTER={debug} twin move {MACHINE} --to {to} --json"
        process = subprocess.Popen(
            self.lab.ssh_command(server, command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self._started.append(process)
        return process

    def stopped_at(self, step: str) -> subprocess.Popen[str]:
        """A move that has carried out a step and stands still."""
        process = self.move(f"{step}:STOP")
        end = time.monotonic() + PATIENCE
        waiting = subprocess.Popen(self.lab.ssh_command(HERE, UNTIL_STOPPED), stdout=subprocess.DEVNULL)
        self._started.append(waiting)
        while waiting.poll() is None:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end, f"the move never came to {step}"
            time.sleep(0.02)
        assert waiting.returncode == 0
        return process

    def go_on(self) -> None:
        self.lab.signal(HERE, signal.SIGCONT, pattern="/usr/local/sbin/twin move")

    def cut(self) -> None:
        """The servers lose each other: both links, and what the public network would carry between them."""
        self.lab.cut(port for port in server_of(HERE).ports if port.name.startswith("link"))
        self._each("{ip} route add blackhole {}/32")

    def mend(self) -> None:
        self._each("{ip} route del blackhole {}/32 || true")
        self.lab.restore(port for port in server_of(HERE).ports if port.name.startswith("link"))

    def _each(self, command: str) -> None:
        other = {HERE: server_of(THERE).address, THERE: server_of(HERE).address}
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.bed.sh(name, command.format(other[name], ip=self.bed.ip)), other))

    def resume(self, server: str) -> None:
        """`twin resume`, which must come to an end now that everything is back."""
        done = self.lab.ssh(server, f"twin resume {MACHINE}")
        assert done.returncode in (0, UNDONE), done.stdout + done.stderr

    def view(self, server: str) -> View:
        script = (
            f"zfs get -H -o value twin:owner tank/machines/{MACHINE} 2>/dev/null || echo -; "
            f"if {self.bed.runs}; then echo RUNNING; else echo STOPPED; fi; "
            f"cat /var/lib/twin/journal/{MACHINE}.json 2>/dev/null || echo '{{}}'"
        )
        owner, state, journal = self.bed.sh(server, script).split("\n", 2)
        data = json.loads(journal)
        return View(owner, state == "RUNNING", str(data.get("stage", "")), data)

    def settled(self) -> str:
        """The law of every case. Returns the server that has the machine."""
        counts = self.acknowledged()
        last = self.bed.count()
        with ThreadPoolExecutor() as pool:
            views = dict(zip((HERE, THERE), pool.map(self.view, (HERE, THERE)), strict=True))
        running = [name for name, view in views.items() if view.running]
        assert len(running) == 1, views
        owner = running[0]
        other = THERE if owner == HERE else HERE
        epochs = {name: int(view.owner.split()[1]) for name, view in views.items() if view.owner != "-"}
        assert views[owner].owner == f"{owner} {max(epochs.values())}", views
        assert views[other].owner in ("-", views[owner].owner), views
        assert not {view.stage for view in views.values()} & {"seed", "final", "back"}, views
        assert last >= max(counts), "an acknowledged count is lost"
        assert counts == sorted(counts), "the counter went back"
        return owner


@pytest.fixture(scope="module")
def bed() -> Iterator[Bed]:
    """A lab of its own: its servers are reset and powered off again and again."""
    with Lab(f"fire-{os.getpid()}") as lab:
        bed = bed_of(lab)
        bed.ready()
        yield bed


@pytest.fixture
def fire(bed: Bed) -> Iterator[Fire]:
    fire = Fire(bed)
    yield fire
    fire.close()


def test_undisturbed(fire: Fire) -> None:
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    assert fire.settled() == THERE


@pytest.mark.parametrize(
    ("step", "side"),
    [
        *zip(STEPS, itertools.cycle((HERE, THERE)), strict=False),
        pytest.param("commit", THERE, marks=pytest.mark.kernel),
        ("claim", HERE),
    ],
)
def test_killed_after(fire: Fire, step: str, side: str) -> None:
    """SIGKILL of the program; somebody resumes, on either server."""
    fire.move(f"{step}:KILL").communicate(timeout=PATIENCE)
    fire.resume(side)
    assert fire.settled() == THERE


@pytest.mark.parametrize("step", STEPS)
def test_network_cut_after(fire: Fire, step: str) -> None:
    """Before the commit the machine comes back by itself; after it, when the network does."""
    process = fire.stopped_at(step)
    fire.cut()
    fire.go_on()
    if step in BEFORE_COMMIT:
        said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == UNDONE, said
        fire.bed.count()
        fire.mend()
        fire.resume(THERE)
        assert fire.settled() == HERE
        return
    time.sleep(0.5)
    fire.mend()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    assert fire.settled() == THERE


@pytest.mark.parametrize("step", STEPS)
def test_source_powered_off_after(fire: Fire, step: str) -> None:
    fire.stopped_at(step)
    fire.lab.power(HERE, "off")
    fire.lab.power(HERE, "on")
    fire.resume(HERE)
    assert fire.settled() == THERE


@pytest.mark.parametrize("step", STEPS)
def test_target_powered_off_after(fire: Fire, step: str) -> None:
    process = fire.stopped_at(step)
    fire.lab.power(THERE, "off")
    fire.go_on()
    if step in BEFORE_COMMIT:
        said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == UNDONE, said
        fire.bed.count()
    fire.lab.power(THERE, "on")
    if step not in BEFORE_COMMIT:
        said = process.communicate(timeout=PATIENCE)[0]
        # An emulated server starts for longer than a move waits for it.
        assert process.returncode in ((0, UNFINISHED) if fire.lab.status()["kind"] == VM else (0,)), said
    fire.resume(THERE)
    assert fire.settled() == (HERE if step in BEFORE_COMMIT else THERE)


def test_asked_to_end_before_the_commit(fire: Fire) -> None:
    """SIGTERM turns the move back."""
    process = fire.move("seed:TERM")
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == UNDONE, said
    assert "signal SIGTERM came" in said
    assert fire.settled() == HERE


def test_asked_to_end_after_the_commit(fire: Fire) -> None:
    """SIGTERM is not heard any more."""
    process = fire.move("commit:TERM")
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said
    assert fire.settled() == THERE


def test_undone_by_hand(fire: Fire) -> None:
    """Killed before its commit, the move is taken back, from the other server."""
    fire.move("final:KILL").communicate(timeout=PATIENCE)
    refused = fire.lab.ssh(HERE, fire.bed.start)
    assert refused.returncode != 0, "the hook let a machine start that is being moved"
    done = fire.lab.ssh(THERE, f"twin undo {MACHINE}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert fire.settled() == HERE


def test_undo_after_the_commit_is_refused(fire: Fire) -> None:
    fire.move("commit:KILL").communicate(timeout=PATIENCE)
    done = fire.lab.ssh(HERE, f"twin undo {MACHINE}")
    assert done.returncode == REFUSED
    assert "was handed over to pollux already" in done.stderr
    fire.resume(HERE)
    assert fire.settled() == THERE


def test_two_moves_at_once(fire: Fire) -> None:
    """The second one is told that the first is at work."""
    process = fire.stopped_at("seed")
    second = fire.lab.ssh(HERE, f"twin move {MACHINE} --to {THERE}")
    assert second.returncode == REFUSED
    assert "another twin process is at work on it" in second.stderr
    fire.go_on()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert fire.settled() == THERE


def test_one_link_cut_changes_nothing(fire: Fire) -> None:
    """There are other ways to the twin."""
    process = fire.stopped_at("announce")
    fire.lab.cut(port for port in server_of(HERE).ports if port.name == "link0")
    fire.go_on()
    said = process.communicate(timeout=PATIENCE)[0]
    fire.lab.restore(port for port in server_of(HERE).ports if port.name == "link0")
    if process.returncode == UNDONE:
        # The connection that was in use broke: that is a failure like any other before the commit.
        assert fire.settled() == HERE
        return
    assert process.returncode == 0, said
    assert fire.settled() == THERE


TAKEN = "zfs rename tank/machines/ssa tank/other; zfs create tank/machines/ssa"
FULL = "zfs set reservation=$(($(zfs get -Hp -o value available tank) - 9000000)) tank/images"


def test_target_out_of_space_is_seen_before(fire: Fire) -> None:
    fire.bed.sh(THERE, f"{TAKEN}; zfs destroy tank/machines/ssa; {FULL}")
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == REFUSED, said
    assert "pool of pollux has" in said
    assert fire.settled() == HERE


def test_target_out_of_space_while_it_receives(fire: Fire) -> None:
    """The quota is not the pool's free space, which is what can be seen before."""
    fire.bed.sh(HERE, "head -c 30000000 /dev/urandom >/tank/machines/ssa/data/more")
    fire.bed.sh(THERE, "zfs set quota=30M tank/machines")
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == UNDONE, said
    assert "space" in said
    assert fire.settled() == HERE


def test_wrong_peer_key(fire: Fire) -> None:
    fire.bed.sh(HERE, "rm /etc/twin/peer_ed25519*; ssh-keygen -q -t ed25519 -N '' -f /etc/twin/peer_ed25519")
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == REFUSED, said
    assert "Permission denied" in said
    assert fire.settled() == HERE


def test_wrong_host_key(fire: Fire) -> None:
    """Somebody else answers at the twin's address."""
    other = "$(cut -d' ' -f2 /etc/ssh/ssh_host_ed25519_key.pub)"
    fire.bed.sh(HERE, f'sed -i "s#AAAA[^ ]*#{other}#" /etc/twin/known_hosts')
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == REFUSED, said
    assert fire.settled() == HERE


FORGET = "for s in $(zfs list -H -t snapshot -o name -r tank/machines/ssa | grep {0}); do {1}; done"
RELEASE = "zfs release twin $s 2>/dev/null; zfs destroy $s"


def test_snapshot_removed_from_the_source(fire: Fire) -> None:
    """The base of the next increment is gone: the move is given up, nothing is rolled back on the target."""
    process = fire.stopped_at("seed")
    newest = str(fire.view(HERE).journal["rounds"][-1]["snapshot"])  # type: ignore[index]
    fire.bed.sh(HERE, FORGET.format(newest, RELEASE))
    fire.go_on()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == UNDONE, said
    assert fire.settled() == HERE


def test_snapshot_removed_from_the_target(fire: Fire) -> None:
    """Seen by the comparison before the commit."""
    process = fire.stopped_at("final")
    newest = str(fire.view(HERE).journal["final"])
    fire.bed.sh(THERE, FORGET.format(newest, RELEASE))
    fire.go_on()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == UNDONE, said
    assert "is not the same on castor and pollux" in said
    assert fire.settled() == HERE


def test_name_taken_by_a_dataset(fire: Fire) -> None:
    fire.bed.sh(THERE, TAKEN)
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == REFUSED, said
    assert "its name is taken on pollux by dataset tank/machines/ssa" in said
    fire.bed.sh(THERE, "zfs list tank/machines/ssa")
    assert fire.settled() == HERE


def test_name_taken_by_a_definition(fire: Fire) -> None:
    path = fire.bed.definition
    fire.bed.sh(THERE, f"mkdir -p {Path(path).parent}; cat >{path}", stdin=f"{fire.bed.foreign}\n")
    process = fire.move()
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == REFUSED, said
    assert f"that is none of this pair ({path})" in said
    assert fire.bed.sh(THERE, f"cat {path}") == f"{fire.bed.foreign}\n"
    assert fire.settled() == HERE


def test_damaged_journal(fire: Fire) -> None:
    """Nobody guesses what a half-written journal meant."""
    fire.bed.sh(HERE, 'echo \'{"token": "x\' >/var/lib/twin/journal/ssa.json')
    for verb in (f"move {MACHINE} --to {THERE}", f"resume {MACHINE}", f"undo {MACHINE}"):
        done = fire.lab.ssh(HERE, f"twin {verb}")
        assert done.returncode == REFUSED, done.stdout + done.stderr
        assert "journal of machine ssa: it is damaged" in done.stderr
    fire.bed.sh(HERE, "rm /var/lib/twin/journal/ssa.json")
    assert fire.settled() == HERE


def test_replication_leaves_a_machine_alone_that_is_being_moved(fire: Fire) -> None:
    fire.move("seed:KILL").communicate(timeout=PATIENCE)
    done = fire.lab.ssh(HERE, f"twin replicate {MACHINE}")
    assert done.returncode == 0
    assert "is being moved" in done.stdout
    fire.resume(HERE)
    done = fire.lab.ssh(HERE, f"twin replicate {MACHINE}")
    assert "is not of this server" in done.stdout
    done = fire.lab.ssh(THERE, f"twin replicate {MACHINE}")
    assert done.returncode == 0, done.stderr
    assert fire.settled() == THERE


def test_there_and_back_again(fire: Fire) -> None:
    """Moving back is an increment."""
    for source, target in ((HERE, THERE), (THERE, HERE)):
        process = fire.move(server=source, to=target)
        said = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0, said
        sent = json.loads(said.splitlines()[-1])["journal"]["rounds"]
        assert sum(each["sent"] for each in sent) < 5_000_000
    assert fire.settled() == HERE
