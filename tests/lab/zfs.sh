#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Put the modules of OpenZFS into the root file system ($1) of virtual machines: Debian's zfs-dkms, of the version
# whose commands are there, compiled for the kernel that is there. They are kept below $CACHE under both versions, for
# they take minutes. Run by mmdebstrap, in a mount namespace that ends with it, and before finish.sh, which takes
# the lists of the mirror's packages away.
set -eu
root=$1
kernel=$(ls "$root/lib/modules")
version=$(dpkg-query --admindir="$root/var/lib/dpkg" --show --showformat='${Version}' zfsutils-linux)
kept=$CACHE/modules-$version-$kernel

compile() {
    # The compiler lives in a layer that nobody sees later.
    layer=$root.compiler
    mkdir "$layer" "$layer/upper" "$layer/work" "$layer/root"
    mount -t overlay overlay -o "lowerdir=$root,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
    for folder in dev proc; do mount --rbind "/$folder" "$layer/root/$folder"; done
    chroot "$layer/root" apt-get -qq --no-install-recommends install gcc libc6-dev linux-headers-amd64 make >/dev/null
    # shellcheck disable=SC2016 # the inner shell expands these
    chroot "$layer/root" sh -ec '
        apt-get -qq -o APT::Sandbox::User=root download "zfs-dkms=$0"
        dpkg-deb --extract zfs-dkms_* /' "$version"
    # No debug information, which nobody reads here and which doubles the time: without `vmlinux` none is wanted.
    rm -f "$layer"/root/usr/src/linux-headers-*/vmlinux
    echo "compiling zfs-dkms $version for $kernel"
    # shellcheck disable=SC2016 # the inner shell expands these
    KCFLAGS=-g0 chroot "$layer/root" sh -ec '
        cd /usr/src/zfs-*
        ./configure --quiet --disable-dependency-tracking --with-config=kernel \
            --with-linux="/lib/modules/$0/source" --with-linux-obj="/lib/modules/$0/build"
        make --quiet -C module -j"$(nproc)"
        strip --strip-debug module/spl.ko module/zfs.ko' "$kernel"
    rm -rf "$kept.part"
    mkdir -p "$kept.part"
    cp "$layer"/root/usr/src/zfs-*/module/spl.ko "$layer"/root/usr/src/zfs-*/module/zfs.ko "$kept.part"
    mv "$kept.part" "$kept"
    umount --lazy "$layer/root"
    rm -rf "$layer"
}

[ -d "$kept" ] || compile
mkdir "$root/lib/modules/$kernel/updates"
cp "$kept"/*.ko "$root/lib/modules/$kernel/updates"
chroot "$root" depmod "$kernel"
