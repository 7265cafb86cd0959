# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""jail(8): the order of its steps, its command lines, its messages, what it undoes and what it leaves.

Rests on usr.sbin/jail/{jail,command,config,state}.c and lib/libjail/jail.c of FreeBSD 14 and of the
main branch of December 2025. Jails are worked through one after the other, as with ``-p1``.

Its lies: nothing that an exec.* hook made is undone when the start fails later; what cannot be
unmounted is left, and the rest goes on, with exit code 1; ``-rc`` of a jail that does not run only
fails; a jail whose mount.fstab is gone cannot be stopped; ``-m`` gives a jail an address that no
interface has, and takes nothing back that was dropped from the file; a parameter of a module loads
the module.

Believed, not verified: zfs.dataset (15.0) is not undone on failure, as the jail takes the attachment
along. Left out: the old form with four operands, ip_hostname, -h, -l, -n, -s, -u, -U; -C, which no
release has yet. A negative parameter, which the model of the file knows by its positive name, is
shown by ``-e`` in its negative form whichever of both the file has.
"""

from __future__ import annotations

import getopt
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from ansible_collections.twin.datacenter.plugins.module_utils._jail import conf
from tests.doubles.memory import answered

from .kernel import OF_MODULES, Hung, KernelError, Missing, Parameter, Value
from .world import World

USAGE = """usage: jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            -[cmr] param=value ... [command=command ...]
       jail [-dqv] [-f file] -[cmr] [jail]
       jail [-qv] [-f file] -[rR] ['*' | jail ...]
       jail [-dhilqv] [-J jid_file] [-u username] [-U username]
            [-n jailname] [-s securelevel]
            path hostname ip[,...] command ...
       jail [-f file] -e separator
