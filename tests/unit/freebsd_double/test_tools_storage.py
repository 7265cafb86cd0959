# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that mount(8), umount(8), devfs(8), zfs(8) and zpool(8) print, and what they change."""

from __future__ import annotations

import pytest

from tests.doubles.freebsd import devfs
from tests.doubles.freebsd.host import FreebsdHost
from tests.doubles.zfs import Said

from .transcript import check

HIDDEN = {"mem", "kmem", "io", "ada0", "ada0p1", "pci", "klog", "bpf", "bpf0", "pf", "console"}


def server(release: str = "14.3") -> FreebsdHost:
    """A server with a jail, which runs."""
    folders = ["/jails/web/dev", "/jails/web/srv", "/data/web", "/a folder"]
    host = FreebsdHost(release=release, folders=folders)
    host.kernel.create({"name": "web", "path": "/jails/web", "persist": True})
    return host


# -- mount


def test_what_is_mounted() -> None:
    check(
        server(),
        """
        $ mount -t nullfs -o ro,nosuid /data/web /jails/web/srv
        $ mount -t devfs -oruleset=4 . /jails/web/dev
        $ mount -p
        zroot/ROOT/default	/			zfs	rw		0 0
        devfs			/dev			devfs	rw		0 0
        tank			/tank			zfs	rw,nfsv4acls 	0 0
        /data/web		/jails/web/srv		nullfs	ro,nosuid 	0 0
        devfs			/jails/web/dev		devfs	rw		0 0
        $ mount -t nullfs
        /data/web on /jails/web/srv (nullfs, local, nosuid, read-only)
        $ mount -p -t devfs,tmpfs
        devfs			/dev			devfs	rw		0 0
        devfs			/jails/web/dev		devfs	rw		0 0
        """,
    )


def test_long_names_in_the_form_of_fstab() -> None:
    host = server()
    host.tree.make_folder("/jails/a-name-of-24-bytes-long")
    check(
        host,
        """
        $ mount_nullfs /data/web /jails/a-name-of-24-bytes-long
        $ mount -p -t nullfs
        /data/web		/jails/a-name-of-24-bytes-long nullfs	rw		0 0
        """,
    )


def test_refusals_of_mount() -> None:
    check(
        server(),
        """
        $ mount -t nullfs /nowhere /jails/web/srv
        ! mount_nullfs: /nowhere: No such file or directory
        [1]
        $ mount -t nullfs /data/web /jails/web/none
        ! mount_nullfs: /jails/web/none: No such file or directory
        [1]
        $ mount -t devfs . /jails/web/none
        ! mount: /jails/web/none: No such file or directory
        [1]
        $ mount -t nullfs /data/web /jails/web/srv
        $ mount -t nullfs /data/web /jails/web/srv
        ! mount_nullfs: /jails/web/srv: Resource deadlock avoided
        [1]
        $ mount -t strangefs x /jails/web/srv
        ! mount: x: Operation not supported by device
        [1]
        $ mount /jails/web/srv
        ! mount: /jails/web/srv: unknown special file or file system
        [1]
        """,
    )


def test_a_second_mount_covers_the_first() -> None:
    check(
        server(),
        """
        $ mount -t tmpfs tmpfs /jails/web/srv
        $ mount -t tmpfs tmpfs /jails/web/srv
        $ umount /jails/web/srv
        $ mount -p -t tmpfs
        tmpfs			/jails/web/srv		tmpfs	rw		0 0
        """,
    )


def test_file_systems_load_their_modules() -> None:
    check(
        server(),
        """
        $ kldstat -q -m linprocfs
        [1]
        $ mount -t linprocfs linprocfs /jails/web/srv
        $ kldstat -q -m linprocfs
        $ kldunload linprocfs
        ! kldunload: can't unload file: Device busy
        ! kldunload: can't unload linprocfs: Device busy
        [1]
        """,
    )


