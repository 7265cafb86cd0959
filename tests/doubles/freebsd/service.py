# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""service(8), rc.subr(8) as far as scripts show it, and the script of the jails.

Rests on libexec/rc/rc.d/jail and libexec/rc/rc.subr of FreeBSD 14 and on service(8).

Its lies, all with exit code 0: a jail that did not start; a script that is not enabled, which also does
not stop; ``status NAME``, which lists every jail. ``service jail stop`` without a name removes all jails
that run, whoever made them, when jail_list is empty.

Left out: the old jail_NAME_rootdir variables, and jail_parallel_start, of which only the order of the
output would be different.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.memory import answered

from .world import World

DAEMONS = {
    "cron": "/var/run/cron.pid", "ntpd": "/var/db/ntp/ntpd.pid", "sshd": "/var/run/sshd.pid",
    "syslogd": "/var/run/syslog.pid",
}  # fmt: skip
"""Scripts of programs that go on running, and the files with their numbers."""
RELOADED = ("sshd", "syslogd")
"""Those which can be told to read their files again."""
ON = ("cron_enable", "syslogd_enable")
RC_FILES = ("/etc/defaults/rc.conf", "/etc/rc.conf", "/etc/rc.conf.local")
DESCRIPTIONS = {
    "cron": "Daemon to execute scheduled commands", "jail": "Manage system jails",
    "ntpd": "Network Time Protocol daemon", "sshd": "Secure Shell Daemon", "syslogd": "System log daemon",
}  # fmt: skip
VERBS = ("start", "stop", "restart", "rcvar", "enable", "disable", "delete", "enabled", "describe",
         "extracommands")  # fmt: skip
ALWAYS = ("rcvar", "delete", "enable", "disable", "enabled", "describe", "extracommands", "status")
PREFIXES = ("one", "fast", "force", "quiet")