"""
DYING = "jail: the 'allow.dying' parameter and '-d' flag are deprecated and have no effect.\n"
BOOLEANS = frozenset(
    {"allow.dying", "exec.clean", "exec.system_jail_user", "mount.devfs", "mount.fdescfs", "mount.procfs"}
)
INTEGERS = frozenset({"exec.fib", "exec.timeout", "stop.timeout"})
TEXTS = frozenset({
    "command", "depend", "exec.consolelog", "exec.created", "exec.jail_user", "exec.poststart",
    "exec.poststop", "exec.prepare", "exec.prestart", "exec.prestop", "exec.release", "exec.start",
    "exec.stop", "exec.system_user", "interface", "mount", "mount.fstab", "vnet.interface",
})  # fmt: skip
PSEUDO = BOOLEANS | INTEGERS | TEXTS
SINCE_15 = frozenset({"zfs.dataset"})
START = (
    "exec.prepare", "ip4.addr", "ip6.addr", "mount", "mount.fstab", "mount.devfs", "mount.fdescfs",
    "mount.procfs", "exec.prestart", "create", "exec.created", "zfs.dataset", "vnet.interface", "exec.start",
    "command", "exec.poststart",
)  # fmt: skip
STOP = (
    "exec.prestop", "exec.stop", "stop.timeout", "remove", "exec.poststop", "mount.procfs", "mount.fdescfs",
    "mount.devfs", "mount.fstab", "mount", "ip6.addr", "ip4.addr", "exec.release",
)  # fmt: skip
IN_JAIL = ("exec.start", "command", "exec.stop")
REVERSED = ("mount", "mount.fstab", "ip4.addr", "ip6.addr")
PLACES = {"mount.devfs": "dev", "mount.fdescfs": "dev/fd", "mount.procfs": "proc"}
CLEAN = {"HOME": "/root", "PATH": "/bin:/usr/bin", "SHELL": "/bin/sh", "USER": "root"}
"""The environment of commands with exec.clean."""
TO_SHELL = re.compile(r"[!\"$&'()*;<>?\[\\\]`{|}~]")
LISTS = ("ip4.addr", "ip6.addr", "vnet.interface", "zfs.dataset")


class Stop(Exception):
    """The program ends here, with a line of its own or with its usage."""


class Failure(Exception):
    """A step failed; the text, if there is one, is what it warns of."""


@dataclass
class Job:
    """A jail that is worked on.

    :param params: by positive name, as the model of jail.conf(5) has them.
    :param jid: of the running one; 0: it does not run.
    :param asked: what was asked for by name must be possible, what came along need not.
    """

    name: str
    params: dict[str, tuple[str, ...]] = field(default_factory=dict)
    jid: int = 0
    asked: bool = True
    failed: bool = False
    done: bool = False
    mounts: tuple[str, ...] = ()
    kernel: dict[str, Value] = field(default_factory=dict)
    temporary: bool = False
    """It was made persistent until its commands have run."""

    def text(self, name: str) -> str:
        """The last value of a parameter; empty when it has none."""
        return (self.params.get(name) or ("",))[-1]

    def true(self, name: str) -> bool:
        """Whether a boolean parameter is there and true."""
        return name in self.params and truth(self.params[name])


def truth(values: Sequence[str]) -> bool:
    """What a boolean means: a bare name is true."""
    return not values or values[-1].lower() == "true" or bool(re.match(r"\s*[+-]?0*[1-9]", values[-1]))


def quoted(text: str) -> str:
    """A value as ``-e`` and ``-J`` print it."""
    quote = (
        '"' if not text or "'" in text else "'" if '"' in text else '"' if re.search("[ \t]", text) else ""
    )
    escaped = "".join("\\" + letter if letter in ("\\", quote) else letter for letter in text)
    return f"{quote}{escaped}{quote}"


def wild(name: str) -> bool:
    """Whether a name has a component ``*``."""
    return "*" in name.split(".")


def matches(name: str, pattern: str) -> bool:
    """Whether a jail matches a wildcard; only the last ``*`` stands for several components."""
    parts, wanted = name.split("."), pattern.split(".")
    if len(parts) < len(wanted) or (len(parts) > len(wanted) and wanted[-1] != "*"):
        return False
    return all(want in ("*", part) for part, want in zip(parts, wanted, strict=False))


class Jail:
    """One run of the program."""

    def __init__(self, world: World, argv: Sequence[str], stdin: str) -> None:
        self.world, self.stdin = world, stdin
        self.out: list[str] = []
        self.err: list[str] = []
        self.verbose = 0
        self.flags = ""
        self.file = "/etc/jail.conf"
        self.options: dict[str, str] = {}
        self.operands: list[str] = self._parse(argv)
        self.jobs: dict[str, Job] = {}
        self.configured = False
        self.note_removal = False
        self.error = False

    def _parse(self, argv: Sequence[str]) -> list[str]:
        letters = "cde:f:hiJ:lmn:p:qrRs:u:U:v" if self.world.major >= 14 else "cdf:hiJ:lmn:p:qrRs:u:U:v"
        try:
            options, operands = getopt.getopt(list(argv[1:]), letters)
        except getopt.GetoptError as error:
            said = "option requires an argument" if "requires" in error.msg else "illegal option"
            raise Stop(f"jail: {said} -- {error.opt}\n{USAGE}") from error
        self.flags = "".join(option[1] for option, _value in options)
        self.options = {option[1]: value for option, value in options}
        self.file = self.options.get("f", self.file)
        for letter in self.flags:
            self.verbose = {"q": -1, "i": -1, "v": 1}.get(letter, self.verbose)
        return operands

    # -- what is to be done

    def run(self) -> None:
        """Do it all."""
        operations = {letter for letter in self.flags if letter in "cmrR"}
        if "e" in self.flags:
            if operations or self.operands:
                raise Stop(USAGE)
            self._load()
            self.out += [self._record(job, self.options["e"]) for job in self.jobs.values()]
        elif operations <= {"r", "R"} and operations:
            self._choose_stop()
        elif operations and "R" not in operations:
            self._choose_start(operations)
        else:
            raise Stop(USAGE)

    def _choose_stop(self) -> None:
        ignore_file = "R" in self.flags
        if not self.operands or (not ignore_file and any("=" in operand for operand in self.operands)):
            raise Stop(USAGE)
        readable = self.file == "-" or self.world.files.read(self.file) is not None
        if not ignore_file and readable:
            self._load()
        self.note_removal = self.configured or len(self.operands) > 1 or wild(self.operands[0])
        chosen: list[Job] = []
        for operand in self.operands:
            if wild(operand):
                names = [jail.name for jail in self._running()] if ignore_file else list(self.jobs)
                for name in names:
                    if matches(name, operand):
                        job = self.jobs.setdefault(name, Job(name, jid=self._jid_of(name)))
                        job.asked = False
                        chosen.append(job)
            else:
                chosen += self._one_to_stop(operand)
        # Those that others depend on come last.
        for job in reversed(chosen):
            self._work(job, {"r"})

    def _one_to_stop(self, name: str) -> list[Job]:
        jail = self.world.kernel.find(name, self.world.jail, dying=True)
        if name not in self.jobs and jail is None:
            self._warn(f'"{name}" not found')
            self.error = True
            return []
        if name not in self.jobs and jail is not None:
            self.jobs[name] = Job(name, jid=jail.jid)
        return [self.jobs[name]]

    def _choose_start(self, operations: set[str]) -> None:
        if len(self.operands) > 1 or any("=" in operand for operand in self.operands):
            chosen = [self._from_operands()]
        else:
            self._load()
            name = self.operands[0] if self.operands else "*"
            if wild(name):
                chosen = [job for job in self.jobs.values() if matches(job.name, name)]
                for job in chosen:
                    job.asked = False
            elif name in self.jobs:
                chosen = [self.jobs[name]]
            else:
                raise Stop(f'jail: "{name}" not found\n')
        for job in chosen:
            self._work(job, operations)
        if "J" in self.options:
            records = [self._record(job, "\t", running=True) for job in chosen if job.jid and not job.failed]
            self.world.files.write(self.options["J"], "".join(records))

    def _load(self) -> None:
        self.configured = True
        files = self.world.files
        text = self.stdin if self.file == "-" else files.read(self.file)
        if text is None:
            raise Stop(f"jail: {self.file}: No such file or directory\n")
        source = "STDIN" if self.file == "-" else self.file
        try:
            whole = conf.load(lambda path: text if path == source else files.read(path), files.glob, source)
        except Refused as error:
            where = error.facts["file"] if "EOF" in error.answered else error.wanted
            raise Stop(f"jail: {where}: {error.answered}\n") from error
        for name in whole.jails:
            job = self.jobs.setdefault(name, Job(name))
            try:
                job.params = conf.parameters(whole, name)
            except Refused as error:
                stop = "." if 'variable "$' in error.answered or "redefine" in error.answered else ""
                self._warn(f"{name}: {error.answered}{stop}")
                job.failed = True
        self._check_dependencies()

    def _from_operands(self) -> Job:
        params: dict[str, tuple[str, ...]] = {}
        for number, operand in enumerate(self.operands):
            name, equals, value = operand.partition("=")
            if name == "command":
                params["command"] = (*([value] if equals else []), *self.operands[number + 1 :])
                break
            values = tuple(value.split(",")) if name in LISTS else (value,) if equals else ()
            name, negative = self._positive(name)
            params[name] = ("false",) if negative and not equals else params.get(name, ()) + values
        job = Job("", params)
        job.name = job.text("name") or job.text("jid")
        for other in params.get("depend", ()):
            if self.world.kernel.find(other, self.world.jail) is None:
                self._warn(f'depends on nonexistent jail "{other}"')
                job.failed = True
        return job

    def _positive(self, name: str) -> tuple[str, bool]:
        """A name without the ``no`` of its last component, and whether it had one."""
        folder, dot, last = name.rpartition(".")
        positive = f"{folder}{dot}{last[2:]}"
        known = positive in BOOLEANS or (self._known(positive) or Parameter("int")).kind == "bool"
        return (positive, True) if last.startswith("no") and known else (name, False)

    def _check_dependencies(self) -> None:
        for job in self.jobs.values():
            for other in job.params.get("depend", ()):
                if other not in self.jobs:
                    self._warn(f'{job.name}: depends on undefined jail "{other}"')
                    job.failed = True
        for job in self.jobs.values():
            if not job.failed and self._reaches(job.name, job.name, set()):
                self._warn(f"{job.name}: dependency loop")
                job.failed = True
                break

    def _reaches(self, start: str, wanted: str, seen: set[str]) -> bool:
        for name in self._needs(start):
            if name == wanted or (name not in seen and self._reaches(name, wanted, seen | {name})):
                return True
        return False

    def _needs(self, name: str) -> list[str]:
        """The configured jails that one depends on, its parent included."""
        above = name.rpartition(".")[0]
        needed = [*self.jobs[name].params.get("depend", ()), *([above] if above else [])]
        return [other for other in needed if other in self.jobs]

    # -- one jail

    def _work(self, job: Job, operations: set[str]) -> None:
        if job.done:
            return
        job.done = True
        if job.failed:
            self.error = True
            return
        self._check_parameters(job, importing=operations != {"r"})
        job.jid = job.jid or self._jid_of(job.text("jid") or job.text("name") or job.name)
        what = self._operation(job, operations) if not job.failed else ()
        if "stop" in what:
            self._stop_with_dependants(job)
        if not job.failed and "start" in what:
            self._start_with_dependees(job)
        elif not job.failed and "set" in what:
            self._set(job)
        self.error |= job.failed

    def _operation(self, job: Job, operations: set[str]) -> tuple[str, ...]:
        """What the letters come to, as the jail runs or not."""
        letters = "".join(sorted(operations))
        if letters == "cm":
            return ("set",) if job.jid else ("start",)
        if letters in ("mr", "cmr"):
            if not job.jid:
                return ("start",) if "c" in letters else ("set",)
            return ("stop", "start") if self._create_only(job) else ("set",)
        return {"c": ("start",), "m": ("set",), "r": ("stop",), "R": ("stop",), "cr": ("stop", "start")}[
            letters
        ]

    def _start_with_dependees(self, job: Job) -> None:
        if job.jid:
            if job.asked:
                self._fail(job, f'"{job.name}" already exists', plain=True)
            return
        for name in self._needs(job.name) if job.name in self.jobs else []:
            other = self.jobs[name]
            if not other.done:
                other.asked = False
                self._work(other, {"c"})
            if other.failed:
                if job.asked and self.verbose >= 0:
                    self._warn(f"{job.name}: skipped")
                job.failed = True
                return
        self._start(job)

    def _stop_with_dependants(self, job: Job) -> None:
        if not job.jid:
            if job.asked:
                if self.verbose >= 0:
                    self._warn(f'"{job.name}" not found')
                job.failed = True
            return
        dependants = [name for name in self.jobs if job.name in self._needs(name)]
        for name in reversed(dependants):
            other = self.jobs[name]
            if not other.done:
                other.asked = False
                self._work(other, {"r"})
            if other.failed:
                if job.asked and self.verbose >= 0:
                    self._warn(f"{job.name}: skipped")
                job.failed = True
                return
        self._stop(job)

    def _start(self, job: Job) -> None:
        steps = [(step, value) for step in START for value in self._values(job, step)]
        for number, (step, value) in enumerate(steps):
            try:
                self._do(job, step, value)
            except Failure as failure:
                self._fail(job, str(failure))
                self._undo(job, steps[:number])
                return
        if job.temporary:
            self.world.kernel.update(job.jid, {"persist": False})

    def _undo(self, job: Job, steps: Sequence[tuple[str, str]]) -> None:
        for step, value in reversed(steps):
            if step.startswith("exec.") or step in ("command", "zfs.dataset"):
                continue
            try:
                self._do(job, "remove" if step == "create" else step, value, down=True)
            except Failure as failure:
                self._fail(job, str(failure))

    def _stop(self, job: Job) -> None:
        for step in STOP:
            values = self._values(job, step)
            for value in reversed(values) if step in REVERSED else values:
                try:
                    self._do(job, step, value, down=True)
                except Failure as failure:
                    self._fail(job, str(failure))
                    if job.jid:
                        return

    def _values(self, job: Job, step: str) -> tuple[str, ...]:
        """What a step is repeated for."""
        if step in ("create", "remove", "stop.timeout"):
            return ("",)
        if step in PLACES:
            return ("",) if job.true(step) else ()
        if step in ("ip4.addr", "ip6.addr"):
            default = bool(job.text("interface"))
            return tuple(value for value in job.params.get(step, ()) if "|" in value or default)
        if step == "mount.fstab":
            return job.mounts
        if step == "command" and not self.configured and job.params.get(step):
            return (" ".join(job.params[step]),)
        return tuple(value for value in job.params.get(step, ()) if value)

    def _do(self, job: Job, step: str, value: str, down: bool = False) -> None:
        if step == "create":
            self._create(job)
        elif step == "remove":
            self._remove(job, down)
        elif step == "stop.timeout":
            self._terminate(job)
        else:
            argv = self._command(job, step, value, down)
            if argv:
                background = argv[-1].endswith("&") and step.startswith("exec.") and argv[0] != "/bin/sh"
                self._execute(job, step, argv, background)

    # -- the steps that are no commands

    def _create(self, job: Job) -> None:
        path = job.text("path")
        if path:
            if not path.startswith("/"):
                raise Failure(f"path {path}: not an absolute pathname")
            if not self.world.exists(path):
                raise Failure(f"path {path}: No such file or directory")
            if self.world.files.read(path) is not None:
                raise Failure(f"path {path}: Not a directory")
        later = any(job.params.get(step) for step in ("exec.start", "command", "exec.poststart"))
        job.temporary = later and not job.true("persist")
        given = job.kernel
        if job.temporary:
            given = {"persist": True} | {name: value for name, value in given.items() if name != "persist"}
        try:
            job.jid = self.world.kernel.create(given, self.world.jail)
        except KernelError as error:
            raise Failure(str(error)) from error
        finally:
            if self.verbose > 0:
                words = " ".join(shown(name, value) for name, value in given.items())
                self._note(job, f"jail_set(JAIL_CREATE) {words}")
        if "i" in self.flags:
            self.out.append(f"{job.jid}\n")
        if self.verbose >= 0 and (job.name or self.verbose > 0):
            self._note(job, "created")

    def _remove(self, job: Job, stopping: bool) -> None:
        if self.world.kernel.find(job.jid, self.world.jail, dying=True) is not None:
            self.world.kernel.remove(job.jid)
        told = bool(job.name) if job.failed else self.note_removal
        if self.verbose > 0 or (self.verbose == 0 and told):
            self._note(job, "removed")
        job.jid = 0

    def _terminate(self, job: Job) -> None:
        if job.text("stop.timeout") and int(job.text("stop.timeout")) == 0:
            return
        pids = self.world.kernel.terminate(job.jid, int(job.text("stop.timeout") or 10))
        if pids and self.verbose > 0:
            self._note(job, f"sent SIGTERM to: {' '.join(map(str, pids))}")
            if self.world.kernel.processes(job.jid):
                self._note(job, "timed out")

    def _set(self, job: Job) -> None:
        if not job.jid:
            if job.asked:
                self._fail(job, f'"{job.name}" not found' if job.name else "no jail specified", plain=True)
            return
        changed = self._create_only(job)
        if changed:
            self._fail(job, f"{changed} cannot be changed after creation")
            return
        known = self.world.kernel.known()
        given = {name: value for name, value in job.kernel.items() if known[name].access != "create"}
        try:
            self.world.kernel.update(job.jid, given)
        except KernelError as error:
            self._fail(job, str(error))
            return
        if self.verbose >= 0:
            self._note(job, "updated")

    def _create_only(self, job: Job) -> str:
        """The first parameter which only a creation could bring to what is wanted."""
        jail = self.world.kernel.find(job.jid, self.world.jail)
        known = self.world.kernel.known()
        for name, value in job.kernel.items():
            if jail and known[name].access == "create" and name != "jid" and jail.params[name] != value:
                return name
        return ""

    # -- the steps that are commands

    def _command(self, job: Job, step: str, value: str, down: bool) -> list[str]:
        if step in ("ip4.addr", "ip6.addr"):
            return alias(job, step, value, down)
        if step == "vnet.interface":
            return ["/sbin/ifconfig", value, "-vnet" if down else "vnet", str(job.jid or job.name)]
        if step == "zfs.dataset":
            return ["/sbin/zfs", "jail", str(job.jid or job.name), value]
        if step in PLACES:
            return self._mount_place(job, step, down)
        if step in ("mount", "mount.fstab"):
            return self._mount(job, step, value, down)
        if step == "command" and not self.configured:
            return list(job.params["command"])
        if TO_SHELL.search(value.removesuffix("&")):
            return ["/bin/sh", "-c", value]
        return value.split()

    def _mount(self, job: Job, step: str, line: str, down: bool) -> list[str]:
        fields = line.split()[:4]
        if not fields:
            return []
        if any(re.search(r"\\[^0-7\\M^snrbavtfE$]", word) for word in fields[:2]):
            raise Failure(f"{step}: {line}: fstab parse error")
        fields[:2] = [decoded(word) for word in fields[:2]]
        if len(fields) < 3:
            raise Failure(f"{step}: {line}: missing information")
        source, target, kind = fields[:3]
        self._check_path(job, step, target, kind if down else "")
        if down:
            return ["/sbin/umount", "-t", kind, target]
        options = ["-o", fields[3]] if len(fields) == 4 else []
        return ["/sbin/mount", "-t", kind, *options, source, target]

    def _mount_place(self, job: Job, step: str, down: bool) -> list[str]:
        kind = step.removeprefix("mount.")
        if not job.text("path"):
            raise Failure(f"{step}: no jail root path defined")
        place = f"{job.text('path')}/{PLACES[step]}"
        self._check_path(job, step, place, kind if down else "")
        if down:
            return ["/sbin/umount", place]
        ruleset = [f"-oruleset={job.text('devfs_ruleset') or 4}"] if kind == "devfs" else []
        return ["/sbin/mount", "-t", kind, *ruleset, ".", place]

    def _check_path(self, job: Job, step: str, path: str, mounted: str = "", file: bool = False) -> None:
        """Refuse what is not below the jail's root without links or, to unmount, is no such mount."""
        if not path.startswith("/"):
            raise Failure(f"{step}: {path}: not an absolute pathname")
        root = job.text("path")
        parts = path[len(root) + 1 :].split("/") if root and path.startswith(f"{root}/") else []
        for count in range(1, len(parts) + 1):
            part = "/".join([root, *parts[:count]])
            if self.world.files.is_link(part):
                raise Failure(f"{step}: {part} is a symbolic link")
            if not self.world.exists(part) and not (file and count == len(parts)):
                raise Failure(f"{step}: {part}: No such file or directory")
        if mounted:
            kinds = [mount.kind for mount in self.world.kernel.mounts if mount.target == path]
            if not self.world.exists(path):
                raise Failure(f"{step}: {path}: No such file or directory")
            if not kinds:
                raise Failure(f"{step}: {path}: not a mount point")
            if kinds[-1] != mounted:
                raise Failure(f"{step}: {path}: not a {mounted} mount")

    def _execute(self, job: Job, step: str, argv: list[str], background: bool) -> None:
        inside = step in IN_JAIL
        log = job.text("exec.consolelog") if inside else ""
        if log:
            self._check_path(job, "exec.consolelog", log, file=True)
            if not self.world.files.is_folder(log.rpartition("/")[0]):
                raise Failure(f"open {log}: No such file or directory")
        line = " ".join(argv)
        user = job.text("exec.jail_user" if inside else "exec.system_user")
        if self.verbose > 0:
            where, who = " in jail" if inside else "", f" as {user}" if user else ""
            self._note(job, f"run command{where}{who}: {line}")
        if background:
            argv = line.removesuffix("&").split()
        try:
            output = self._child(job, argv, user, inside)
        except Hung:
            if int(job.text("exec.timeout") or 0) == 0:
                raise
            raise Failure(f"{line}: timed out") from None
        if log:
            self.world.files.write(log, (self.world.files.read(log) or "") + output.out + output.err)
        else:
            self.out.append(output.out)
            self.err.append(output.err)
        if output.rc and not background:
            how = "failed" if output.rc > 0 else f"exited on signal {-output.rc}"
            raise Failure(f"{line}: {how}")

    def _child(self, job: Job, argv: list[str], user: str, inside: bool) -> Output:
        """The process that jail(8) forks: it can itself fail before it becomes the command."""
        own = inside and not job.true("exec.system_jail_user")
        passwd = f"{job.text('path')}/etc/passwd" if own else "/etc/passwd"
        users = [line.split(":")[0] for line in (self.world.files.read(passwd) or "root:").splitlines()]
        if user and user not in users:
            return answered(argv, err=f"jail: {job.name}: {user}: no such user\n", rc=1)
        outside = self.world.env, self.world.patience
        self.world.patience = int(job.text("exec.timeout") or 0) or None
        if inside and job.true("exec.clean"):
            self.world.env = CLEAN
        try:
            return self.world.execute(job.jid, argv) if inside else self.world.call(argv)
        except Missing:
            said = f"jail: {job.name}: exec {argv[0]}: No such file or directory\n"
            return answered(argv, err=said, rc=1)
        finally:
            self.world.env, self.world.patience = outside

    # -- parameters

    def _check_parameters(self, job: Job, importing: bool) -> None:
        problems = [text for name, values in job.params.items() for text in self._wrong(name, values)]
        job.mounts = ()
        for path in job.params.get("mount.fstab", ()):
            text = self.world.files.read(path) if path else ""
            if text is None:
                problems.append(f"mount.fstab: {path}: No such file or directory")
            else:
                job.mounts += tuple(
                    line.split("#")[0] for line in text.splitlines() if line.split("#")[0].strip()
                )
        if importing and not problems:
            problems += self._import(job)
        for problem in problems:
            self._fail(job, problem)
        if "allow.dying" in job.params or "d" in self.flags:
            self.err += [DYING] if self.world.major >= 15 and DYING not in self.err else []

    def _wrong(self, name: str, values: Sequence[str]) -> Iterable[str]:
        """What a pseudo-parameter's value is refused for."""
        if name in BOOLEANS and values and not re.fullmatch(r"(?i)true|false|[+-]?\d*", values[-1]):
            yield f'{name}: unknown boolean value "{values[-1]}"'
        if name in INTEGERS and values and not re.fullmatch(r"[+-]?\d+", values[-1]):
            yield f'{name}: non-integer value "{values[-1]}"'

    def _import(self, job: Job) -> list[str]:
        """Bring the kernel's parameters into its own form; what is wrong with them."""
        problems = []
        pseudo = PSEUDO | (SINCE_15 if self.world.major >= 15 else frozenset())
        for name, values in job.params.items():
            if name in pseudo:
                continue
            known = self._known(name)
            if known is None:
                problems.append(f"unknown parameter: {name}")
                continue
            try:
                job.kernel[name] = imported(name, known, values)
            except ValueError as error:
                problems.append(str(error))
        return problems

    def _known(self, name: str) -> Parameter | None:
        """A parameter of the kernel; its module is loaded if need be."""
        for module, parameters in OF_MODULES.items():
            if name in parameters and module not in self.world.kernel.modules:
                self.world.kernel.modules.append(module)
        return self.world.kernel.known().get(name)

    # -- parts

    def _running(self) -> list[Job]:
        return [Job(jail.name, jid=jail.jid) for jail in self.world.kernel.jails(self.world.jail)]

    def _jid_of(self, key: str) -> int:
        jail = self.world.kernel.find(key, self.world.jail) if key else None
        return jail.jid if jail else 0

    def _record(self, job: Job, separator: str, running: bool = False) -> str:
        words = [f"jid={job.jid}"] if running else []
        for name, values in job.params.items():
            if name == "jid" and running:
                continue
            words.append(self._word(name, values))
        return separator.join(words) + "\n"

    def _word(self, name: str, values: Sequence[str]) -> str:
        boolean = name in BOOLEANS or (self.world.kernel.known().get(name) or Parameter("int")).kind == "bool"
        if boolean and tuple(values) == ("false",):
            folder, dot, last = name.rpartition(".")
            return f"{folder}{dot}no{last}"
        return f"{name}={','.join(map(quoted, values))}" if values else name

    def _note(self, job: Job, text: str) -> None:
        self.out.append(f"{job.name}: {text}\n" if job.name else f"{text}\n")

    def _warn(self, text: str) -> None:
        self.err.append(f"jail: {text}\n")

    def _fail(self, job: Job, text: str, plain: bool = False) -> None:
        self._warn(text if plain or not job.name else f"{job.name}: {text}")
        job.failed = True