def test_unmounting() -> None:
    host = server()
    check(
        host,
        """
        $ mount -t nullfs /data/web /jails/web/srv
        $ umount -t devfs /jails/web/srv
        [1]
        $ umount -t nullfs /jails/web/srv
        $ umount /jails/web/srv
        ! umount: /jails/web/srv: not a file system root directory
        [1]
        $ umount /nowhere
        ! umount: /nowhere: statfs: No such file or directory
        ! umount: /nowhere: unknown file system
        [1]
        $ mount -t nullfs /data/web /jails/web
        $ umount /jails/web
        ! umount: unmount of /jails/web failed: Device busy
        [1]
        $ umount -f /jails/web
        $ mount -t tmpfs tmpfs /jails/web/srv
        """,
    )
    host.kernel.mounts[-1].busy = True
    check(host, "$ umount /jails/web/srv\n! umount: unmount of /jails/web/srv failed: Device busy\n[1]")


def test_what_has_a_mount_below_it_is_busy() -> None:
    host = server()
    host.tree.make_folder("/data/web/deep")
    check(
        host,
        """
        $ mount -t nullfs /data/web /jails/web/srv
        $ mount -t tmpfs tmpfs /jails/web/srv/deep
        $ umount /jails/web/srv
        ! umount: unmount of /jails/web/srv failed: Device busy
        [1]
        $ umount /jails/web/srv/deep
        $ umount /jails/web/srv
        """,
    )


def test_all_lines_of_a_file() -> None:
    host = server()
    host.files["/etc/fstab.web"] = (
        "# of web\n/a\\040folder /jails/web/srv nullfs ro 0 0\ntmpfs /jails/web/dev tmpfs rw 0 0\n"
    )
    check(
        host,
        """
        $ mount -a -F /etc/fstab.web
        $ mount -a -F /etc/fstab.web
        $ mount -p -t nullfs,tmpfs
        /a folder		/jails/web/srv		nullfs	ro		0 0
        tmpfs			/jails/web/dev		tmpfs	rw		0 0
        $ umount -a -F /etc/fstab.web
        $ mount -p -t nullfs,tmpfs
        $ mount -a -F /etc/fstab.none
        ! mount: /etc/fstab.none: No such file or directory
        [1]
        """,
    )


def test_other_options_for_what_is_mounted() -> None:
    check(
        server(),
        """
        $ mount -t nullfs /data/web /jails/web/srv
        $ mount -u -o ro /jails/web/srv
        $ mount -p -t nullfs
        /data/web		/jails/web/srv		nullfs	ro		0 0
        $ mount -u -o ro /jails/web/none
        ! mount: not currently mounted /jails/web/none
        [1]
        """,
    )


# -- devfs


def test_rulesets() -> None:
    check(
        server(),
        """
        $ devfs rule showsets
        1
        2
        3
        4
        5
        $ devfs rule -s 4 show
        100 include 1
        200 include 2
        300 include 3
        400 path fuse unhide
        500 path zfs unhide
        $ devfs rule -s 10 show
        $ devfs rule -s 10 add include 4
        $ devfs rule -s 10 add path 'bpf*' unhide
        $ devfs rule -s 10 add 150 path pf unhide
        $ devfs rule -s 10 show
        100 include 4
        150 path pf unhide
        200 path bpf* unhide
        $ devfs rule -s 10 add 150 path pf hide
        ! devfs rule: ioctl DEVFSIO_RADD: File exists
        [1]
        $ devfs rule -s 10 add include 77
        ! devfs rule: ioctl DEVFSIO_RADD: No such process
        [1]
        $ devfs rule -s 10 del 150
        $ devfs rule -s 10 del 150
        ! devfs rule: ioctl DEVFSIO_RDEL: No such file or directory
        [1]
        $ devfs rule -s 10 delset
        $ devfs rule -s 10 delset
        $ devfs rule -s 10 add mode 660 path 'bpf*'
        ! devfs rule: unknown argument: path
        [1]
        $ devfs rule -s 10 add path 'bpf*' mode 660 unhide
        $ devfs rule -s 10 show
        100 path bpf* unhide mode 660
        $ devfs rule -s 10 add path
        ! devfs rule: expecting argument for path
        [1]
        $ devfs rule -s 10 explain
        ! devfs rule: unknown command: explain
        [1]
        $ devfs explain
        ! devfs: unknown command: explain
        [1]
        $ devfs
        ! usage: devfs rule|ruleset arguments
        [1]
        $ devfs rule -s ten show
        ! devfs rule: error converting to number: ten
        [1]
        $ devfs rule -s 70000 show
        ! devfs rule: error converting to number: 70000
        [1]
        """,
    )