class Script:
    """A script of /etc/rc.d: what rc.subr does for all of them."""

    own = ""
    """Verbs which it has beside those of all."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.variable = f"{name}_enable"
        self.rc = settings(world)
        self.out: list[str] = []
        self.err: list[str] = []

    def call(self, words: Sequence[str]) -> int:
        """Do what the words ask for; the exit code."""
        word, *operands = words or ("",)
        prefix = next((part for part in PREFIXES if word.startswith(part)), "")
        verb = word.removeprefix(prefix)
        if verb not in (*VERBS, *self.own.split()):
            verbs = "|".join((*VERBS, *self.own.split()))
            self.err.append(
                f"/etc/rc.d/{self.name}: unknown directive '{word}'.\n"
                f"Usage: /etc/rc.d/{self.name} [fast|force|one|quiet]({verbs})\n"
            )
            return 1
        if verb not in ALWAYS and prefix not in ("one", "force") and not self.enabled():
            self.out.append(
                f"Cannot '{verb}' {self.name}. Set {self.variable} to YES in /etc/rc.conf"
                f" or use 'one{verb}' instead of '{verb}'.\n"
            )
            return 0
        if verb == "restart":
            return self.do("stop", operands) or self.do("start", operands)
        return self.do(verb, operands)

    def enabled(self) -> bool:
        """Whether its variable says yes."""
        default = "YES" if self.variable in ON else "NO"
        return self.rc.get(self.variable, default).lower() in ("yes", "true", "on", "1")

    def do(self, verb: str, operands: Sequence[str]) -> int:
        """One verb, without its prefix; the exit code."""
        if verb == "enabled":
            return 0 if self.enabled() else 1
        if verb == "enable":
            self.world.call(["/usr/sbin/sysrc", f"{self.variable}=YES"])
            self.out.append(f"{self.name} enabled in /etc/rc.conf\n")
        elif verb == "disable":
            self.world.call(["/usr/sbin/sysrc", f"{self.variable}=NO"])
            self.out.append(f"{self.name} disabled in /etc/rc.conf\n")
        elif verb == "rcvar":
            value = "YES" if self.enabled() else "NO"
            default = "YES" if self.variable in ON else "NO"
            title = " : ".join([self.name, *filter(None, [DESCRIPTIONS.get(self.name)])])
            self.out.append(f'# {title}\n#\n{self.variable}="{value}"\n#   (default: "{default}")\n\n')
        elif verb == "describe":
            self.out.append(f"{DESCRIPTIONS.get(self.name, '')}\n")
        elif verb == "extracommands":
            self.out.append(f"{self.own}\n")
        return 0


class Daemon(Script):
    """The script of a program that goes on running."""

    own = "status poll"

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.path = world.rooted(DAEMONS[name])
        if name in RELOADED:
            self.own = f"{self.own} reload"

    def do(self, verb: str, operands: Sequence[str]) -> int:
        pid = (self.world.files.read(self.path) or "").strip()
        if verb == "status":
            self.out.append(
                f"{self.name} is running as pid {pid}.\n" if pid else f"{self.name} is not running.\n"
            )
            return 0 if pid else 1
        if verb == "start":
            if pid:
                self.err.append(f"{self.name} already running? (pid={pid}).\n")
                return 1
            number = self.world.kernel.start_process(self.world.jail, f"/usr/sbin/{self.name}")
            self.world.files.write(self.path, f"{number}\n")
            self.out.append(f"Starting {self.name}.\n")
            return 0
        if verb == "reload":
            if pid:
                self.world.kernel.hang_up(int(pid))
                return 0
            self.err.append(f"{self.name} not running? (check {DAEMONS[self.name]}).\n")
            return 1
        if verb == "stop":
            if not pid:
                self.err.append(f"{self.name} not running? (check {DAEMONS[self.name]}).\n")
                return 1
            self.world.kernel.end_process(int(pid))
            self.world.files.remove(self.path)
            self.out.append(f"Stopping {self.name}.\n")
            return 0
        return super().do(verb, operands)


class Jails(Script):
    """/etc/rc.d/jail."""

    own = "config console status"

    def call(self, words: Sequence[str]) -> int:
        if len(words) == 1:
            words = [*words, *(self.rc.get("jail_list", "").split() or ["_ALL"])]
            self.reverse = self.rc.get("jail_reverse_stop", "NO").upper() == "YES"
        else:
            self.reverse = False
        return super().call(words)

    def do(self, verb: str, operands: Sequence[str]) -> int:
        match verb:
            case "start":
                self.out.append("Starting jails:")
                self._start_all() if operands[0] == "_ALL" else self._start(operands)
                self.out.append(".\n")
            case "stop":
                self.out.append("Stopping jails:")
                self._stop_all() if operands[0] == "_ALL" else self._stop(operands)
                self.out.append(".\n")
            case "status":
                self._take(self.world.call(["/usr/sbin/jls", "-N"]))
            case "config":
                self._config(operands)
            case "console":
                return self._console(operands)
            case _:
                return super().do(verb, operands)
        return 0

    def _start(self, names: Sequence[str]) -> None:
        for name in map(mangled, names):
            path = self._file(name)
            if path is None:
                continue
            output = self.world.call([self._program(name), *self._flags(name), "-i", "-f", path, "-c", name])
            if output.rc == 0:
                self.out.append(f" {name}")
                jid = self.world.call(["/usr/sbin/jls", "-j", name, "jid"]).out.strip()
                self.world.files.write(f"/var/run/jail_{name}.id", f"{jid}\n")
            else:
                self.out.append(f' cannot start jail  "{name}": \n{output.out}{output.err}')

    def _start_all(self) -> None:
        flags = self.rc.get("jail_flags", "").split()
        output = self.world.call(["/usr/sbin/jail", *flags, "-f", self._conf, "-c", "-p1"])
        if output.rc:
            self.out.append(output.out + output.err)
            return
        for line in self.world.call(["/usr/sbin/jls", "jid", "name"]).out.splitlines():
            jid, _blank, name = line.partition(" ")
            self.out.append(f" {name}")
            self.world.files.write(f"/var/run/jail_{name}.id", f"{jid}\n")

    def _stop(self, names: Sequence[str]) -> None:
        for name in map(mangled, reversed(names) if self.reverse else names):
            path = self._file(name)
            if path is None or not self._runs(name):
                continue
            self.out.append(f" {name}")
            self._judge(name, self.world.call([self._program(name), "-q", "-f", path, "-r", name]))

    def _stop_all(self) -> None:
        names = self.world.call(["/usr/sbin/jls", "name"]).out.splitlines()
        flags = self.rc.get("jail_flags", "").split()
        for name in reversed(names) if self.reverse else names:
            self.out.append(f" {name}")
            self._judge(name, self.world.call(["/usr/sbin/jail", *flags, "-f", self._conf, "-r", name]))

    def _judge(self, name: str, output: Output) -> None:
        """What was said is shown only when the jail is still there."""
        if self._runs(name):
            self.out.append(output.out + output.err)
        else:
            self.world.files.remove(f"/var/run/jail_{name}.id")

    def _config(self, names: Sequence[str]) -> None:
        for name in map(mangled, () if names[:1] == ["_ALL"] else names):
            path = self._file(name)
            if path is not None:
                self.out.append(f"{name}: parameters are in {path}.\n")

    def _console(self, operands: Sequence[str]) -> int:
        if not operands or operands[0] == "_ALL":
            self.err.append("/etc/rc.d/jail: ERROR: Specify a jail name.\n")
            return 3
        default = self.rc.get("jail_consolecmd", "/usr/bin/login -f root")
        own = self.rc.get(f"jail_{variable(operands[0])}_consolecmd", default)
        command = list(operands[1:]) or own.split()
        return self._take(self.world.call(["/usr/sbin/jexec", mangled(operands[0]), *command]))

    @property
    def _conf(self) -> str:
        return self.rc.get("jail_conf", "/etc/jail.conf")

    def _program(self, name: str) -> str:
        return self.rc.get(f"jail_{variable(name)}_program", "/usr/sbin/jail")

    def _flags(self, name: str) -> list[str]:
        return self.rc.get(f"jail_{variable(name)}_flags", self.rc.get("jail_flags", "")).split()

    def _file(self, name: str) -> str | None:
        """The one file that is read for a jail; a warning when there is none."""
        own = self.rc.get(f"jail_{variable(name)}_conf") or f"/etc/jail.{name}.conf"
        for path in (own, f"/etc/jail.conf.d/{name}.conf", self._conf):
            if self.world.files.read(path) is not None:
                return path
        self.err.append(
            f"/etc/rc.d/jail: WARNING: Invalid configuration for {name}  (no jail.conf, no hostname,"
            f" or no path).   Jail {name} was ignored.\n"
        )
        return None

    def _runs(self, name: str) -> bool:
        return self.world.call(["/usr/sbin/jls", "-j", name]).rc == 0

    def _take(self, output: Output) -> int:
        self.out.append(output.out)
        self.err.append(output.err)
        return output.rc


def mangled(name: str) -> str:
    """The name by which the script knows a jail: one of another jail's is lost."""
    return re.sub("[/.]", "_", name)