def alias(job: Job, step: str, value: str, down: bool) -> list[str]:
    """The call of ifconfig(8) that gives an interface an address, or takes it away."""
    words = value.split(" ")
    interface, sign, address = words[0].rpartition("|")
    family = {"ip4.addr": "inet", "ip6.addr": "inet6"}[step]
    address, slash, length = address.partition("/")
    if not slash:
        mask = ["netmask", "255.255.255.255"] if family == "inet" else ["prefixlen", "128"]
        where = [address, *mask]
    else:
        where = [address, "netmask", length] if "." in length else [f"{address}/{length}"]
    more = [] if down else [word for word in words[1:] if word]
    verb = "-alias" if down else "alias"
    return ["/sbin/ifconfig", interface if sign else job.text("interface"), family, *where, *more, verb]


def decoded(word: str) -> str:
    """A field of fstab(5) without its escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), word)


def imported(name: str, known: Parameter, values: Sequence[str]) -> Value:
    """A value as libjail hands it to the kernel.

    :raises ValueError: with libjail's text.
    """
    text = values[-1] if values else ""
    if known.kind == "bool":
        if values and not re.fullmatch(r"(?i)true|false|[+-]?\d+", text):
            raise ValueError(f'{name}: unknown boolean value "{text}"')
        return truth(values)
    if known.kind == "jailsys":
        word = text.lower() or "new"
        word = {"0": "disable", "1": "new", "2": "inherit"}.get(word, word)
        if word not in ("disable", "new", "inherit"):
            raise ValueError(f'{name}: unknown jailsys value "{text}"')
        return word
    if known.kind == "int":
        if not re.fullmatch(r"[+-]?\d+", text):
            raise ValueError(f'{name}: non-integer value "{text}"')
        return int(text)
    if known.kind == "string":
        return text.rstrip("/") or "/" if name == "path" else text
    return addresses(name, known, values)


def addresses(name: str, known: Parameter, values: Sequence[str]) -> list[str]:
    """A list of addresses without interface, length and options."""
    make: Callable[[str], ipaddress.IPv4Address | ipaddress.IPv6Address]
    make, word = (ipaddress.IPv4Address, "IPv4") if known.kind == "ip4" else (ipaddress.IPv6Address, "IPv6")
    found = []
    for value in ",".join(values).split(",") if any(values) else []:
        text = re.split("[/ ]", value.rpartition("|")[2])[0]
        try:
            found.append(str(make(text)))
        except ValueError:
            raise ValueError(f"{name}: not an {word} address: {text}") from None
    return found


def shown(name: str, value: Value) -> str:
    """A parameter as ``-v`` shows what it sets."""
    if value is True:
        return name
    return f"{name}={quoted(','.join(value) if isinstance(value, list) else str(value))}"


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """The program."""
    try:
        job = Jail(world, argv, stdin)
    except Stop as stop:
        return answered(argv, err=str(stop), rc=1)
    try:
        job.run()
    except Stop as stop:
        return answered(argv, "".join(job.out), "".join(job.err) + str(stop), 1)
    return answered(argv, "".join(job.out), "".join(job.err), 1 if job.error else 0)


PROGRAMS: Mapping[str, Callable[[World, Sequence[str], str], Output]] = {"jail": main}
