# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parameters of calls. Written by tests.gates.pve_tables out of the schema of PVE 9.2.

UPDATE: PUT /cluster/options
"""

from __future__ import annotations

from ..schema import Field

BWLIMIT = {
    "clone": Field("number", low=0),
    "default": Field("number", low=0),
    "migration": Field("number", low=0),
    "move": Field("number", low=0),
    "restore": Field("number", low=0),
}
CRS = {
    "ha": Field(choices=("basic", "static", "dynamic"), default="basic"),
    "ha-auto-rebalance": Field("boolean", default=False),
    "ha-auto-rebalance-hold-duration": Field("number", low=0, default=3, requires="ha-auto-rebalance"),
    "ha-auto-rebalance-margin": Field("number", low=0, high=100, default=10, requires="ha-auto-rebalance"),
    "ha-auto-rebalance-method": Field(
        choices=("bruteforce", "topsis"), default="bruteforce", requires="ha-auto-rebalance"
    ),
    "ha-auto-rebalance-threshold": Field("number", low=0, high=100, default=30, requires="ha-auto-rebalance"),
    "ha-rebalance-on-start": Field("boolean", default=False),
}
HA = {
    "shutdown_policy": Field(
        choices=("freeze", "failover", "conditional", "migrate"), default="conditional", required=True
    ),
}
LOCATION = {
    "latitude": Field("number", low=-90, high=90, required=True),
    "longitude": Field("number", low=-180, high=180, required=True),
    "name": Field(longest=128),
}
MIGRATION = {
    "type": Field(choices=("secure", "insecure"), default="secure", required=True, bare=True),
    "network": Field(format="CIDR"),
}
NEXT_ID = {
    "lower": Field("integer", default=100),
    "upper": Field("integer", default=1000000),
}
NOTIFY = {
    "fencing": Field(choices=("always", "never")),
    "package-updates": Field(choices=("auto", "always", "never"), default="auto"),
    "replication": Field(choices=("always", "never")),
    "target-fencing": Field(),
    "target-package-updates": Field(),
    "target-replication": Field(),
}
TAG_STYLE = {
    "case-sensitive": Field("boolean", default=False),
    "color-map": Field(
        pattern="(?:(?i:[a-z0-9_][a-z0-9_\\-\\+\\.]*):[0-9a-fA-F]{6}(?::[0-9a-fA-F]{6})?)(?:;(?:(?i:"
        "[a-z0-9_][a-z0-9_\\-\\+\\.]*):[0-9a-fA-F]{6}(?::[0-9a-fA-F]{6})?))*",
        separated=True,
    ),
    "ordering": Field(choices=("config", "alphabetical"), default="alphabetical"),
    "shape": Field(choices=("full", "circle", "dense", "none"), default="circle"),
}
U2F = {
    "appid": Field(),
    "origin": Field(),
}
USER_TAG_ACCESS = {
    "user-allow": Field(choices=("none", "list", "existing", "free"), default="free"),
    "user-allow-list": Field(
        pattern="(?i:[a-z0-9_][a-z0-9_\\-\\+\\.]*)(?:;(?i:[a-z0-9_][a-z0-9_\\-\\+\\.]*))*", separated=True
    ),
}
WEBAUTHN = {
    "allow-subdomains": Field("boolean", default=True),
    "id": Field(),
    "origin": Field(),
    "rp": Field(),
}
UPDATE = {
    "bwlimit": Field(parts=BWLIMIT),
    "consent-text": Field(longest=65536),
    "console": Field(choices=("applet", "vv", "html5", "xtermjs")),
    "crs": Field(parts=CRS),
    "description": Field(longest=65536),
    "email_from": Field(format="email-opt"),
    "fencing": Field(choices=("watchdog", "hardware", "both"), default="watchdog"),
    "ha": Field(parts=HA),
    "http_proxy": Field(pattern="http://.*"),
    "keyboard": Field(
        choices=(
            "de",
            "de-ch",
            "da",
            "en-gb",
            "en-us",
            "es",
            "fi",
            "fr",
            "fr-be",
            "fr-ca",
            "fr-ch",
            "hu",
            "is",
            "it",
            "ja",
            "lt",
            "mk",
            "nl",
            "no",
            "pl",
            "pt",
            "pt-br",
            "sv",
            "sl",
            "tr",
        )
    ),
    "language": Field(
        choices=(
            "ar",
            "ca",
            "da",
            "de",
            "en",
            "es",
            "eu",
            "fa",
            "fr",
            "hr",
            "he",
            "it",
            "ja",
            "ka",
            "kr",
            "nb",
            "nl",
            "nn",
            "pl",
            "pt_BR",
            "ru",
            "sl",
            "sv",
            "tr",
            "ukr",
            "zh_CN",
            "zh_TW",
        )
    ),
    "location": Field(parts=LOCATION),
    "mac_prefix": Field(format="mac-prefix"),
    "max_workers": Field("integer", low=1),
    "migration": Field(parts=MIGRATION),
    "migration_unsecure": Field("boolean"),
    "next-id": Field(parts=NEXT_ID),
    "notify": Field(parts=NOTIFY),
    "registered-tags": Field(
        pattern="(?:(?i:[a-z0-9_][a-z0-9_\\-\\+\\.]*);)*(?i:[a-z0-9_][a-z0-9_\\-\\+\\.]*)", separated=True
    ),
    "replication": Field(parts=MIGRATION),
    "tag-style": Field(parts=TAG_STYLE),
    "u2f": Field(parts=U2F),
    "user-tag-access": Field(parts=USER_TAG_ACCESS),
    "webauthn": Field(parts=WEBAUTHN),
}
