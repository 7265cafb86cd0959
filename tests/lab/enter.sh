#!/bin/sh
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# enter.sh GROUP PID HOSTS CMD… : run CMD on the control node, which is this machine's own file system in the network
# of the lab whose first process is PID, with the lab's names in /etc/hosts, as a member of the lab's control group.
set -eu
echo $$ >"$1/control/cgroup.procs"
network=/proc/$2/ns/net hosts=$3
# Labs have equal addresses: Ansible would take a connection that it keeps to one lab's castor for another's.
export ANSIBLE_SSH_CONTROL_PATH_DIR="${hosts%/*}/ssh"
shift 3
# shellcheck disable=SC2016 # the inner shell expands these
exec nsenter --net="$network" unshare --mount sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$hosts" "$@"
