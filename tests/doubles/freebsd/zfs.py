# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""zfs(8) and zpool(8) of FreeBSD in memory: OpenZFS with jails.

Rests on the double of OpenZFS (`tests.doubles.zfs`), whose usage texts are those of Linux; here ``zone``
is ``jail`` and ``zoned`` is ``jailed``, as in cmd/zfs/zfs_main.c and module/zcommon/zfs_prop.c. 14.3 has
2.2.7, 15.0 has 2.4.0-rc. What a dataset being attached twice or not at all is answered comes from
module/os/freebsd/spl/spl_zone.c, as remembered. Not here: the JSON that 2.3 and later print (``-j``).

Its lies: a dataset need not be ``jailed`` to be attached to a jail; the attachment goes with the jail; a
jailed file system is unmounted on the host at once, and ``zfs mount`` refuses it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from ansible_collections.twin.datacenter.plugins.module_utils._core.host import Output
from tests.doubles.zfs import Dataset, Said
from tests.doubles.zfs_streams import StreamingZfs

from . import mount
from .kernel import Mount
from .world import World

VERSIONS = {14: "2.2.7-FreeBSD_ge269af1b3", 15: "2.4.0-rc4-FreeBSD_g099f69ff5"}


class FreebsdZfs(StreamingZfs):
    """The programs on a FreeBSD server. What they mount stands in the kernel's table."""

    commands: Sequence[str] = ("zfs", "zpool")
    # The JSON of newer ones is not offered, as the double has none.
    WORDS: ClassVar = (
        ("\tversion [-j]", "\tversion"),
        ("zone <nsfile> <filesystem>", "jail <jailid|jailname> <filesystem>"),
        ("\tunzone <nsfile>", "\tunjail <jailid|jailname>"),
        ("\tzoned ", "\tjailed"),
        (" [-j [--json-int]]", ""),
        ("[-j]", ""),
    )

    def __init__(self, world: World, pools: Iterable[str] = ("tank",), host_number: int = 1) -> None:
        self.world = world
        self.last_user: dict[str, str] = {}
        """Who left a pool without exporting it: ``pollux (hostid=5f3a) at Sat Nov 21 03:00:00 2026``."""
        super().__init__("openzfs-2.3", pools, host_number)
        self.put_mounts()

    def plain_state(self) -> Any:
        """All of it, to be compared."""
        return [self.state, self.partial, self.bookmarks]

    def call(self, argv: Sequence[str], stdin: str) -> Output:
        for name, dataset in self.state.datasets.items():
            dataset.mounted = any(each.source == name for each in self.world.kernel.mounts)
        try:
            return super().call([argv[0].rpartition("/")[2], *argv[1:]], stdin)
        finally:
            self.put_mounts()

    def take(self, *args: Any, **options: Any) -> None:
        super().take(*args, **options)
        self.put_mounts()

    def put_mounts(self) -> None:
        """Enter what is mounted into the kernel's table, and take out what no longer is."""
        mounts = self.world.kernel.mounts
        mounted = [name for name, each in self.state.datasets.items() if each.mounted]
        # Pools that this double does not know stay as they are: the system's own is one of them.
        mounts[:] = [
            each
            for each in mounts
            if each.kind != "zfs"
            or each.source in mounted
            or each.source.split("/")[0] not in self.state.pools
        ]
        for name in mounted:
            if not any(each.source == name for each in mounts):
                target = self.get(name, "mountpoint")[0]
                read_only = ("ro",) if self.get(name, "readonly")[0] == "on" else ()
                mounts.append(Mount(name, target, "zfs", (*read_only, "nfsv4acls")))
                self.world.files.make_folder(target)

    # -- what FreeBSD has otherwise ----------------------------------------------------------------

    def usage(self, program: str, command: str = "") -> str:
        text = super().usage(program, command)
        for linux, freebsd in self.WORDS:
            text = text.replace(linux, freebsd)
        return text.replace("\tunzone", "\tunjail")

    def zfs_version(self, args: list[str]) -> str:
        version = VERSIONS[self.world.major]
        return f"zfs-{version}\nzfs-kmod-{version}\n"

    def jailed(self, name: str) -> bool:
        """Whether it belongs to a jail, so that the host leaves it alone."""
        return self.get(name, "jailed")[0] == "on"

    def mountable(self, name: str) -> bool:
        return super().mountable(name) and not self.jailed(name)

    def parsed(self, what: str, key: str, value: str, creating: bool) -> str:
        if key == "mountpoint" and not creating:
            name = what.rpartition("'")[0].partition("'")[2]
            if name in self.state.datasets and self.jailed(name) and not self.world.jail:
                raise Said(f"{what}: 'mountpoint' cannot be set on dataset in a non-global zone\n")
        return super().parsed(what, key, value, creating)

    def set_properties(self, name: str, pairs: list[str]) -> None:
        super().set_properties(name, pairs)
        if any(pair.startswith("jailed=") for pair in pairs):
            self.follow_jailed(name)

    def zfs_inherit(self, args: list[str]) -> str:
        answer = super().zfs_inherit(args)
        if "jailed" in args:
            self.follow_jailed(args[-1])
        return answer

    def follow_jailed(self, name: str) -> None:
        """The host unmounts what is jailed now, and mounts what no longer is."""
        for each in [name, *self.descendants(name)]:
            self.state.datasets[each].mounted = self.mountable(each)

    def zfs_mount(self, args: list[str]) -> str:
        if args and args[-1] in self.state.datasets and self.jailed(args[-1]):
            raise Said(f"cannot mount '{args[-1]}': dataset is exported to a local zone\n")
        return super().zfs_mount(args)

    def unmount(self, name: str) -> None:
        point = self.get(name, "mountpoint")[0]
        for each in [*reversed(self.mounted_below(point)), name]:
            where = self.get(each, "mountpoint")[0]
            table = [one for one in self.world.kernel.mounts if one.source == each]
            foreign = [
                one
                for one in self.world.kernel.mounts
                if one.target.startswith(f"{where}/") and one.source not in self.state.datasets
            ]
            held = any(one.busy for one in table) or mount.root_of_a_jail(self.world, where)
            if each in self.state.in_use or foreign or held:
                raise Said(f"cannot unmount '{where}': pool or dataset is busy\n")
            self.state.datasets[each].mounted = False

    def zfs_destroy(self, args: list[str]) -> str:
        options, (name,) = self.options("zfs destroy", args, "rRfndpv")
        if "n" not in options:
            return super().zfs_destroy(args)
        # A dry run: the real thing on a copy, of which it is told what is gone.
        before = {*self.state.datasets, *self.state.snapshots}
        kept, mounts = copy.deepcopy(self.state), copy.deepcopy(self.world.kernel.mounts)
        try:
            super().zfs_destroy([each for each in args if each != "-n"])
            gone = sorted(before - {*self.state.datasets, *self.state.snapshots}, reverse=True)
        finally:
            self.state, self.world.kernel.mounts[:] = kept, mounts
        exact = "p" in options
        lines = [f"destroy\t{each}\n" if exact else f"would destroy {each}\n" for each in gone]
        return "".join([*lines, "reclaim\t0\n" if exact else "would reclaim 0B\n"]) if "v" in options else ""

    def drop_snapshot(self, name: str) -> None:
        if self.state.snapshots[name].holds:
            why = "dataset is busy"
            if self.world.major >= 15:
                why = f"it's being held. Run 'zfs holds -r {name}' to see holders."
            raise Said(f"cannot destroy snapshot {name}: {why}\n")
        super().drop_snapshot(name)

    # -- pools that come and go --------------------------------------------------------------------

    def zpool_export(self, args: list[str]) -> str:
        options, (name,) = self.options("zpool export", args, "af")
        self.pool(name)
        for each in reversed([name, *self.descendants(name)]):
            if self.state.datasets[each].mounted and "f" not in options:
                self.unmount(each)
            self.state.datasets[each].mounted = False
        self.state.pools[name].exported = True
        return ""

    def zpool_import(self, args: list[str]) -> str:
        options, names = self.options("zpool import", args, "aD:d:fNo:R:")
        away = sorted(name for name, pool in self.state.pools.items() if pool.exported)
        if not names and "a" not in options:
            if not away:
                raise Said("no pools available to import\n", 1)
            return "".join(f"   pool: {name}\n     id: 1\n  state: ONLINE\n" for name in away)
        for name in names or away:
            if name in self.state.pools and name not in away:
                raise Said(f"cannot import '{name}': a pool with that name already exists\n")
            if name not in away:
                raise Said(f"cannot import '{name}': no such pool available\n")
            if self.last_user.get(name) and "f" not in options:
                raise Said(
                    f"cannot import '{name}': pool was previously in use from another system.\n"
                    f"Last accessed by {self.last_user[name]}\n"
                    "The pool can be imported, use 'zpool import -f' to import the pool.\n"
                )
            self.state.pools[name].exported = False
            if "N" not in options:
                for each in [name, *self.descendants(name)]:
                    self.state.datasets[each].mounted = self.mountable(each)
        return ""

    # -- jails -------------------------------------------------------------------------------------

    def zfs_jail(self, args: list[str]) -> str:
        jid, name = self.jail_and_dataset("jail", args)
        if self.world.kernel.delegated.get(name) == jid:
            raise Said(f"cannot jail '{name}': dataset already exists\n")
        self.world.kernel.delegated[name] = jid
        return ""

    def zfs_unjail(self, args: list[str]) -> str:
        jid, name = self.jail_and_dataset("unjail", args)
        if self.world.kernel.delegated.get(name) != jid:
            raise Said(f"cannot unjail '{name}': dataset does not exist\n")
        del self.world.kernel.delegated[name]
        return ""

    def jail_and_dataset(self, verb: str, args: list[str]) -> tuple[int, str]:
        """What ``zfs jail`` and ``zfs unjail`` are about."""
        if len(args) != 2:
            problem = "missing argument(s)" if len(args) < 2 else "too many arguments"
            raise Said(f"{problem}\nusage:\n\t{verb} <jailid|jailname> <filesystem>\n", 2)
        key, name = args
        jail = self.world.kernel.find(key)
        if jail is None:
            raise Said(f"invalid jail id or name\nusage:\n\t{verb} <jailid|jailname> <filesystem>\n", 2)
        if name in self.state.snapshots:
            raise Said(f"cannot {verb} '{name}': snapshots can not be jailed\n")
        dataset: Dataset = self.existing(name)
        if dataset.kind == "volume":
            raise Said(f"cannot {verb} '{name}': volumes can not be jailed\n")
        if self.world.jail:
            raise Said(f"cannot {verb} '{name}': permission denied\n")
        return jail.jid, name


def zfs(world: World, argv: Sequence[str], stdin: str) -> Output:
    """Both programs."""
    assert isinstance(world.zfs, FreebsdZfs)
    return world.zfs.call(argv, stdin)


PROGRAMS = {"zfs": zfs, "zpool": zfs}
