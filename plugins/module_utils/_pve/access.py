# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the API is reached, and as whom. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core.errors import Refused
from .._core.values import parse_bool
from .schema import Field, normal

ACCESS: dict[str, Any] = {
    "api_host": {"type": "str"},
    "api_port": {"type": "int"},
    "api_user": {"type": "str"},
    "api_password": {"type": "str", "no_log": True},
    "api_token_id": {"type": "str", "no_log": False},
    "api_token_secret": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool"},
    "ca_path": {"type": "path"},
    "fingerprint": {"type": "str"},
    "api_timeout": {"type": "int"},
    "timeout": {"type": "int", "default": 600},
}
"""The options of every module of this room: plugins/doc_fragments/pve.py describes them."""
_ENVIRONMENT = {
    "api_host": "PROXMOX_HOST",
    "api_port": "PROXMOX_PORT",
    "api_user": "PROXMOX_USER",
    "api_password": "PROXMOX_PASSWORD",
    "api_token_id": "PROXMOX_TOKEN_ID",
    "api_token_secret": "PROXMOX_TOKEN_SECRET",
    "validate_certs": "PROXMOX_VALIDATE_CERTS",
    "ca_path": "PROXMOX_CA_PATH",
    "fingerprint": "PROXMOX_FINGERPRINT",
    "api_timeout": "PROXMOX_API_TIMEOUT",
}
_NUMBERS = {"api_port": Field("integer", low=1, high=65535), "api_timeout": Field("number", low=1)}
_PLACE = re.compile(
    r"(?:https://)?(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\s:/?#@\[\]]+))(?::(?P<port>\d+))?/?"
)
_SHA256 = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Access:
    """How the API is reached, and as whom.

    :param host: empty for this machine, by pvesh.
    :param verify: whether the certificate is checked, or the file of the authority to check it with.
    :param fingerprint: SHA-256 of the certificate; it counts instead of an authority.
    :param api_timeout: seconds for one request.
    :param timeout: seconds for one task of PVE.
    """

    host: str = ""
    port: int = 8006
    user: str = ""
    password: str = ""
    token_id: str = ""
    token_secret: str = ""
    verify: bool | str = True
    fingerprint: str = ""
    api_timeout: float = 60
    timeout: float = 600

    def __repr__(self) -> str:
        return f"Access({self.user}@{self.host})"


def access_of(params: Mapping[str, Any], environment: Mapping[str, str]) -> Access:
    """The options `ACCESS`, each with the variable of the environment that stands in for it.

    :raises Refused: when it is not clear as whom, or one of them is not what it should be.
    """
    given = {key: _given(params, key, environment) for key in _ENVIRONMENT}
    token = str(given["api_token_id"] or "")
    # USER!NAME, as PVE writes it, or NAME alone.
    user, _mark, name = token.rpartition("!")
    host, port = _place(str(given["api_host"] or ""))
    access = Access(
        host=host,
        port=_number("api_port", port or given["api_port"] or 8006),
        user=user or str(given["api_user"] or ""),
        password=str(given["api_password"] or ""),
        token_id=name,
        token_secret=str(given["api_token_secret"] or ""),
        verify=_verify(given),
        fingerprint=_fingerprint(str(given["fingerprint"] or "")),
        api_timeout=_number("api_timeout", given["api_timeout"] or 60),
        timeout=float(params.get("timeout") or 600),
    )
    if access.host and not access.user:
        raise Refused("access to Proxmox VE", "api_user is missing", "give it, or PROXMOX_USER")
    if access.host and bool(access.token_id) != bool(access.token_secret):
        raise Refused(
            "access to Proxmox VE", "half of the token is missing", "give api_token_id and api_token_secret"
        )
    token = access.token_id and f"{access.user}!{access.token_id}={access.token_secret}"
    if not re.fullmatch(r"[!-~]*", token):
        # Said here, for what Python says of such a header shows the secret.
        raise Refused(
            "access to Proxmox VE",
            "the token holds what no header can hold, such as a line break",
            "give api_token_id and api_token_secret as PVE showed them",
        )
    if access.host and not access.token_id and not access.password:
        raise Refused(
            "access to Proxmox VE", "neither a password nor a token is given", "give api_password, or a token"
        )
    return access


def _given(params: Mapping[str, Any], key: str, environment: Mapping[str, str]) -> Any:
    value = params.get(key)
    return environment.get(_ENVIRONMENT[key]) or None if value is None else value


def _place(host: str) -> tuple[str, str]:
    """Host and port of ``castor``, ``castor:8006``, ``[2001:db8::11]:8006`` and ``https://castor:8006/``."""
    match = _PLACE.fullmatch(host)
    if match:
        return match["v6"] or match["name"], match["port"] or ""
    try:
        return host and str(ipaddress.IPv6Address(host)), ""
    except ValueError as error:
        raise Refused("api_host", f"{host!r} is no host", "give a name or an address") from error


def _number(key: str, value: Any) -> Any:
    return normal(_NUMBERS[key], value, key)


def _fingerprint(text: str) -> str:
    """It has to be SHA-256: what checks it would take the length of a weaker one for its kind."""
    if text and not _SHA256.fullmatch(text):
        raise Refused("fingerprint", f"{text!r} is no SHA-256", "write it as the web interface shows it")
    return text


def _verify(given: Mapping[str, Any]) -> bool | str:
    if given["validate_certs"] is not None and not parse_bool(given["validate_certs"], "validate_certs"):
        return False
    return str(given["ca_path"]) if given["ca_path"] else True
