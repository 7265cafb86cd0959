#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: pve_qemu
short_description: Virtual machines of Proxmox VE
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Brings any number of virtual machines of a cluster to what is declared, wherever they run. They are made,
    changed, grown, moved, started, stopped and removed.
  - Of each declared key three values are compared. These are the declared one, the one in the configuration
    (with what waits for a start), and the one with which the virtual machine runs. All keys that differ are
    changed by one request. What Proxmox VE does not take in flight asks for a restart, which is made, or
    left to the next one (O(guests[].apply)).
  - Values are compared by meaning. Keys that are not declared are left alone. Nothing is removed by
    omission.
  - A change names the digest of the configuration that was read. When somebody else has changed that in the
    meantime, the module fails and nothing is overwritten.
  - Interrupted at any point, a second run finishes the work. A creation that is still at work is waited for.
  - One on a node that is not up is left as it is, and said to be owed; the others are brought about. Its
    removal is refused.
  - "It needs these privileges, on C(/vms/VMID) or the pool where nothing else is said: C(VM.Audit) to see
    one; C(VM.Allocate) to make, remove, convert one; C(VM.Clone) on what is cloned;
    C(VM.Config.Disk), C(VM.Config.CPU), C(VM.Config.Memory), C(VM.Config.Network), C(VM.Config.Options),
    C(VM.Config.HWType), C(VM.Config.CDROM), C(VM.Config.Cloudinit) for
    the keys of these kinds; C(VM.PowerMgmt) to start and stop; C(VM.Migrate) to move;
    C(VM.Snapshot) for snapshots; C(VM.Backup) to make one from a backup;
    C(VM.Replicate) to remove one that is replicated; C(Datastore.AllocateSpace) on
    C(/storage/NAME) for disks, C(Datastore.Audit) there for images; C(SDN.Use) on
    C(/sdn/zones/localnetwork/BRIDGE) for cards; C(Mapping.Use) on C(/mapping/pci/NAME) or
    C(/mapping/usb/NAME) for devices by their mappings."
  - Only root with a password, never a token, can set C(args) and devices of the node that have no mapping.
    Proxmox VE says so when it is tried.
  - What changes of cloud-init is seen inside when the machine starts the next time.
extends_documentation_fragment:
  - twin.datacenter.attributes
  - twin.datacenter.destroy
  - twin.datacenter.pve
options:
  guests:
    description: The virtual machines.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - Its name. It is found by it, unless O(guests[].vmid) is given.
          - A name which two guests of the cluster have is refused.
        type: str
      vmid:
        description:
          - Its number. With O(guests[].name) too, the virtual machine of this number gets that name.
          - A new one without gets the next free number.
        type: int
      state:
        description:
          - V(present) leaves it running or not as it is. V(started) runs it.
          - V(stopped) asks its system to halt, and ends it after O(guests[].timeout).
          - V(restarted) restarts it in every run.
          - V(template) makes a template of it, from which others are cloned and which never runs again.
          - V(absent) stops and removes it with its disks, and takes it out of backup jobs and high
            availability. Its name must stand in O(allow_destroy).
          - The copies that its replication jobs have made go first, by the next run of these jobs, which is
            waited for. One that has copies on a node that is not up is refused.
        type: str
        choices: [present, started, stopped, restarted, template, absent]
        default: started
      node:
        description:
          - The node on which it is. A new one needs it, or O(guests[].source.node).
          - One that is elsewhere is moved here; how, says O(guests[].live).
          - Without it, it stays where it is.
        type: str
      source:
        description: What a new one is made from. It plays no part afterwards.
        type: dict
        suboptions:
          clone:
            description:
              - Name or number of a virtual machine, of a template above all.
              - Where several nodes have one of that name, that on O(guests[].node) is taken.
            type: str
          backup:
            description: Volume of a backup.
            type: str
          full:
            description:
              - Whether a clone has disks of its own, or shares what it does not change with a template.
              - By default those of a template share.
            type: bool
          snapshot:
            description: The snapshot of which it is a clone.
            type: str
          storage:
            description: Storage of its disks, where they do not say otherwise.
            type: str
          pool:
            description:
              - Pool which it is put into when it is made. Who may make guests in a pool alone needs this.
            type: str
          node:
            description:
              - The node on which it is made, in place of O(guests[].node), for one that others may move.
            type: str
      config:
        description:
          - Keys of its configuration, see qm.conf(5), each with a value. V(null) removes one.
          - Of a value with parts, such as C(net0), a mapping changes those which it names, and V(null)
            removes one. A text is all of the value.
          - MAC addresses that are not declared are chosen by Proxmox VE and kept.
          - C(sshkeys) are written as they are, one key on a line.
        type: dict
        default: {}
      disks:
        description:
          - Its disks by their keys, such as C(scsi0), C(efidisk0) and C(ide2), each a mapping.
          - C(storage) is where the disk lies; a disk which lies elsewhere is moved.
          - C(size), such as V(8G). A disk grows and is never made smaller.
          - C(volume) in place of both takes a volume. V(cloudinit) makes a drive for cloud-init, V(none) is
            an empty drive.
          - C(image) is a volume from which a new disk is filled, such as V(local:import/debian-13.qcow2).
          - C(state) is V(present), V(detached) (the volume is kept as unused disk), or V(absent) (with its
            data; V(NAME/KEY) must stand in O(allow_destroy)). V(null) detaches.
          - All other keys are parts of its value in qm.conf(5), such as C(discard), C(iothread) and C(media).
        type: dict
        default: {}
      secrets:
        description:
          - The key C(cipassword), the password that cloud-init sets.
          - It is written when there is none, and again with O(update_secrets=true).
          - A clone whose source has one gets its own right after it was made. If the run is interrupted in
            between, it has that of its source until O(update_secrets=true).
        type: dict
      snapshots:
        description: Snapshots that it has, and series of them. Others are left alone.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of one snapshot. Either this or O(guests[].snapshots[].prefix) is required.
            type: str
          prefix:
            description:
              - What the names of a series begin with; the time in UTC follows, such as
                V(auto-20261120T181500Z).
            type: str
          state:
            description:
              - Whether the named snapshot is there. To remove it, V(NAME@SNAPSHOT) must stand in
                O(allow_destroy).
            type: str
            choices: [present, absent]
            default: present
          description:
            description: What a new one is for.
            type: str
          every:
            description:
              - How old the newest of a series may be, such as V(1h); a new one is made when it is that old.
              - Without it no snapshot of a series is made.
            type: str
          keep:
            description: How many of a series are kept; older ones are removed.
            type: int
          memory:
            description: Whether a new one holds the memory of a machine that runs.
            type: bool
            default: false
      live:
        description:
          - Whether a machine that runs is moved while it runs, with its disks.
          - Else it is stopped for that and started again.
        type: bool
        default: true
      target_storage:
        description: Storage on the other node to which its disks are moved. By default those of equal names.
        type: str
      apply:
        description:
          - When a change that needs a restart is to count.
          - With V(next_boot) the plan says what is owed.
        type: str
        choices: [now, next_boot]
        default: now
      timeout:
        description:
          - How long its system may take to halt before it is ended, in seconds. It must be less than the time
            of a task, O(timeout).
        type: int
        default: 60
  update_secrets:
    description: Whether to write secrets which are there already.
    type: bool
    default: false
  purge:
    description:
      - Whether to remove the virtual machines in O(scope) that are not listed, with their disks.
      - Without it nothing is ever deleted by omission.
    type: bool
    default: false
  scope:
    description: A pattern of names, such as V(test-*), that O(purge) keeps to. Required with O(purge=true).
    type: str
