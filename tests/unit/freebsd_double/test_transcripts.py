# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that jail(8), jls(8), jexec(8) and service(8) of FreeBSD print, as the double prints them."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import pytest

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import CommandFailed
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.freebsd.kernel import Interface, Outcome

from .transcript import check

WEB = """web {
  path = "/jails/web";
  host.hostname = "web.example.org";
  ip4.addr = "em0|192.0.2.21/24";
  mount.devfs;
  exec.start = "/bin/sh /etc/rc";
  exec.stop = "/bin/sh /etc/rc.shutdown jail";
}
"""
DB = """db { path = "/jails/db"; persist; }
"""
ENABLED = {"/etc/rc.conf": 'jail_enable="YES"\n'}
FOLDERS = ("/jails/web/dev", "/jails/db")


def server(files: Mapping[str, str] | None = None, release: str = "14.3") -> FreebsdHost:
    """With jails web and db defined, none running."""
    defined = {"/etc/jail.conf.d/web.conf": WEB, "/etc/jail.conf.d/db.conf": DB, **ENABLED}
    return FreebsdHost({**defined, **(files or {})}, release=release, folders=FOLDERS)


def one(parameters: str, release: str = "14.3") -> FreebsdHost:
    """With jail x of these parameters in /etc/jail.conf."""
    text = f'x {{ path = "/jails/x"; persist; {parameters} }}\n'
    return FreebsdHost({"/etc/jail.conf": text}, release=release, folders=["/jails/x/dev", "/jails/x/mnt"])


def test_service_starts_and_stops() -> None:
    check(
        server(),
        """
        $ service jail start web
        Starting jails: web.
        $ jls -j web jid path host.hostname
        1 /jails/web web.example.org
        $ cat /var/run/jail_web.id
        1
        $ service jail start web db
        Starting jails: cannot start jail  "web": 
        jail: "web" already exists
         db.
        $ service jail status db
         JID             IP Address      Hostname                      Path
         web             192.0.2.21      web.example.org               /jails/web
         db                                                            /jails/db
        $ service jail stop web
        Stopping jails: web.
        $ service jail stop web
        Stopping jails:.
        $ cat /var/run/jail_web.id
        ! cat: /var/run/jail_web.id: No such file or directory
        [1]
        $ service jail restart db
        Stopping jails: db.
        Starting jails: db.
        $ service jail config web nope
        web: parameters are in /etc/jail.conf.d/web.conf.
        ! /etc/rc.d/jail: WARNING: Invalid configuration for nope  (no jail.conf, no hostname, or no path).   Jail nope was ignored.
        """,  # noqa: E501, W291
    )


def test_service_without_a_configuration() -> None:
    check(
        server(),
        """
        $ service jail start nope
        Starting jails:.
        ! /etc/rc.d/jail: WARNING: Invalid configuration for nope  (no jail.conf, no hostname, or no path).   Jail nope was ignored.
        """,  # noqa: E501
    )
    check(
        server({"/etc/jail.conf": DB}),
        """
        $ service jail start nope
        Starting jails: cannot start jail  "nope": 
        jail: "nope" not found
        .
        """,  # noqa: W291
    )


def test_service_that_is_not_enabled_does_nothing_and_succeeds() -> None:
    check(
        server({"/etc/rc.conf": ""}),
        """
        $ service jail start web
        Cannot 'start' jail. Set jail_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.
        $ service jail onestart web
        Starting jails: web.
        $ service jail stop web
        Cannot 'stop' jail. Set jail_enable to YES in /etc/rc.conf or use 'onestop' instead of 'stop'.
        $ service jail onestop web
        Stopping jails: web.
        $ service jail enabled
        [1]
        $ service jail enable
        jail enabled in /etc/rc.conf
        $ service jail enabled
        """,
    )


def test_service_of_all_jails() -> None:
    check(
        server({"/etc/jail.conf": WEB + DB}),
        """
        $ service jail start
        Starting jails: web db.
        $ jail -c name=foreign path=/ persist
        foreign: created
        $ service jail stop
        Stopping jails: web db foreign.
        $ jls
           JID  IP Address      Hostname                      Path
        """,
    )


def test_service_of_a_list_leaves_the_others() -> None:
    check(
        server({"/etc/rc.conf": 'jail_enable="YES"\njail_list="web db"\njail_reverse_stop="YES"\n'}),
        """
        $ service jail start
        Starting jails: web db.
        $ jail -c name=foreign path=/ persist
        foreign: created
        $ service jail stop
        Stopping jails: db web.
        $ jls name
        foreign
        """,
    )


