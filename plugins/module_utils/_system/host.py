# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A server: the only file of this folder that touches the system."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .._core.errors import CommandFailed, CommandMissing
from .._core.host import Host, WritableHost
from .._core.plan import Hidden, Step
from .files import DAEMON_RELOAD, File, Files, Found, Notice, wanted_text
from .packages import Installed, Packages, parse_query, parse_versions
from .units import Unit, Units, demand_types, parse_show

MARKS = "/var/run/twin/owed"
HOST_KEYS = "/etc/ssh"
PEER_KEY = "/etc/twin/peer_ed25519.pub"
PAIR = "/etc/twin/pair.json"
_HOST_KEY = re.compile(r"ssh_host_[a-z0-9]+_key\.pub")
# Mode, owner, uid, group, gid, kind and path, by tabs (stat(1) of coreutils, and that of FreeBSD).
_STAT = {
    "Linux": ("stat", r"--printf=%a\t%U\t%u\t%G\t%g\t%F\t%n\n"),
    "FreeBSD": ("stat", "-f", "%Mp%Lp%t%Su%t%u%t%Sg%t%g%t%HT%t%N"),
}
_NAMELESS = "UNKNOWN"
"""What stat(1) of coreutils says for the name of an id that no account has; that of FreeBSD says the id."""
_DPKG = r"${db:Status-Abbrev}\t${Package}\t${Version}\n"
# What a package's own questions would be answered with: nothing is asked, and configuration
# files that are already there stay as they are (dpkg(1), --force-confold).
_APT = (
    "apt-get",
    "--quiet",
    "--assume-yes",
    "--no-install-recommends",
    "-o",
    "Dpkg::Options::=--force-confold",
)
_APT_ENVIRONMENT = ("env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1")


def read_files(host: Host, wanted: tuple[File, ...]) -> Files:
    """All paths by one stat(1); texts only of those whose text is wanted."""
    found = _found(host, wanted)
    faults = {}
    for file in wanted:
        text = wanted_text(file, found.get(file.path))
        here = found.get(file.path)
        if file.validate and text is not None and (here is None or here.content != text):
            fault = _judge(host, file.validate, text)
            if fault is not None:
                faults[file.path] = fault
    return Files(found, faults, _read_marks(host))


def _found(host: Host, wanted: tuple[File, ...]) -> dict[str, Found]:
    if not wanted:
        return {}
    texts = {file.path for file in wanted if wanted_text(file, None) is not None}
    found = {}
    # 1: some of the paths are not there.
    listed = host.run([*_STAT[host.system], *(file.path for file in wanted)], ok=(0, 1)).out
    for line in listed.splitlines():
        mode, owner, uid, group, gid, kind, path = line.split("\t", 6)
        kind = kind.lower()
        # A link is replaced by a file, so what it points to does not count.
        content = host.read(path) if path in texts and kind.startswith("regular") else None
        owner, group = (uid if owner == _NAMELESS else owner), (gid if group == _NAMELESS else group)
        found[path] = Found(kind, int(mode, 8), owner, group, content)
    return found


def _judge(host: Host, validate: tuple[str, ...], text: str) -> str | None:
    """What the command says against the text, which it reads as its standard input."""
    argv = [word.replace("%s", "/dev/stdin") for word in validate]
    try:
        answer = host.answer(argv, text, 30)
    except CommandMissing:
        # Before a first run the judge may not be installed yet.
        if host.writable:
            raise
        return None
    if answer.rc == 0:
        return None
    said = (answer.err.strip() or answer.out.strip() or f"exit code {answer.rc}").splitlines()
    return f"{argv[0]} says {said[0]!r}"


def _read_marks(host: Host) -> frozenset[Notice]:
    marks = (name.partition(":") for name in host.listing(MARKS))
    return frozenset((verb, unit) for verb, _colon, unit in marks)


def _mark(notice: Notice) -> str:
    return f"{MARKS}/{':'.join(notice)}"


def apply_file(host: WritableHost, step: Step) -> None:
    """One step of `files.plan_files`."""
    if step.verb == "tell":
        _tell(host, step.args["notice"])
        return
    path = step.args["path"]
    for notice in step.args["marks"]:
        host.write(_mark(notice), "")
    if step.verb == "remove":
        host.remove(path)
        return
    if step.verb == "write":
        text = step.args["text"]
        host.write(path, text.text if isinstance(text, Hidden) else text, step.args["mode"])
    if step.verb == "mkdir":
        host.change(["mkdir", "-p", path])
    _permit(host, step)


def _permit(host: WritableHost, step: Step) -> None:
    path, owner, group, mode = (step.args[key] for key in ("path", "owner", "group", "mode"))
    if owner or group:
        host.change(["chown", "-h", f"{owner or ''}{f':{group}' if group else ''}", path])
    # After chown(1), which takes away setuid bits.
    if mode is not None:
        host.change(["chmod", f"{mode:04o}", path])