@pytest.mark.parametrize(
    ("ruleset", "shown", "hidden"),
    [
        (4, {"null", "zero", "random", "urandom", "zfs", "stdin", "fd/0"}, HIDDEN),
        (5, {"null", "pf", "zfs"}, HIDDEN - {"pf"}),
        (1, set(), set(devfs.NODES)),
        (99, set(devfs.NODES), set()),
        (10, set(devfs.NODES), set()),
    ],
)
def test_what_a_jail_sees(ruleset: int, shown: set[str], hidden: set[str]) -> None:
    host = server()
    check(host, "$ devfs rule -s 10 add include 4")
    seen = devfs.visible(host.world, ruleset)
    assert shown <= seen and not hidden & seen
    check(host, f"$ mount -t devfs -oruleset={ruleset} . /jails/web/dev")
    assert set(devfs.nodes(host.world, "/jails/web/dev")) == seen
    with host.world.inside(1):
        listed = host.world.call(["ls", "/dev"]).out.splitlines()
    assert set(listed) == {name.partition("/")[0] for name in seen}


def test_a_ruleset_is_listed_while_something_is_mounted_with_it() -> None:
    host = server()
    check(
        host,
        """
        $ mount -t devfs -oruleset=77 . /jails/web/dev
        $ devfs rule showsets
        1
        2
        3
        4
        5
        77
        $ devfs rule -s 77 show
        $ ls -1F /jails/web/dev
        ada0
        ada0p1
        bpf
        bpf0
        console
        crypto
        fd/
        fuse
        geom.ctl
        io
        klog
        kmem
        log
        mdctl
        mem
        null
        pci
        pf
        ptmx
        pts/
        random
        stderr@
        stdin@
        stdout@
        ttyv0
        urandom
        zero
        zfs
        """,
    )


def test_a_mounted_devfs_changes_when_rules_are_applied() -> None:
    host = server()
    check(host, "$ mount -t devfs -oruleset=5 . /jails/web/dev\n$ devfs -m /jails/web/dev ruleset 4")
    assert "pf" in devfs.nodes(host.world, "/jails/web/dev")
    check(host, "$ devfs -m /jails/web/dev rule applyset")
    assert "pf" not in devfs.nodes(host.world, "/jails/web/dev")
    check(host, "$ devfs -m /nowhere rule applyset\n! devfs: open: /nowhere: No such file or directory\n[1]")


def test_the_file_of_the_admin_is_read_anew() -> None:
    host = server()
    host.files["/etc/devfs.rules"] = (
        "# ours\n[jail_dhcp=10]\nadd include $devfsrules_jail_vnet\nadd path 'bpf*' unhide\n"
        "[more=11]\nadd include $jail_dhcp\nadd path mem unhide\nadd nonsense\n"
    )
    check(
        host,
        """
        $ devfs rule -s 10 add path mem unhide
        $ service devfs restart
        ! devfs rule: unknown argument: nonsense
        $ devfs rule -s 10 show
        100 include 5
        200 path bpf* unhide
        $ devfs rule -s 11 show
        100 include 10
        200 path mem unhide
        """,
    )
    # Neither hides a thing: what an included ruleset includes does not count.
    assert devfs.visible(host.world, 10) == devfs.visible(host.world, 11) == set(devfs.NODES)
    host.world.kernel.sysctls["vfs.devfs.rule_depth"] = "3"
    assert devfs.visible(host.world, 11) & HIDDEN == {"bpf", "bpf0", "mem", "pf"} & HIDDEN


# -- zfs


@pytest.mark.parametrize(
    ("release", "version"), [("14.3", "2.2.7-FreeBSD_ge269af1b3"), ("15.0", "2.4.0-rc4-FreeBSD_g099f69ff5")]
)
def test_version(release: str, version: str) -> None:
    check(server(release), f"$ zfs version\nzfs-{version}\nzfs-kmod-{version}")