def test_service_that_cannot_stop_a_jail() -> None:
    host = server()
    host.kernel.outcomes["/jails/web", "/bin/sh /etc/rc.shutdown jail"] = Outcome(rc=1, err="no\n")
    check(
        host,
        """
        $ service jail start web
        Starting jails: web.
        $ service jail stop web
        Stopping jails: webno
        jail: web: /bin/sh /etc/rc.shutdown jail: failed
        .
        $ jls name
        web
        """,
    )


def test_other_services() -> None:
    check(
        server(),
        """
        $ service nosuch start
        ! nosuch does not exist in /etc/rc.d or the local startup
        ! directories (/usr/local/etc/rc.d), or is not executable
        [1]
        $ service cron status
        cron is not running.
        [1]
        $ service cron stop
        ! cron not running? (check /var/run/cron.pid).
        [1]
        $ service cron start
        Starting cron.
        $ service cron start
        ! cron already running? (pid=801).
        [1]
        $ service cron status
        cron is running as pid 801.
        $ service sshd start
        Cannot 'start' sshd. Set sshd_enable to YES in /etc/rc.conf or use 'onestart' instead of 'start'.
        $ service jail rcvar
        # jail : Manage system jails
        #
        jail_enable="YES"
        #   (default: "NO")

        $ service jail describe
        Manage system jails
        $ service jail extracommands
        config console status
        $ service jail dance
        ! /etc/rc.d/jail: unknown directive 'dance'.
        ! Usage: /etc/rc.d/jail [fast|force|one|quiet](start|stop|restart|rcvar|enable|disable|delete|enabled|describe|extracommands|config|console|status)
        [1]
        $ service -e
        /etc/rc.d/cron
        /etc/rc.d/devfs
        /etc/rc.d/jail
        /etc/rc.d/netif
        /etc/rc.d/rctl
        /etc/rc.d/sysctl
        /etc/rc.d/syslogd
        $ service jail console
        ! /etc/rc.d/jail: ERROR: Specify a jail name.
        [3]
        """,  # noqa: E501
    )


def test_services_that_read_rules() -> None:
    rules = {
        "/etc/devfs.rules": "[jail_web=10]\nadd include $devfsrules_hide_all\nadd path 'bpf*' unhide\n",
        "/etc/rctl.conf": "# limits\njail:web:maxproc:deny=50  # of web\n\n",
    }
    check(
        FreebsdHost(rules),
        """
        $ service devfs restart
        $ devfs rule -s 10 show
        100 include 1
        200 path bpf* unhide
        $ service rctl start
        $ rctl
        jail:web:maxproc:deny=50
        $ service rctl stop
        $ rctl
        """,
    )


def test_start_and_stop_with_all_steps() -> None:
    check(
        server(),
        """
        $ jail -v -f /etc/jail.conf.d/web.conf -c web
        web: run command: /sbin/ifconfig em0 inet 192.0.2.21/24 alias
        web: run command: /sbin/mount -t devfs -oruleset=4 . /jails/web/dev
        web: jail_set(JAIL_CREATE) persist name=web path=/jails/web host.hostname=web.example.org ip4.addr=192.0.2.21
        web: created
        web: run command in jail: /bin/sh /etc/rc
        $ jail -v -f /etc/jail.conf.d/web.conf -r web
        web: run command in jail: /bin/sh /etc/rc.shutdown jail
        web: removed
        web: run command: /sbin/umount /jails/web/dev
        web: run command: /sbin/ifconfig em0 inet 192.0.2.21/24 -alias
        """,  # noqa: E501
    )


def test_failed_start_is_undone_and_says_so() -> None:
    host = server()
    host.kernel.outcomes["/jails/web", "/bin/sh /etc/rc"] = Outcome(rc=1, out="ELF ldconfig path: /lib\n")
    before = host.kernel.mounts[:], host.kernel.interfaces[:]
    check(
        host,
        """
        $ jail -c -f /etc/jail.conf.d/web.conf web
        web: created
        ELF ldconfig path: /lib
        web: removed
        ! jail: web: /bin/sh /etc/rc: failed
        [1]
        $ jls name
        $ service jail start web
        Starting jails: cannot start jail  "web": 
        2
        ELF ldconfig path: /lib
        jail: web: /bin/sh /etc/rc: failed
        .
        """,  # noqa: W291
    )
    assert (host.kernel.mounts, host.kernel.interfaces) == before


