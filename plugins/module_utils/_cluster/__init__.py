# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The room of Corosync: the witness, which gives the third vote, and those who ask it for one.

    model   what its tools print, as plain data
    plan    the witness' database of certificates; the QDevice of a cluster
    host    reads both, and changes them

Which packages, files and units there are is the business of modules packages, files and units.
"""