def _tell(host: WritableHost, notice: Notice) -> None:
    verb, unit = notice
    if notice == DAEMON_RELOAD:
        host.change(["systemctl", "daemon-reload"])
    elif host.system == "FreeBSD":
        # Asked first, for a service that does not run is no failure, and one that is not there is none yet.
        if _service_runs(host, unit):
            host.change(["service", unit, f"one{verb}"])
    else:
        # 5: there is no such unit yet, so nothing of it runs (systemctl(1), EXIT STATUS).
        verbs = {"restart": "try-restart", "reload": "try-reload-or-restart"}
        host.change(["systemctl", verbs[verb], unit], ok=(0, 5))
    host.remove(_mark(notice))


def read_packages(host: Host, wanted: Packages) -> Installed:
    """Versions of the named packages, by one look into the system's database of them."""
    modules = frozenset(choice.module for choice in wanted.choices if _kernel_has(host, choice.module))
    return Installed(installed_versions(host, wanted.candidates), modules)


def installed_versions(host: Host, names: Iterable[str]) -> dict[str, str]:
    """The installed ones among the packages, with their versions."""
    wanted = sorted(set(names))
    if not wanted:
        return {}
    if host.system == "FreeBSD":
        # Without pkg(8) there is but a program of its name, which says so and answers 1; all packages are
        # asked for, since it fails as well when it knows none of the names.
        listed = parse_query(host.run(["pkg", "query", "-a", "%n %v"], ok=(0, 1)).out)
        return {name: listed[name] for name in wanted if name in listed}
    # 1: some of the names are unknown.
    return parse_versions(host.run(["dpkg-query", "--show", f"--showformat={_DPKG}", *wanted], ok=(0, 1)).out)


def _kernel_has(host: Host, module: str) -> bool:
    """Whether the running kernel has the module, loaded, built in or to be loaded."""
    if module in host.listing("/sys/module"):
        return True
    try:
        return host.run(["modinfo", module], ok=(0, 1)).rc == 0
    except CommandMissing:
        return False


def apply_packages(host: WritableHost, step: Step) -> None:
    """Install; the lists of packages are fetched first, for theirs may be old or missing."""
    if host.system == "FreeBSD":
        # The first call brings pkg(8) itself (pkg(7), ASSUME_ALWAYS_YES).
        host.change(["env", "ASSUME_ALWAYS_YES=yes", "pkg", "install", *step.args["names"]], timeout=1800)
        return
    host.change([*_APT_ENVIRONMENT, "apt-get", "--quiet", "update"], timeout=300)
    host.change([*_APT_ENVIRONMENT, *_APT, "install", *step.args["names"]], timeout=1800)


def read_units(host: Host, wanted: tuple[Unit, ...]) -> Units:
    """All units by one look at the host."""
    if not wanted:
        return {}
    units = (_read_services if host.system == "FreeBSD" else _read_systemd)(host, wanted)
    if host.writable:
        return units
    # Before a first run the package that brings the unit may not be installed yet.
    return {name: unit or {"enabled": False, "active": False} for name, unit in units.items()}


def _read_systemd(host: Host, wanted: tuple[Unit, ...]) -> Units:
    demand_types(wanted)
    properties = "--property=Names,LoadState,UnitFileState,ActiveState"
    return parse_show(host.run(["systemctl", "show", properties, *(unit.name for unit in wanted)]).out)


def _read_services(host: Host, wanted: tuple[Unit, ...]) -> Units:
    """service(8) lists what there is and what starts at boot; whether one runs each has to be asked."""
    there = host.run(["service", "-l"]).out.split()
    enabled = {path.rpartition("/")[2] for path in host.run(["service", "-e"]).out.split()}
    return {
        unit.name: {
            "enabled": unit.name in enabled,
            # A script that starts nothing which stays knows no status, so only what is declared is asked for.
            **({} if unit.active is None else {"active": _service_runs(host, unit.name)}),
        }
        if unit.name in there
        else None
        for unit in wanted
    }


def _service_runs(host: Host, name: str) -> bool:
    # "one": whether or not it is enabled (rc.subr(8)); any other code than 0 is a no.
    return host.run(["service", name, "onestatus"], ok=range(256)).rc == 0


def apply_unit(host: WritableHost, step: Step) -> None:
    """One step of `units.plan_units`."""
    if host.system == "FreeBSD":
        # It may answer 0 and have done nothing; reading the units again shows that.
        host.change(["service", step.key, f"one{step.verb}" if step.verb in ("start", "stop") else step.verb])
        return
    try:
        host.change(["systemctl", step.verb, step.key])
    except CommandFailed as error:
        log = host.run(["journalctl", "--unit", step.key, "--lines", "5", "--output", "cat"], ok=(0, 1)).out
        error.remedy = f"its log ends with {' / '.join(log.splitlines())!r}"
        raise


def read_peer(host: Host) -> dict[str, Any]:
    """What another server must know of this one before it lets it in."""
    names = [name for name in host.listing(HOST_KEYS) if _HOST_KEY.fullmatch(name)]
    texts = [host.read(f"{HOST_KEYS}/{name}") or "" for name in names]
    public = host.read(PEER_KEY)
    return {
        "public_key": _key_of(public) if public else None,
        "host_keys": [_key_of(text) for text in texts],
        "joined": host.read(PAIR) is not None,
    }


def _key_of(line: str) -> str:
    """Type and key, without the comment."""
    return " ".join(line.split()[:2])