def test_unknown_names() -> None:
    check(
        server({"/etc/jail.conf": DB}),
        """
        $ jail -c ghost
        ! jail: "ghost" not found
        [1]
        $ jail -r ghost
        ! jail: "ghost" not found
        [1]
        $ jail -R ghost
        ! jail: "ghost" not found
        [1]
        $ jail -q -r ghost
        ! jail: "ghost" not found
        [1]
        $ jail -m db
        ! jail: "db" not found
        [1]
        $ jail -r db
        ! jail: "db" not found
        [1]
        $ jail -q -r db
        [1]
        $ jail -rc db
        ! jail: "db" not found
        [1]
        $ jail -cm db
        db: created
        $ jail -cm db
        db: updated
        $ jail -c db
        ! jail: "db" already exists
        [1]
        $ jail -rc db
        db: created
        $ jail -r '*'
        db: removed
        $ jail -r '*'
        $ jls -j ghost jid
        ! jls: jail "ghost" not found
        [1]
        $ jls -j 99
           JID  IP Address      Hostname                      Path
        ! jls: jail 99 not found
        [1]
        $ jexec ghost true
        ! jexec: jail "ghost" not found
        [1]
        $ jexec 99 true
        ! jexec: jail_attach(99): Invalid argument
        [1]
        $ jail -f /nowhere -c ghost
        ! jail: /nowhere: No such file or directory
        [1]
        $ jail -f /nowhere -r ghost
        ! jail: "ghost" not found
        [1]
        """,
    )


REFUSED = {
    'path = "relative";': "x: path relative: not an absolute pathname",
    'path = "/gone";': "x: path /gone: No such file or directory",
    'path = "/etc/jail.conf";': "x: path /etc/jail.conf: Not a directory",
    "exec.timeout = soon;": 'x: exec.timeout: non-integer value "soon"',
    "mount.devfs = maybe;": 'x: mount.devfs: unknown boolean value "maybe"',
    "allow.mount = maybe;": 'x: allow.mount: unknown boolean value "maybe"',
    'devfs_ruleset = "x";': 'x: devfs_ruleset: non-integer value "x"',
    "vnet = perhaps;": 'x: vnet: unknown jailsys value "perhaps"',
    'ip4.addr = "no.address";': "x: ip4.addr: not an IPv4 address: no.address",
    "foo = 1;": "x: unknown parameter: foo",
    "meta = 1;": "x: unknown parameter: meta",
    "allow.routing;": "x: unknown parameter: allow.routing",
    "nopersist;": "x: new jail must persist or attach",
    'vnet; ip4.addr = "192.0.2.9";': "x: vnet jails cannot have IP address restrictions",
    'ip4.addr = "192.0.2.9", "192.0.2.9";': "x: jail_set: Invalid argument",
    'depend = "db";': 'x: depends on undefined jail "db"',
    'depend = "x";': "x: dependency loop",
    'exec.prestart = "/sbin/nowhere";': (
        "x: exec /sbin/nowhere: No such file or directory|x: /sbin/nowhere: failed"
    ),
    'exec.system_user = "bob"; exec.prestart = "true";': "x: bob: no such user|x: true: failed",
    'exec.prestart = "false";': "x: false: failed",
    'exec.prestart = "echo oh no && false";': "x: /bin/sh -c echo oh no && false: failed",
    'mount.fstab = "/etc/fstab.x";': "x: mount.fstab: /etc/fstab.x: No such file or directory",
    'mount = "/src /jails/x/mnt";': "x: mount: /src /jails/x/mnt: missing information",
    'mount = "/src /jails/x/none nullfs ro";': "x: mount: /jails/x/none: No such file or directory",
    "mount = '/a\\\\q /jails/x/mnt nullfs';": "x: mount: /a\\q /jails/x/mnt nullfs: fstab parse error",
    'mount = "/src relative nullfs ro";': "x: mount: relative: not an absolute pathname",
    'exec.start = "true"; exec.consolelog = "x.log";': "x: exec.consolelog: x.log: not an absolute pathname",
    'exec.start = "true"; exec.consolelog = "/no/x.log";': "x: open /no/x.log: No such file or directory",
    'path = "$v";': 'x: path: variable "v" not found',
    '$v = "$v"; path = "/$v";': "x: v: variable loop",
    'mount = "a", "b"; path = "/$mount";': "x: path: array cannot be substituted inline",
    '$v = 1; v = 2;': 'x: variable "$v" cannot have the same name as a parameter.',
    'jid = 3; jid = 4;': 'x: cannot redefine parameter "jid".',
}  # fmt: skip


@pytest.mark.parametrize(("parameters", "said"), REFUSED.items())
def test_refusals(parameters: str, said: str) -> None:
    host = one(parameters)
    output = host.world.call(["jail", "-c", "x"])
    assert output.err.splitlines() == [f"jail: {line}" for line in said.split("|")]
    assert output.rc == 1
    assert host.kernel.jails() == []