def test_golden_refusals_of_zfs() -> None:
    check(
        server(),
        """
        $ zfs create tank/jails
        $ zfs create tank/jails/web
        $ zfs create tank/jails/web
        ! cannot create 'tank/jails/web': dataset already exists
        [1]
        $ zfs snapshot tank/jails/web@a
        $ zfs destroy tank/jails/web
        ! cannot destroy 'tank/jails/web': filesystem has children
        ! use '-r' to destroy the following datasets:
        ! tank/jails/web@a
        [1]
        $ zfs set compression=lz4 tank
        $ zfs get -Hp -o property,value,source quota,compression,com.x:y tank/jails/web
        quota	0	default
        compression	lz4	inherited from tank
        com.x:y	-	-
        $ zfs holds -Hp tank/jails/web@a
        ! no datasets available
        $ zfs set compression=lz4 tank
        $ zfs list -Hp -o name tank/none tank/jails
        tank/jails
        ! cannot open 'tank/none': dataset does not exist
        [1]
        $ zfs create tank/a/b
        ! cannot create 'tank/a/b': parent does not exist
        [1]
        $ zfs create none/a
        ! cannot create 'none/a': no such pool 'none'
        [1]
        $ zfs snapshot tank/jails/web@a
        ! cannot create snapshot 'tank/jails/web@a': dataset already exists
        ! no snapshots were created
        [1]
        $ zfs snapshot tank/jails/web@b
        $ zfs rollback tank/jails/web@a
        ! cannot rollback to 'tank/jails/web@a': more recent snapshots or bookmarks exist
        ! use '-r' to force deletion of the following snapshots and bookmarks:
        ! tank/jails/web@b
        [1]
        $ zfs destroy tank/jails/web@none
        ! could not find any snapshots to destroy; check snapshot names.
        [1]
        $ zfs set mountpoint=legacy tank/jails/web
        $ zfs mount tank/jails/web
        ! cannot mount 'tank/jails/web': legacy mountpoint
        ! use mount(8) to mount this filesystem
        [1]
        $ zfs inherit quota tank/jails
        ! 'quota' property cannot be inherited
        ! use 'zfs set quota=none' to clear
        ! use 'zfs inherit -S quota' to revert to received value
        [1]
        $ zfs inherit -S quota tank/jails
        $ zfs set used=1 tank/jails
        ! cannot set property for 'tank/jails': 'used' is readonly
        [1]
        $ zfs set atime=maybe tank/jails
        ! cannot set property for 'tank/jails': 'atime' must be one of 'on | off'
        [1]
        $ zpool get -Hp health none
        ! cannot open 'none': no such pool
        [1]
        """,
    )


@pytest.mark.parametrize(
    ("release", "why"),
    [("14.3", "dataset is busy"), ("15.0", "it's being held. Run 'zfs holds -r tank@a' to see holders.")],
)
def test_a_held_snapshot(release: str, why: str) -> None:
    check(
        server(release),
        f"$ zfs snapshot tank@a\n$ zfs hold twin tank@a\n"
        f"$ zfs destroy tank@a\n! cannot destroy snapshot tank@a: {why}\n[1]",
    )


def test_holds() -> None:
    check(
        server(),
        """
        $ zfs snapshot tank@a
        $ zfs hold twin tank@a
        $ zfs hold twin tank@a
        ! cannot hold snapshot 'tank@a': tag already exists on this dataset
        [1]
        $ zfs holds -Hp tank@a
        tank@a	twin	1800000001
        $ zfs get -Hp -o value userrefs tank@a
        1
        $ zfs release other tank@a
        ! cannot release hold from snapshot 'tank@a': no such tag on this dataset
        [1]
        $ zfs release twin tank@a
        """,
    )


def test_a_dry_run_destroys_nothing() -> None:
    host = server()
    check(
        host,
        """
        $ zfs create tank/a
        $ zfs snapshot tank/a@s
        $ zfs destroy -nvp tank/a@s
        destroy	tank/a@s
        reclaim	0
        $ zfs destroy -nv -r tank/a
        would destroy tank/a@s
        would destroy tank/a
        would reclaim 0B
        $ zfs destroy -n tank/a
        ! cannot destroy 'tank/a': filesystem has children
        ! use '-r' to destroy the following datasets:
        ! tank/a@s
        [1]
        $ zfs list -Hp -t all -o name -r tank/a
        tank/a
        tank/a@s
        $ zfs get -H -o value mounted tank/a
        yes
        """,
    )


