# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""rctl(8): rules about resources, as the kernel has them.

Rests on usr.bin/rctl/rctl.c and sys/kern/kern_rctl.c, and on expand_number(3) and humanize_number(3):
which combinations the kernel refuses is that of 12.1, believed unchanged. ``rctl -l`` shows what a
filter finds; the real one asks which rules apply to a process.

Its lies: a rule is bound to the name of a jail, needs no such jail and outlives it; a deny rule with
another amount replaces the old one, a rule with any other action comes beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .answers import Refusal, options, program
from .kernel import Jail
from .world import World

SUBJECTS = ("process", "user", "loginclass", "jail")
RESOURCES = (
    "cputime", "datasize", "stacksize", "coredumpsize", "memoryuse", "memorylocked", "maxproc", "openfiles",
    "vmemoryuse", "pseudoterminals", "swapuse", "nthr", "msgqqueued", "msgqsize", "nmsgq", "nsem", "nsemop",
    "nshm", "shmsize", "wallclock", "pcpu", "readbps", "writebps", "readiops", "writeiops",
)  # fmt: skip
SIGNALS = (
    "sighup", "sigint", "sigquit", "sigill", "sigtrap", "sigabrt", "sigemt", "sigfpe", "sigkill", "sigbus",
    "sigsegv", "sigsys", "sigpipe", "sigalrm", "sigterm", "sigurg", "sigstop", "sigtstp", "sigcont",
    "sigchld", "sigttin", "sigttou", "sigio", "sigxcpu", "sigxfsz", "sigvtalrm", "sigprof", "sigwinch",
    "siginfo", "sigusr1", "sigusr2", "sigthr",
)  # fmt: skip
ACTIONS = ("deny", "log", "devctl", "throttle", *SIGNALS)
RATES = ("readbps", "writebps", "readiops", "writeiops")
NEVER_DENIED = ("cputime", "wallclock", *RATES)
NOT_PER_PROCESS = (
    "pseudoterminals", "swapuse", "msgqqueued", "msgqsize", "nmsgq", "nsem", "nshm", "shmsize",
)  # fmt: skip
SHORT = {
    "p": "process", "u": "user", "l": "loginclass", "c": "loginclass", "class": "loginclass", "j": "jail",
}  # fmt: skip
UNITS = "kmgtpe"
DISABLED = "RACCT/RCTL present, but disabled; enable using kern.racct.enable=1 tunable"


@dataclass(frozen=True)
class Rule:
    """A rule or a filter; what is empty or None matches everything."""

    subject: str = ""
    name: str = ""
    resource: str = ""
    action: str = ""
    amount: int | None = None
    per: str = ""

    def printed(self, people: bool = False) -> str:
        """As the kernel writes it: the amount in full, the subject of the amount if it is another one."""
        amount = nice(self.amount or 0) if people else self.amount
        per = f"/{self.per}" if self.per not in ("", self.subject) else ""
        return f"{self.subject}:{self.name}:{self.resource}:{self.action}={amount}{per}"

    def matches(self, rule: Rule) -> bool:
        """Whether a rule passes through this filter."""
        wanted = (self.subject, self.name, self.resource, self.action, self.amount, self.per)
        has = (rule.subject, rule.name, rule.resource, rule.action, rule.amount, rule.per)
        return all(not want or want == own for want, own in zip(wanted, has, strict=True))


def rctl(world: World, args: list[str], stdin: str) -> str:
    """``rctl [-h] [-n] [-a | -l | -r | -u] [RULE ...]``: one rule after the other, failed ones counted."""
    given, operands = options(args, "ahlnru")
    verbs = [letter for letter in "alru" if letter in given]
    if len(verbs) > 1:
        raise Refusal("at most one of -a, -l, -r, or -u may be specified")
    if verbs and not operands:
        raise Refusal("usage: rctl [ -h ] [-a rule | -l filter | -r filter | -u filter | filter]", plain=True)
    out, errors = "", []
    for text in operands or ["::"]:
        try:
            out += one(world, verbs[0] if verbs else "", text, people="h" in given)
        except Refusal as refusal:
            errors.append(refusal.text)
            if refusal.text == DISABLED:
                break
    if errors:
        raise Refusal("\nrctl: ".join(errors), len(errors), out)
    return out