def test_a_path_may_be_no_parameter_at_all() -> None:
    text = "x { persist; mount.devfs; }\n"
    output = FreebsdHost({"/etc/jail.conf": text}).world.call(["jail", "-c", "x"])
    assert output.err == "jail: x: mount.devfs: no jail root path defined\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x { path = / }\n", "/etc/jail.conf line 1: }: syntax error"),
        ("x {\n path = /;\n", "/etc/jail.conf: unexpected EOF"),
        ('x { path = "/;\n', "/etc/jail.conf line 1: unterminated string"),
        ("x { /* }\n", "/etc/jail.conf line 1: unterminated comment"),
    ],
)
def test_broken_files(text: str, said: str) -> None:
    check(
        FreebsdHost({"/etc/jail.conf": text}),
        f"""
        $ jail -c x
        ! jail: {said}
        [1]
        """,
    )


EVERYTHING = """x {
  path = "/jails/x";
  interface = "em0";
  ip4.addr = "192.0.2.21", "lo0|192.0.2.22/255.255.255.0 broadcast 192.0.2.99";
  ip6.addr = "2001:db8::21";
  mount = "/src /jails/x/mnt nullfs ro";
  mount.fstab = "/etc/fstab.x";
  mount.devfs; mount.fdescfs; mount.procfs; devfs_ruleset = 5;
  exec.prepare = "echo prepare"; exec.prestart = "echo prestart"; exec.created = "echo created";
  exec.start = "echo start"; exec.poststart = "echo poststart";
  exec.prestop = "echo prestop"; exec.stop = "echo stop"; exec.poststop = "echo poststop";
  exec.release = "echo release";
  persist;
}
"""
FSTAB = """# of x
/a\\040b /jails/x/one nullfs rw 0 0  # more
/b /jails/x/two nullfs
"""
UP = """\
echo prepare
/sbin/ifconfig em0 inet 192.0.2.21 netmask 255.255.255.255 alias
/sbin/ifconfig lo0 inet 192.0.2.22 netmask 255.255.255.0 broadcast 192.0.2.99 alias
/sbin/ifconfig em0 inet6 2001:db8::21 prefixlen 128 alias
/sbin/mount -t nullfs -o ro /src /jails/x/mnt
/sbin/mount -t nullfs -o rw /a b /jails/x/one
/sbin/mount -t nullfs /b /jails/x/two
/sbin/mount -t devfs -oruleset=5 . /jails/x/dev
/sbin/mount -t fdescfs . /jails/x/dev/fd
/sbin/mount -t procfs . /jails/x/proc
echo prestart
echo created
echo start
echo poststart
"""
UNDO = """\
/sbin/umount /jails/x/proc
/sbin/umount /jails/x/dev/fd
/sbin/umount /jails/x/dev
/sbin/umount -t nullfs /jails/x/two
/sbin/umount -t nullfs /jails/x/one
/sbin/umount -t nullfs /jails/x/mnt
/sbin/ifconfig em0 inet6 2001:db8::21 prefixlen 128 -alias
/sbin/ifconfig lo0 inet 192.0.2.22 netmask 255.255.255.0 -alias
/sbin/ifconfig em0 inet 192.0.2.21 netmask 255.255.255.255 -alias
"""
DOWN = f"echo prestop\necho stop\necho poststop\n{UNDO}echo release\n"


def everything(text: str = EVERYTHING) -> FreebsdHost:
    folders = [f"/jails/x/{name}" for name in ("dev", "proc", "mnt", "one", "two")]
    return FreebsdHost(
        {"/etc/jail.conf": text, "/etc/fstab.x": FSTAB}, folders=[*folders, "/src", "/a b", "/b"]
    )


def commands(host: FreebsdHost) -> str:
    """The command lines of the last call of jail(8)."""
    log = host.world.log
    last = max(number for number, argv in enumerate(log) if argv[0] == "jail")
    return "".join(f"{' '.join(argv)}\n" for argv in log[last + 1 :])


def test_order_of_the_steps() -> None:
    host = everything()
    bare = host.kernel.state()
    mounts, interfaces = copy.deepcopy((bare["mounts"], bare["interfaces"]))
    output = host.world.call(["jail", "-c", "x"])
    assert (output.err, output.rc, commands(host)) == ("", 0, UP)
    assert output.out.splitlines() == ["prepare", "prestart", "x: created", "created", "start", "poststart"]
    output = host.world.call(["jail", "-r", "x"])
    assert (output.err, output.rc, commands(host)) == ("", 0, DOWN)
    assert output.out.splitlines() == ["prestop", "stop", "x: removed", "poststop", "release"]
    assert (host.kernel.mounts, host.kernel.interfaces) == (mounts, interfaces)