seealso:
  - module: twin.datacenter.pve_lxc
  - module: twin.datacenter.pve_pool
"""

EXAMPLES = r"""
- name: A virtual machine out of a cloud image, with cloud-init and its size, in one task
  twin.datacenter.pve_qemu:
    api_host: castor.example.org
    api_user: ansible@pve
    api_token_id: guests
    api_token_secret: "{{ vault_pve_token }}"
    guests:
      - name: web
        node: castor
        source: {storage: local-zfs}
        config:
          ostype: l26
          cores: 2
          memory: 2048
          scsihw: virtio-scsi-single
          net0: {model: virtio, bridge: vmbr0}
          ipconfig0: {ip: 192.0.2.31/24, gw: 192.0.2.1}
          sshkeys: "{{ lookup('file', 'admins.pub') }}"
          serial0: socket
          boot: order=scsi0
        disks:
          scsi0: {image: "local:import/debian-13.qcow2", size: 20G, discard: "on", iothread: true}
          ide2: {volume: cloudinit}

- name: A linked clone of a template, with more memory and a larger disk
  twin.datacenter.pve_qemu:
    guests:
      - name: web2
        node: pollux
        source: {clone: debian-13}
        config: {memory: 4096}
        disks:
          scsi0: {size: 40G}

- name: Remove a disk with its data
  twin.datacenter.pve_qemu:
    guests:
      - name: web
        disks:
          scsi1: {state: absent}
    allow_destroy: [web/scsi1]
"""

RETURN = r"""
plan:
  description: What was done, or would be done, in order. What waits for a restart, or for a node that is not
    up, is marked as owed.
  type: list
  elements: str
  returned: success
  sample: ["change virtual machine web: memory (current from 1024 to 2048)"]
measured:
  description:
    - Of each step that was a task of Proxmox VE, its name there (C(upid)), and what it warned of.
    - Of each virtual machine that did not restart when it was asked to, that it was ended.
  type: list
  elements: dict
  returned: when there were tasks
  sample: [{key: web, upid: "UPID:castor:00000929:0004DAC2:6B0069AA:qmstart:300:root@pam:"}]
"""

from functools import partial

from ansible_collections.twin.datacenter.plugins.module_utils._core.module import (
    ALLOW_DESTROY,
    PURGE,
    Subject,
    converge,
)
from ansible_collections.twin.datacenter.plugins.module_utils._pve.access import ACCESS
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest import guest_options, wanted_of
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_host import apply, read
from ansible_collections.twin.datacenter.plugins.module_utils._pve.guest_plan import plan_guests, touched
from ansible_collections.twin.datacenter.plugins.module_utils._pve.host import pve_host
from ansible_collections.twin.datacenter.plugins.module_utils._pve.qemu import QEMU

OPTIONS = {
    **guest_options(
        guest={"live": {"type": "bool", "default": True}},
        source={},
        snapshot={"memory": {"type": "bool", "default": False}},
    ),
    "update_secrets": {"type": "bool", "default": False, "no_log": False},
    **ALLOW_DESTROY,
    **PURGE,
    **ACCESS,
}
SUBJECT = Subject(
    OPTIONS,
    partial(wanted_of, QEMU),
    read,
    plan_guests,
    partial(apply, QEMU),
    host=pve_host,
    narrow=touched,
)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