def test_what_zfs_mounts_is_mounted() -> None:
    host = server()
    check(
        host,
        """
        $ zfs create -o mountpoint=/jails/db tank/db
        $ mount -p -t zfs
        zroot/ROOT/default	/			zfs	rw		0 0
        tank			/tank			zfs	rw,nfsv4acls 	0 0
        tank/db			/jails/db		zfs	rw,nfsv4acls 	0 0
        $ umount /jails/db
        $ zfs get -H -o value mounted tank/db
        no
        $ zfs mount tank/db
        $ zfs mount tank/db
        ! cannot mount 'tank/db': filesystem already mounted
        [1]
        $ zfs set mountpoint=/jails/web tank/db
        $ zfs unmount tank/db
        ! cannot unmount '/jails/web': pool or dataset is busy
        [1]
        """,
    )
    assert host.tree.is_folder("/jails/db")


def test_a_dataset_of_a_jail() -> None:
    host = server()
    check(
        host,
        """
        $ zfs create tank/data
        $ zfs set jailed=on tank/data
        $ zfs get -H -o value,source jailed,mounted tank/data
        on	local
        no	-
        $ zfs mount tank/data
        ! cannot mount 'tank/data': dataset is exported to a local zone
        [1]
        $ zfs set mountpoint=/data tank/data
        ! cannot set property for 'tank/data': 'mountpoint' cannot be set on dataset in a non-global zone
        [1]
        $ zfs jail web tank/data
        $ zfs jail 1 tank/data
        ! cannot jail 'tank/data': dataset already exists
        [1]
        $ zfs unjail web tank/data
        $ zfs unjail web tank/data
        ! cannot unjail 'tank/data': dataset does not exist
        [1]
        $ zfs jail ghost tank/data
        ! invalid jail id or name
        ! usage:
        ! 	jail <jailid|jailname> <filesystem>
        [2]
        $ zfs jail web
        ! missing argument(s)
        ! usage:
        ! 	jail <jailid|jailname> <filesystem>
        [2]
        $ zfs jail web tank/none
        ! cannot open 'tank/none': dataset does not exist
        [1]
        $ zfs create -V 1M tank/volume
        $ zfs jail web tank/volume
        ! cannot jail 'tank/volume': volumes can not be jailed
        [1]
        $ zfs jail web tank/data
        $ zfs inherit jailed tank/data
        $ zfs get -H -o value mounted tank/data
        yes
        """,
    )
    assert host.kernel.delegated == {"tank/data": 1}
    host.kernel.remove(1)
    assert host.kernel.delegated == {}


def test_a_jail_sets_the_mountpoint_of_what_is_its_own() -> None:
    host = server()
    check(host, "$ zfs create tank/data\n$ zfs set jailed=on tank/data\n$ zfs jail web tank/data")
    with host.world.inside(1):
        check(
            host,
            "$ zfs set mountpoint=/data tank/data\n"
            "$ zfs unjail web tank/data\n! cannot unjail 'tank/data': permission denied\n[1]",
        )


def test_linux_words_are_unknown() -> None:
    check(server(), "$ zfs zone 1 tank\n! unrecognized command 'zone'\n[2]\n$ zfs set zoned=on tank\n"
                    "! cannot set property for 'tank': invalid property 'zoned'\n[1]")  # fmt: skip