@pytest.mark.parametrize("hook", ["prestart", "created", "start", "poststart"])
def test_what_a_failed_start_undoes(hook: str) -> None:
    host = everything(EVERYTHING.replace(f'"echo {hook}"', '"false"'))
    output = host.world.call(["jail", "-c", "x"])
    assert (output.rc, output.err) == (1, "jail: x: false: failed\n")
    assert commands(host) == UP.partition(f"echo {hook}\n")[0] + "false\n" + UNDO
    assert ("x: removed\n" in output.out) == (hook != "prestart")
    assert host.kernel.jails() == []


@pytest.mark.parametrize("hook", ["prestop", "stop"])
def test_a_failed_stop_leaves_the_jail(hook: str) -> None:
    host = everything(EVERYTHING.replace(f'"echo {hook}"', '"false"'))
    host.world.call(["jail", "-c", "x"])
    output = host.world.call(["jail", "-r", "x"])
    assert (output.rc, output.err) == (1, "jail: x: false: failed\n")
    assert commands(host) == DOWN.partition(f"echo {hook}\n")[0] + "false\n"
    assert [jail.name for jail in host.kernel.jails()] == ["x"]


def test_what_cannot_be_unmounted_is_left_and_the_rest_goes_on() -> None:
    host = everything()
    host.world.call(["jail", "-c", "x"])
    for mount in host.kernel.mounts:
        mount.busy = mount.target == "/jails/x/two"
    output = host.world.call(["jail", "-r", "x"])
    assert (output.rc, commands(host)) == (1, DOWN)
    assert output.err.splitlines()[-1] == "jail: x: /sbin/umount -t nullfs /jails/x/two: failed"
    assert [mount.target for mount in host.kernel.mounts if "/jails" in mount.target] == ["/jails/x/two"]
    assert host.kernel.jails() == []


def test_removal_without_the_file_leaves_everything() -> None:
    host = everything()
    host.world.call(["jail", "-c", "x"])
    assert host.world.call(["jail", "-R", "x"]).rc == 0
    assert commands(host) == ""
    assert len([mount for mount in host.kernel.mounts if "/jails" in mount.target]) == 6


def test_a_jail_whose_fstab_is_gone_cannot_be_stopped() -> None:
    host = everything()
    host.world.call(["jail", "-c", "x"])
    host.remove("/etc/fstab.x")
    check(
        host,
        """
        $ jail -r x
        ! jail: x: mount.fstab: /etc/fstab.x: No such file or directory
        [1]
        $ jls name
        x
        """,
    )


def test_jails_that_depend_on_each_other() -> None:
    text = """
    a { path = /; persist; depend = b; }
    b { path = /; persist; depend = c; exec.prestart = "test -e /ok"; }
    c { path = /; persist; }
    """
    check(
        FreebsdHost({"/etc/jail.conf": text}),
        """
        $ jail -c a
        c: created
        ! jail: b: test -e /ok: failed
        ! jail: a: skipped
        [1]
        $ touch /ok
        $ jail -c a
        b: created
        a: created
        $ jail -c
        $ jail -r c
        a: removed
        b: removed
        c: removed
        $ jail -c
        c: created
        b: created
        a: created
        $ jail -r '*'
        a: removed
        b: removed
        c: removed
        """,
    )


def test_update() -> None:
    check(
        one('host.hostname = "new"; allow.raw_sockets; children.max = 2; exec.start = "true";'),
        """
        $ jail -c name=x path=/jails/x persist
        x: created
        $ jail -m x
        x: updated
        $ jls -j x host.hostname allow.raw_sockets children.max
        new true 2
        $ jail -m name=x osrelease=1.0
        ! jail: x: osrelease cannot be changed after creation
        [1]
        $ jail -m name=x path=/jails/y
        ! jail: x: path cannot be changed after creation
        [1]
        $ jail -m name=x vnet
        ! jail: x: vnet cannot be changed after creation
        [1]
        $ jail -m name=x ip4.addr=192.0.2.9 enforce_statfs=1
        x: updated
        $ jls -j x ip4.addr enforce_statfs
        192.0.2.9 1
        $ jail -m name=x enforce_statfs=3
        ! jail: x: jail_set: Invalid argument
        [1]
        $ jail -m name=x persist=0
        x: updated
        $ jls name
        """,
    )


