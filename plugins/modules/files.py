#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: files
short_description: Write all files of a role in one call
version_added: 0.1.0
author: twin.datacenter contributors (@twin-datacenter)
description:
  - Brings files and folders about, however many, by one look at the host, and then tells the units
    of systemd, or the services of FreeBSD, that must hear of a change.
  - Texts may come from templates, which are rendered on the control node.
  - A file is replaced at once, so that a power cut leaves the old text or the new one.
  - A unit that must be told is remembered in C(/var/run/twin/owed) until it was, so a run that was cut
    off is made good by the next one.
  - Whenever a file below C(/etc/systemd/system) changes, systemd is made to read its units again.
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path.
        type: str
        required: true
      state:
        description:
          - V(file) is a file with this content, V(directory) a folder, V(absent) no file.
          - Folders are never removed.
        type: str
        choices: [file, directory, absent]
        default: file
      content:
        description: The whole text.
        type: str
      template:
        description:
          - Name of a template on the control node that gives the whole text.
          - Looked for where M(ansible.builtin.template) would look.
        type: str
      secret:
        description: The whole text, never shown in any plan, difference or error.
        type: str
      block:
        description:
          - Text that is kept between two marker lines of this collection, the rest of the file is
            left alone.
          - An empty text takes the block out again.
        type: str
      first:
        description:
          - Whether a O(files[].block) that is not there yet comes before the rest of the file, not after it.
          - For files in which the first value counts, such as C(/etc/ssh/sshd_config).
        type: bool
        default: false
      lines:
        description:
          - Lines that must stand in the file, wherever; those that are missing are added at its end.
          - For files that other tools sort or rewrite, such as C(/etc/subuid).
        type: list
        elements: str
      mode:
        description:
          - Permission bits in octal, as a string.
          - Without it those of an existing file are kept, and a new one gets 0644 (a folder 0755).
        type: str
      owner:
        description: Name of the owner. Without it that of an existing file is kept.
        type: str
      group:
        description: Name of the group. Without it that of an existing file is kept.
        type: str
      validate:
        description:
          - A command that judges the new text before anything is touched, in check mode too.
          - It reads the text from its standard input, whose name stands for C(%s).
        type: list
        elements: str
        default: []
      restart:
        description: Units that are restarted after the file has changed, if they run.
        type: list
        elements: str
        default: []
      reload:
        description: Units that are reloaded after the file has changed, if they run.
        type: list
        elements: str
        default: []
extends_documentation_fragment:
  - twin.datacenter.attributes
"""

EXAMPLES = r"""
- name: Files of the time service
  twin.datacenter.files:
    files:
      - path: /etc/chrony/conf.d/twin.conf
        template: chrony.conf.j2
        restart: [chrony.service]
      - path: /etc/sudoers.d/twin
        content: "%operators ALL=(ALL:ALL) ALL\n"
        mode: '0440'
        validate: [visudo, -cf, '%s']
      - path: /etc/hosts
        block: 192.0.2.11 castor.lab.example.org castor
"""

RETURN = r"""
plan:
  description: What was done, or would be done in check mode, in order.
  returned: success
  type: list
  elements: str
  sample:
    - change /etc/chrony/conf.d/twin.conf
    - restart chrony.service if it runs
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.twin.datacenter.plugins.module_utils._core.errors import Refused
from ansible_collections.twin.datacenter.plugins.module_utils._core.module import Subject, converge
from ansible_collections.twin.datacenter.plugins.module_utils._system.files import (
    File,
    parse_files,
    plan_files,
)
from ansible_collections.twin.datacenter.plugins.module_utils._system.host import (
    apply_file,
    read_files,
)

UNITS = {"type": "list", "elements": "str", "default": []}
OPTIONS = {
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "path": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
            "content": {"type": "str"},
            "template": {"type": "str"},
            "secret": {"type": "str", "no_log": True},
            "block": {"type": "str"},
            "first": {"type": "bool", "default": False},
            "lines": {"type": "list", "elements": "str"},
            "mode": {"type": "str"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "validate": {"type": "list", "elements": "str", "default": []},
            "restart": UNITS,
            "reload": UNITS,
        },
    },
}


def wanted(params: Mapping[str, Any]) -> tuple[File, ...]:
    """The options; templates were rendered by the action plugin of the same name."""
    unrendered = [item["path"] for item in params["files"] if item.get("template")]
    if unrendered:
        raise Refused(
            f"template of {', '.join(unrendered)}",
            "it was not rendered",
            "call twin.datacenter.files from a playbook, templates live on the control node",
        )
    return parse_files(params["files"])


SUBJECT = Subject(OPTIONS, wanted, read_files, plan_files, apply_file)


def main() -> None:
    converge(SUBJECT)


if __name__ == "__main__":
    main()
