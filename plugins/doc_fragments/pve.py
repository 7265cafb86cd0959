# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How Proxmox VE is reached: the options that every module for it has."""

from __future__ import annotations

import yaml


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  api_host:
    description:
      - Name or address of any node of the cluster.
      - Without it the module runs on a node itself and uses pvesh(1) as root, without credentials.
      - If it is not given, E(PROXMOX_HOST) is used where the module runs. The same holds for the following;
        their names in the environment are those of community.proxmox.
    type: str
  api_port:
    description: Port of the API, by default 8006. Or E(PROXMOX_PORT).
    type: int
  api_user:
    description: User with realm, such as V(root@pam). Or E(PROXMOX_USER).
    type: str
  api_password:
    description: Password of the user. Or E(PROXMOX_PASSWORD). A user with a second factor needs a token.
    type: str
  api_token_id:
    description:
      - Name of an API token of the user, such as V(ansible), or with its user, such as V(root@pam!ansible).
      - Or E(PROXMOX_TOKEN_ID).
    type: str
  api_token_secret:
    description: Secret of the API token. Or E(PROXMOX_TOKEN_SECRET).
    type: str
  validate_certs:
    description:
      - Whether the certificate of the API is checked, by default V(true).
      - Or E(PROXMOX_VALIDATE_CERTS).
    type: bool
  ca_path:
    description:
      - File of the authority which the certificate is checked with, such as a copy of
        C(/etc/pve/pve-root-ca.pem).
      - Or E(PROXMOX_CA_PATH).
    type: path
  fingerprint:
    description:
      - SHA-256 of the certificate, as the web interface shows it; it takes the place of an authority.
      - Or E(PROXMOX_FINGERPRINT).
    type: str
  api_timeout:
    description:
      - Seconds for the answer to one request, by default 60. PVE itself waits 10 seconds for locks.
      - Or E(PROXMOX_API_TIMEOUT).
    type: int
  timeout:
    description: Seconds for each task of Proxmox VE; then it is told to stop, and the module fails.
    type: int
    default: 600
requirements:
  - proxmoxer and requests where the module runs, if O(api_host) is used
"""

    # For a plugin that reads alone, which says itself whom it asks. Annotated, because the yamllint of
    # ansible-test takes every plain assignment for a literal.
    READER: str = yaml.safe_dump(
        {
            "options": {
                name: option
                for name, option in yaml.safe_load(DOCUMENTATION)["options"].items()
                if name not in ("api_host", "timeout")
            }
        }
    )