def test_restart_when_only_a_new_one_can_have_it() -> None:
    check(
        one("osrelease = 14.0-RELEASE;"),
        """
        $ jail -c name=x path=/jails/x persist
        x: created
        $ jail -cmr x
        x: created
        $ jls -j x jid osrelease
        2 14.0-RELEASE
        $ jail -cmr x
        x: updated
        $ jls jid
        2
        """,
    )


def test_what_the_kernel_refuses() -> None:
    check(
        FreebsdHost(),
        """
        $ jail -c name=a path=/ persist ip4.addr=192.0.2.1,192.0.2.2 ip6.addr=2001:db8::1,2001:db8::2
        a: created
        $ jail -c name=b path=/ persist ip4.addr=192.0.2.2
        ! jail: b: IPv4 addresses clash
        [1]
        $ jail -c name=b path=/ persist ip6.addr=2001:db8::2
        ! jail: b: IPv6 addresses clash
        [1]
        $ jail -c name=a path=/ persist
        ! jail: "a" already exists
        [1]
        $ jail -c name=a.c path=/ persist
        ! jail: a.c: prison limit exceeded
        [1]
        $ jail -c name=z.c path=/ persist
        ! jail: z.c: jail "z" not found
        [1]
        $ jail -c name=7 path=/ persist
        7: created
        $ jail -c name=8 jid=9 path=/ persist
        ! jail: 8: name cannot be numeric (unless it is the jid)
        [1]
        $ jail -c name=n jid=-1 path=/ persist
        ! jail: n: negative jid
        [1]
        $ jail -c name=d path=/ persist depend=nobody
        ! jail: depends on nonexistent jail "nobody"
        [1]
        $ jail -m name=a children.max=2
        a: updated
        $ jail -c name=a.c path=/ persist
        a.c: created
        $ jls jid name parent children.cur
        1 a 0 1
        4 a.c 1 0
        7 7 0 0
        $ jail -R a
        $ jls name
        7
        """,
    )


def test_dying_jails() -> None:
    host = FreebsdHost()
    host.kernel.lingering.add("a")
    check(
        host,
        """
        $ jail -c name=a jid=4 path=/ persist
        a: created
        $ jail -R a
        $ jls
           JID  IP Address      Hostname                      Path
        $ jls -d -v
           JID  Hostname                      Path
                Name                          State
                CPUSetID
                IP Address(es)
             4                                /
                a                             DYING
                2
        $ jls -j a jid
        ! jls: jail "a" is dying
        [1]
        $ jail -c name=a jid=4 path=/ persist
        ! jail: a: jail 4 already exists
        [1]
        $ jail -c name=a path=/ persist
        a: created
        $ jls -d jid name dying
        1 a false
        4 a true
        """,
    )
    host.kernel.settle()
    host.kernel.dying_keeps_name = True
    check(
        host,
        """
        $ jail -R a
        $ jail -c name=a path=/ persist
        a: created
        """,
    )


def test_dying_jails_since_15() -> None:
    host = FreebsdHost(release="15.0")
    host.kernel.lingering.add("a")
    check(
        host,
        """
        $ jail -c name=a jid=4 path=/ persist
        a: created
        $ jail -R a
        $ jail -d -c name=a jid=4 path=/ persist
        a: created
        ! jail: the 'allow.dying' parameter and '-d' flag are deprecated and have no effect.
        """,
    )


def test_name_of_a_dying_jail_where_reports_say_it_is_kept() -> None:
    host = FreebsdHost()
    host.kernel.lingering.add("a")
    host.kernel.dying_keeps_name = True
    check(
        host,
        """
        $ jail -c name=a path=/ persist
        a: created
        $ jail -R a
        $ jail -c name=a path=/ persist
        ! jail: a: jail 1 (a) is dying
        [1]
        """,
    )


def test_how_commands_end() -> None:
    host = one('exec.timeout = 2; exec.start = "slow", "killed";')
    host.kernel.outcomes["*", "slow"] = Outcome(hangs=True)
    host.kernel.outcomes["*", "killed"] = Outcome(signal=9)
    check(
        host,
        """
        $ jail -c x
        x: created
        x: removed
        ! jail: x: slow: timed out
        [1]
        """,
    )
    host.kernel.outcomes["*", "slow"] = Outcome()
    check(
        host,
        """
        $ jail -c x
        x: created
        x: removed
        ! jail: x: killed: exited on signal 9
        [1]
        """,
    )


def test_a_command_that_never_ends_keeps_jail_waiting() -> None:
    host = one('exec.start = "slow";')
    host.kernel.outcomes["*", "slow"] = Outcome(hangs=True)
    with pytest.raises(CommandFailed, match="did not end"):
        host.change(["jail", "-c", "x"], timeout=5)
    assert [jail.name for jail in host.kernel.jails()] == ["x"]