def one(world: World, verb: str, text: str, *, people: bool) -> str:
    """What is done with one operand.

    :param people: whether numbers are for people (-h).
    :raises Refusal: when it fails.
    """
    expanded = expand(text)
    if not world.kernel.racct:
        raise Refusal(DISABLED)
    failed = {"": "show rules for", "a": "add rule", "l": "get limits for", "r": "remove rule",
              "u": "show resource consumption for"}[verb]  # fmt: skip
    rule, problem = parse(expanded), ""
    if rule is None:
        problem = "Invalid argument"
    elif verb == "a":
        problem = add(world, rule)
    elif verb == "r":
        problem = remove(world, rule)
    elif verb == "u":
        jail = world.kernel.find(rule.name)
        if jail:
            return usage(world, jail, people=people)
        problem = "No such process"
    else:
        rules = [each for line in world.kernel.rules if (each := parse(line)) and rule.matches(each)]
        return "".join(f"{each.printed(people)}\n" for each in rules)
    if problem:
        raise Refusal(f"failed to {failed} '{text}': {problem}")
    return ""


def expand(text: str) -> str:
    """A rule with its subject and its amount in full, as rctl(8) hands it to the kernel.

    :raises Refusal: when it is malformed.
    """
    subject, colon, rest = text.partition(":")
    if not colon:
        raise Refusal(f"malformed rule '{text}': missing subject")
    head, equals, amount = rest.partition("=")
    amount, slash, per = amount.partition("/")
    if amount:
        number, unit = (amount[:-1], amount[-1].lower()) if amount[-1].lower() in UNITS else (amount, "")
        if not number.isdigit():
            raise Refusal(f"malformed rule '{text}': invalid numeric value '{amount}'")
        amount = str(int(number) * (1024 ** (UNITS.index(unit) + 1) if unit else 1))
    return f"{SHORT.get(subject, subject)}:{head}{equals}{amount}{slash}{per}"


def parse(text: str) -> Rule | None:
    """A rule or filter, of which the end may be missing; None: the kernel knows no such words."""
    subject, name, resource, action, *more = f"{text}:::".split(":")
    action, _equals, amount = action.partition("=")
    amount, _slash, per = amount.partition("/")
    per = SHORT.get(per, per)
    words = ((subject, SUBJECTS), (resource, RESOURCES), (action, ACTIONS), (per, SUBJECTS))
    if (
        any(more)
        or any(word and word not in known for word, known in words)
        or (amount and not amount.isdigit())
    ):
        return None
    return Rule(subject, name, resource, action, int(amount) if amount else None, per)


def add(world: World, rule: Rule) -> str:
    """``-a``: the problem, if there is one."""
    if not all((rule.subject, rule.name, rule.resource, rule.action)) or rule.amount is None:
        return "Invalid argument"
    rule = replace(rule, per=rule.per or rule.subject)
    if unsupported(rule):
        return "Operation not supported"
    kept = [text for text in world.kernel.rules if not alike(parse(text), rule)]
    world.kernel.rules[:] = [*kept, rule.printed()]
    return ""


def unsupported(rule: Rule) -> bool:
    """What rctl_rule_add() answers with EOPNOTSUPP."""
    return (
        (rule.action == "deny" and rule.resource in NEVER_DENIED)
        or (rule.action == "throttle" and rule.resource not in RATES)
        or (rule.per == "process" and rule.resource in NOT_PER_PROCESS)
    )


def alike(old: Rule | None, new: Rule) -> bool:
    """Whether a new rule takes the place of an old one."""
    if old is None:
        return False
    if new.action == "deny":
        old = replace(old, amount=new.amount)
    return old.printed() == new.printed()


def remove(world: World, wanted: Rule) -> str:
    """``-r``: the problem, if there is one."""
    kept = [text for text in world.kernel.rules if not ((rule := parse(text)) and wanted.matches(rule))]
    if len(kept) == len(world.kernel.rules):
        return "No such process"
    world.kernel.rules[:] = kept
    return ""


def usage(world: World, jail: Jail, *, people: bool) -> str:
    """``-u``: what a jail uses, all resources in their order; so and so much for each of its processes."""
    count = len(world.kernel.processes(jail.jid))
    figures = {"maxproc": count, "nthr": count, "memoryuse": count * 4096 * 1000, "openfiles": count * 8}
    numbers = {resource: figures.get(resource, 0) for resource in RESOURCES}
    return "".join(f"{name}={nice(number) if people else number}\n" for name, number in numbers.items())


def nice(number: int) -> str:
    """A number of humanize_number(3) in five characters: as many digits as fit, one decimal below ten."""
    units = f" {UNITS.upper()}"
    scale, divisor = 0, 1
    while number / divisor >= 9999.5 and scale < len(UNITS):
        scale, divisor = scale + 1, divisor * 1024
    if scale and number / divisor < 9.95:
        return f"{number / divisor:.1f}{units[scale]}"
    return f"{(number + divisor // 2) // divisor}{units[scale].strip()}"


PROGRAMS = {"rctl": program(rctl)}