def variable(name: str) -> str:
    """A name as a part of the name of a variable."""
    return re.sub("[^A-Za-z0-9]", "_", name)


def settings(world: World) -> dict[str, str]:
    """The variables of rc.conf(5), where the last file and the last line win."""
    found: dict[str, str] = {}
    for path in RC_FILES:
        for line in (world.files.read(world.rooted(path)) or "").splitlines():
            match = re.match(r"""\s*([A-Za-z_]\w*)=("([^"]*)"|'([^']*)'|[^\s;#]*)""", line)
            if match:
                inner = next((text for text in match.group(3, 4) if text is not None), match[2])
                found[match[1]] = re.sub(r"\$\{?(\w+)\}?", lambda name: found.get(name[1], ""), inner)
    return found


Make = Callable[[World, str], Script]
SCRIPTS: dict[str, Make] = {"jail": Jails, **dict.fromkeys(DAEMONS, Daemon)}
"""Of these names; other modules add theirs."""


def main(world: World, argv: Sequence[str], stdin: str) -> Output:
    """The program."""
    words = list(argv[1:])
    if words[:1] == ["-v"]:
        words.pop(0)
    if words[:1] == ["-j"]:
        return world.call(["/usr/sbin/jexec", "-l", words[1], "/usr/sbin/service", *words[2:]])
    if words[:1] == ["-l"]:
        return answered(argv, "".join(f"{name}\n" for name in sorted(SCRIPTS)))
    if words[:1] == ["-e"]:
        names = [name for name in sorted(SCRIPTS) if SCRIPTS[name](world, name).enabled()]
        return answered(argv, "".join(f"/etc/rc.d/{name}\n" for name in names))
    if not words or words[0] not in SCRIPTS:
        said = (
            f"{words[0] if words else ''} does not exist in /etc/rc.d or the local startup\n"
            "directories (/usr/local/etc/rc.d), or is not executable\n"
        )
        return answered(argv, err=said, rc=1)
    script = SCRIPTS[words[0]](world, words[0])
    rc = script.call(words[1:])
    return answered(argv, "".join(script.out), "".join(script.err), rc)


PROGRAMS: Mapping[str, Callable[[World, Sequence[str], str], Output]] = {"service": main}