def test_a_jail_goes_with_its_last_process() -> None:
    check(
        FreebsdHost(folders=["/j"]),
        """
        $ jail -c name=short path=/j command=/bin/sh -c true
        short: created
        $ jls name
        $ jail -c name=long path=/j exec.start="/bin/sh /etc/rc"
        long: created
        $ jls name
        long
        $ jail -v -c name=deaf path=/j persist
        deaf: jail_set(JAIL_CREATE) name=deaf path=/j persist
        deaf: created
        $ jail -v -R long
        long: sent SIGTERM to: 801 802
        long: removed
        """,
    )


def test_what_runs_in_the_jail_is_logged_to_its_console() -> None:
    host = one(
        'exec.prestart = "echo outside"; exec.start = "echo inside"; exec.consolelog = "/var/log/x.log";'
    )
    check(
        host,
        """
        $ jail -c x
        outside
        x: created
        $ cat /var/log/x.log
        inside
        """,
    )


def test_links_below_the_root_are_refused() -> None:
    host = one("mount.devfs;")
    host.tree.links["/jails/x/dev"] = "/dev"
    check(
        host,
        """
        $ jail -c x
        ! jail: x: mount.devfs: /jails/x/dev is a symbolic link
        [1]
        """,
    )


SHOWN = """$base = "/usr/jails";
path = "$base/$name";
exec.start = "/bin/sh /etc/rc";
web { vnet; vnet.interface = e0b_web, e1b_web; nopersist; exec.prestart = 'say "hi"'; }
"*.child" { persist; }
db { exec.start = ""; allow.mount; }
"""


def test_list_of_configured_jails() -> None:
    check(
        FreebsdHost({"/etc/c": SHOWN}),
        """
        $ jail -f /etc/c -e '|'
        name=web|path=/usr/jails/web|exec.start="/bin/sh /etc/rc"|vnet|vnet.interface=e0b_web,e1b_web|nopersist|exec.prestart='say "hi"'
        name=db|path=/usr/jails/db|exec.start=""|allow.mount
        """,  # noqa: E501
    )
    output = FreebsdHost().world.call(["jail", "-f", "-", "-e", ","], SHOWN)
    assert output.out.startswith("name=web,path=/usr/jails/web,")
    assert FreebsdHost().world.call(["jail", "-e", ",", "-c", "x"]).err.startswith("usage: jail ")
    # Releases before 14 do not know -e.
    output = FreebsdHost(release="13.5").world.call(["jail", "-e", ","])
    assert (output.rc, output.err.splitlines()[0]) == (1, "jail: illegal option -- e")


def test_file_with_what_was_created() -> None:
    host = one('exec.prestart = "echo a b";')
    host.world.call(["jail", "-q", "-J", "/var/run/x", "-c", "x"])
    assert host.files["/var/run/x"] == 'jid=1\tname=x\tpath=/jails/x\tpersist\texec.prestart="echo a b"\n'
    assert host.world.call(["jail", "-i", "-c", "name=y", "path=/jails/x", "persist"]).out == "2\n"


def test_a_parameter_of_a_module_loads_it() -> None:
    host = FreebsdHost()
    assert "fusefs" not in host.kernel.modules
    assert host.world.call(["jail", "-c", "name=a", "path=/", "persist", "allow.mount.fusefs"]).rc == 0
    assert "fusefs" in host.kernel.modules


def test_parameters_of_15() -> None:
    check(
        FreebsdHost(release="15.0"),
        """
        $ jail -c name=a path=/ persist allow.routing zfs.dataset=zroot/a
        a: created
        a: removed
        ! cannot open 'zroot/a': dataset does not exist
        ! jail: a: /sbin/zfs jail 1 zroot/a: failed
        [1]
        """,
    )


@pytest.mark.parametrize(
    "line", ["jail", "jail -r", "jail -r a=b", "jail -R", "jail -cR x", "jail -z", "jail -f", "jail -e , x"]
)
def test_usage(line: str) -> None:
    output = FreebsdHost().world.call(line.split())
    assert output.rc == 1
    assert "usage: jail [-dhilqv] [-J jid_file] [-u username] [-U username]\n" in output.err


def test_no_jail_is_named() -> None:
    check(
        FreebsdHost(),
        """
        $ jail -m persist=0 path=/
        ! jail: no jail specified
        [1]
        $ jail -c persist path=/
        $ jls jid name
        1 1
        """,
    )


