# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every law for every case, against hosts in memory; and the laws about modules as such (law 9)."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.laws import laws

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.stem for path in (ROOT / "plugins/modules").glob("*.py") if not path.stem.startswith("_")
)
CASES = [
    case
    for path in sorted(Path(__file__).parent.glob("cases_*.py"))
    for case in importlib.import_module(f"tests.laws.{path.stem}").CASES
]


@pytest.mark.parametrize(
    ("law", "case"),
    [pytest.param(law, case, id=f"{case}-{law.__name__}") for law, case in laws.all_pairs(CASES)],
)
def test_law(law: Callable[[laws.Case], None], case: laws.Case) -> None:
    law(case)


@pytest.mark.parametrize("module", MODULES)
def test_module_documents_its_attributes(module: str) -> None:
    imported = importlib.import_module(f"{laws.MODULES}.{module}")
    fragments = yaml.safe_load(imported.DOCUMENTATION)["extends_documentation_fragment"]
    assert f"twin.datacenter.attributes{'.info' if module.endswith('_info') else ''}" in fragments


@pytest.mark.parametrize("module", MODULES)
def test_module_is_in_the_action_group(module: str) -> None:
    groups = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["action_groups"]
    assert module in groups["all"]


@pytest.mark.parametrize("module", MODULES)
def test_module_has_an_integration_test(module: str) -> None:
    tests = [
        *(ROOT / "tests/integration").glob("*.py"),
        *(ROOT / "molecule").rglob("*.py"),
        *(ROOT / "roles").rglob("*.yml"),
    ]
    assert any(module in path.read_text() for path in tests), "no integration test names this module"


@pytest.mark.parametrize("module", [name for name in MODULES if not name.endswith("_info")])
def test_converging_module_has_law_cases(module: str) -> None:
    if hasattr(importlib.import_module(f"{laws.MODULES}.{module}"), "SUBJECT"):
        assert any(case.module == module for case in CASES), "this module keeps no laws yet"
