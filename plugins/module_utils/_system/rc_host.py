# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Variables of a FreeBSD server: the only file that reads and writes them."""

from __future__ import annotations

from collections.abc import Iterable

from .._core.errors import CommandMissing, Refused
from .._core.host import Host, Output, WritableHost
from .._core.plan import Step
from .rc import Found, Variable, Variables, is_shell, parse_lines, parse_sysrc, with_line, without_line


def read_variables(host: Host, wanted: tuple[Variable, ...]) -> Variables:
    """One sysrc(8) per file of shell; one kenv(1) for all tunables, one sysctl(8) for all sysctls."""
    found: dict[str, Found] = {}
    for file in dict.fromkeys(variable.file for variable in wanted):
        here = [variable for variable in wanted if variable.file == file]
        values = _read_file(host, file, [variable.name for variable in here])
        found |= {variable.key: values[variable.name] for variable in here if variable.name in values}
    return Variables(found, _read_kernel(host, wanted))


def _read_kernel(host: Host, wanted: tuple[Variable, ...]) -> dict[str, str]:
    kernel: dict[str, str] = {}
    tunables = [variable for variable in wanted if variable.is_tunable]
    sysctls = [variable for variable in wanted if variable.is_sysctl]
    for variables, argv in (
        (tunables, ["kenv"]),
        (sysctls, ["sysctl", "-i", "-e", *(variable.name for variable in sysctls)]),
    ):
        values = parse_lines(_answer(host, argv).out) if variables else {}
        kernel |= {variable.key: values[variable.name] for variable in variables if variable.name in values}
    return kernel


def _read_file(host: Host, file: str, names: list[str]) -> dict[str, Found]:
    if not is_shell(file):
        return {name: Found(value) for name, value in parse_lines(host.read(file) or "").items()}
    answer = _answer(host, [*_sysrc(file), "-i", "-e", "-v", *names])
    # 1 is also the answer when one of the variables is not set, and then sysrc says nothing.
    if answer.rc and answer.err:
        said = answer.err.splitlines()[0]
        raise Refused(f"variables of {file or 'rc.conf'}", f"sysrc says {said!r}", "correct that by hand")
    return parse_sysrc(answer.out, names)


def _answer(host: Host, argv: Iterable[str]) -> Output:
    try:
        return host.run(list(argv), ok=(0, 1))
    except CommandMissing:
        if host.writable:
            raise
        return Output(tuple(argv), 0, "", "")


def _sysrc(file: str) -> list[str]:
    return ["sysrc", "-f", file] if file else ["sysrc"]


def apply_variable(host: WritableHost, step: Step) -> None:
    """One step of `rc.plan_variables`."""
    if step.verb == "sysctl":
        host.change(["sysctl", f"{step.args['name']}={step.args['value']}"])
        return
    name, file = step.args["name"], step.args["file"]
    if is_shell(file):
        assignment = ["-x", name] if step.verb == "remove" else [f"{name}={step.args['value']}"]
        host.change([*_sysrc(file), *assignment])
        return
    text = host.read(file)
    if step.verb == "remove":
        new = without_line(text or "", name)
    else:
        new = with_line(text or "", name, step.args["value"], file)
    host.write(file, new)