def test_pools() -> None:
    host = server()
    check(
        host,
        """
        $ zpool list -Hp -o name,size,alloc,free,frag,cap,dedup,health,altroot
        tank	262144000	454656	261689344	0	0	1.00x	ONLINE	-
        $ zpool status -x
        all pools are healthy
        $ zpool status -x tank
        pool 'tank' is healthy
        $ zpool import none
        ! cannot import 'none': no such pool available
        [1]
        $ zpool import tank
        ! cannot import 'tank': a pool with that name already exists
        [1]
        $ zfs create tank/a
        $ zpool export tank
        $ mount -p -t zfs
        zroot/ROOT/default	/			zfs	rw		0 0
        $ zpool list -H -o name
        ! no pools available
        $ zpool status
        no pools available
        $ zpool list tank
        ! cannot open 'tank': no such pool
        [1]
        """,
    )
    host.zfs.last_user["tank"] = "pollux (hostid=5f3a) at Sat Nov 21 03:00:00 2026"
    check(
        host,
        """
        $ zpool import tank
        ! cannot import 'tank': pool was previously in use from another system.
        ! Last accessed by pollux (hostid=5f3a) at Sat Nov 21 03:00:00 2026
        ! The pool can be imported, use 'zpool import -f' to import the pool.
        [1]
        $ zpool import -f tank
        $ mount -p -t zfs
        zroot/ROOT/default	/			zfs	rw		0 0
        tank			/tank			zfs	rw,nfsv4acls 	0 0
        tank/a			/tank/a			zfs	rw,nfsv4acls 	0 0
        """,
    )


def taken(host: FreebsdHost, peer: FreebsdHost, source: str, target: str, *, broken: bool = False) -> str:
    """What the receiver says of a stream; the arguments of both sides are parted by blanks."""
    try:
        peer.zfs.take(target.split(), host.zfs.stream(source.split()), broken=broken)
    except Said as said:
        return said.err
    return ""


def test_what_a_receiver_says() -> None:
    host, peer = server(), FreebsdHost(number=2)
    check(host, "$ zfs create tank/web\n$ zfs snapshot tank/web@a\n$ zfs snapshot tank/web@b")
    new, increment = "cannot receive new filesystem stream: ", "cannot receive incremental stream: "
    said = taken(host, peer, "tank/web@a", "-s -u tank/web", broken=True)
    token = peer.zfs.get("tank/web", "receive_resume_token")[0]
    assert said == (
        f"{new}checksum mismatch or incomplete stream.\nPartially received snapshot is saved.\n"
        f"A resuming stream can be generated on the sending system by running:\n    zfs send -t {token}\n"
    )
    assert taken(host, peer, "tank/web@b", "-s -u tank/web") == (
        f'{new}destination tank/web contains partially-complete state from "zfs receive -s".\n'
    )
    check(peer, "$ zfs receive -A tank/web\n$ zfs receive -A tank/web\n"
                "! 'tank/web' does not have any resumable receive state to abort\n[1]")  # fmt: skip
    assert taken(host, peer, "tank/web@a", "-u tank/web", broken=True) == f"{new}incomplete stream\n"
    assert taken(host, peer, "tank/web@a", "-u tank/web") == ""
    assert taken(host, peer, "tank/web@a", "-u tank/web") == (
        f"{new}destination 'tank/web' exists\nmust specify -F to overwrite it\n"
    )
    peer.zfs.state.datasets["tank/web"].content = "changed"
    assert taken(host, peer, "-i @a tank/web@b", "-u tank/web") == (
        f"{increment}destination tank/web has been modified\nsince most recent snapshot\n"
    )
    check(peer, "$ zfs snapshot tank/web@own")
    assert taken(host, peer, "-i @a tank/web@b", "-u tank/web") == (
        f"{increment}most recent snapshot of tank/web does not\nmatch incremental source\n"
    )


def test_what_a_sender_says() -> None:
    check(
        server(),
        """
        $ zfs snapshot tank@a
        $ zfs snapshot tank@b
        $ zfs send -nP -i @none tank@b
        ! warning: cannot send 'tank@b': incremental source (tank@none) does not exist
        [1]
        $ zfs send -nP -i @b tank@a
        ! warning: cannot send 'tank@a': not an earlier snapshot from the same fs
        [1]
        $ zfs send -nP tank@none
        ! cannot open 'tank@none': dataset does not exist
        [1]
        $ zfs send -nP -i @a tank@b
        incremental	tank@a	tank@b	0
        size	0
        $ zfs send -nP -I @a tank@b
        incremental	a	tank@b	0
        size	0
        $ zfs send -nP tank@b
        full	tank@b	0
        size	0
        $ zfs send tank@b
        ! Error: Stream can not be written to a terminal.
        [1]
        $ zfs send -nP -t 1-2-3
        ! cannot resume send: 'snapshot' used in the initial send no longer exists
        [1]
        """,
    )