def test_several_at_once() -> None:
    check(
        FreebsdHost(
            {"/etc/jail.conf": "a { persist; }\nb { persist; }\nc { exec.stop = false; persist; }\n"}
        ),
        """
        $ jail -c
        a: created
        b: created
        c: created
        $ jail -r a ghost b
        b: removed
        a: removed
        ! jail: "ghost" not found
        [1]
        $ jail -r '*'
        ! jail: c: false: failed
        [1]
        $ jail -R '*'
        c: removed
        """,
    )


def test_other_mounts_in_the_place_of_the_jails() -> None:
    host = everything()
    host.world.call(["jail", "-c", "x"])
    host.kernel.mounts[:] = [mount for mount in host.kernel.mounts if mount.target != "/jails/x/two"]
    for mount in host.kernel.mounts:
        mount.kind = "tmpfs" if mount.target == "/jails/x/one" else mount.kind
    check(
        host,
        """
        $ jail -r x
        prestop
        stop
        x: removed
        poststop
        release
        ! jail: x: mount.fstab: /jails/x/two: not a mount point
        ! jail: x: mount.fstab: /jails/x/one: not a nullfs mount
        [1]
        """,
    )


def test_a_jail_with_a_network_of_its_own() -> None:
    host = one('vnet; vnet.interface = "e0b"; exec.created = "test -e /ok"; exec.start = "/bin/sh /etc/rc";')
    host.kernel.interfaces.append(Interface("e0b", "epair", driver="epair0b"))
    check(
        host,
        """
        $ jail -q -c x
        ! jail: x: test -e /ok: failed
        [1]
        $ touch /ok
        $ jail -v -c x
        x: jail_set(JAIL_CREATE) name=x path=/jails/x persist vnet=new
        x: created
        x: run command: test -e /ok
        x: run command: /sbin/ifconfig e0b vnet 2
        x: run command in jail: /bin/sh /etc/rc
        $ jls -j x vnet ip4
        new inherit
        $ jail -m name=x ip4.addr=192.0.2.9
        ! jail: x: vnet jails cannot have IP address restrictions
        [1]
        """,
    )
    assert host.kernel.interfaces[-1].vnet == 2
    host.kernel.lingering.add("x")
    host.world.call(["jail", "-R", "x"])
    assert host.kernel.interfaces[-1].vnet == 2, "a dying jail keeps its interfaces"
    host.kernel.settle()
    assert host.kernel.interfaces[-1].vnet == 0


def test_two_jails_that_share_an_address() -> None:
    text = "".join(
        f'{name} {{ path = /; persist; ip4.addr = "em0|192.0.2.50/32"; }}\n' for name in ("a", "b")
    )
    host = FreebsdHost({"/etc/jail.conf": text})
    assert host.world.call(["jail", "-c"]).rc == 0
    assert "192.0.2.50/32" in host.kernel.interfaces[0].addresses
    host.world.call(["jail", "-r", "a"])
    assert "192.0.2.50/32" not in host.kernel.interfaces[0].addresses, "the first that stops takes it away"
    assert host.world.call(["jls", "-j", "b", "ip4.addr"]).out == "192.0.2.50\n"


def test_included_files() -> None:
    both = {
        "/etc/jail.conf": 'path = "/";\npersist;\n.include "jail.conf.d/*.conf";\n',
        "/etc/rc.conf": "jail_enable=YES",
    }
    jails = {"/etc/jail.conf.d/a.conf": "a { depend = b; }\n", "/etc/jail.conf.d/b.conf": "b { }\n"}
    check(
        FreebsdHost({**both, **jails}),
        """
        $ service jail start
        Starting jails: b a.
        $ service jail stop b
        Stopping jails: b.
        $ service jail start a
        Starting jails: cannot start jail  "a": 
        jail: a: depends on undefined jail "b"
        .
        """,  # noqa: W291
    )
    check(
        FreebsdHost({"/etc/jail.conf": '.include "/etc/jail.conf";\n'}),
        """
        $ jail -c
        ! jail: /etc/jail.conf line 1: maximum include depth exceeded
        [1]
        """,
    )


def test_names_and_many_addresses() -> None:
    many = ",".join(f"10.0.{number // 250}.{number % 250 + 1}" for number in range(256))
    check(
        FreebsdHost(),
        f"""
        $ jail -c name=a path=/ persist ip4.addr={many}
        ! jail: a: too many IPv4 addresses
        [1]
        $ jail -c name=a jid=5 path=/ persist
        a: created
        $ jail -m jid=5 name=b
        b: updated
        $ jail -m jid=5 name=x.y
        ! jail: x.y: cannot change jail's parent
        [1]
        $ jail -m jid=5 name=6
        ! jail: 6: name cannot be numeric (unless it is the jid)
        [1]
        $ jls jid name
        5 b
        """,
    )
