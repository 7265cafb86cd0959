# SPDX-FileCopyrightText: 2026 twin.datacenter contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# `make` alone lists what there is. Everything here sets up what it needs by itself.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

TREE := $(shell tests/gates/tree)
COLLECTION := $(TREE)/ansible_collections/twin/datacenter
STAGE := python3 tests/gates/stage.py
LAB := python3 -m tests.lab
SCENARIOS := server access witness pair machine replication migration

export ANSIBLE_COLLECTIONS_PATH := $(TREE)
export PYTHONPATH := $(TREE)
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/pycache
export PATH := $(CURDIR)/build/venv/bin:$(PATH)
# Ansible refuses to run in a locale that is not UTF-8, and what it writes down does not belong into a home folder.
export LC_ALL := C.UTF-8
export ANSIBLE_HOME := $(CURDIR)/build/ansible

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 16

##### What people come for

.PHONY: demo
demo: venv ## two servers, a witness, machines on them, one moves; PLATFORM=freebsd shows jails, PLATFORM=proxmox a cluster
	python3 -m tests.demo $(PLATFORM)

.PHONY: test
test: venv ## every test; the exit status is the verdict
	@rm -rf build/coverage
	@$(MAKE) -j2 stage-lint stage-unit stage-sanity stage-fire stage-fire-freebsd stage-playbooks stage-playbooks-freebsd stage-playbooks-proxmox stage-freebsd stage-proxmox stage-integration stage-molecule stage-molecule-freebsd
	@$(MAKE) stage-coverage
	@$(MAKE) down

.PHONY: test-vm
test-vm: venv ## what it takes servers with kernels of their own to show; the exit status is the verdict
	@$(MAKE) -j2 stage-vm-lab stage-vm-kernel
	@$(MAKE) down

# The job slots of make cannot be handed through the stage, so the make inside counts its own.
stage-%:
	@$(STAGE) $* env MAKEFLAGS= $(MAKE) --no-print-directory $*

##### The gates that need no host

.PHONY: lint
lint: ruff mypy yaml ansible-lint shellcheck reuse changelog documentation artifact ## style, types, licences, documentation, the built collection

.PHONY: ruff mypy yaml ansible-lint shellcheck reuse changelog documentation artifact
ruff: venv
	ruff check --output-format concise

# Under the name that the code has on a host: relative imports and `ansible_collections.twin.datacenter` are one package.
mypy: venv
	MYPYPATH=$(TREE) mypy -p ansible_collections.twin.datacenter.plugins | sed "s#^.*/ansible_collections/twin/datacenter/##"
	mypy tests/lab tests/gates

yaml: venv
	yamllint --strict .

ansible-lint: venv
	ansible-lint --nocolor

shellcheck: venv
	git ls-files -z -co --exclude-standard | xargs -0 awk 'FNR == 1 && /^#!.*sh$$/ {print FILENAME}' | xargs shellcheck

reuse: venv
	reuse lint --quiet || reuse lint --lines

changelog: venv
	antsibull-changelog lint

documentation: venv
	antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs=all .

artifact: venv
	python3 tests/gates/artifact.py

.PHONY: unit
unit: venv ## tests that need no host: unit tests and the laws
	coverage run --data-file=build/coverage/data.unit -m pytest

.PHONY: fidelity
fidelity: venv ## the double of Proxmox VE against recorded exchanges; RECORDINGS=FOLDER takes others than ours
	python3 -m tests.doubles.pve.fidelity $(RECORDINGS)

.PHONY: sanity
sanity: venv ## ansible-test sanity
	python3 tests/gates/sanity.py

##### The gates that need a lab. Each has its own, so that they can run side by side

FIRE := tests/integration/test_move_under_fire.py
PLAYBOOKS := tests/integration/test_playbooks.py
PLAYBOOKS_FREEBSD := tests/integration/test_playbooks_freebsd.py
PLAYBOOKS_PROXMOX := tests/integration/test_playbooks_proxmox.py
FREEBSD := $(filter-out $(PLAYBOOKS_FREEBSD),$(wildcard tests/integration/test_*freebsd*.py)) tests/integration/test_jail.py
PROXMOX := $(filter-out $(PLAYBOOKS_PROXMOX),$(wildcard tests/integration/test_*proxmox*.py))
ON_BOTH := tests/integration/test_connection_machine.py tests/integration/test_machine_image.py
PYTEST = coverage run --data-file=build/coverage/data.$@ -m pytest

# The lab of virtual machines has a name of its own: both may be up.
KIND = container
export TWIN_LAB_KIND = $(KIND)
export TWIN_LAB = $(if $(filter vm,$(KIND)),vm,lab)

.PHONY: lab
lab: venv ## bring the lab up: castor, pollux and witness; KIND=vm gives the servers kernels of their own
	$(LAB) up --name $(TWIN_LAB)

.PHONY: down
down: ## take every lab down that is made here
	$(LAB) down
	$(LAB) down --name vm
	$(LAB) down --name molecule
	$(LAB) down --name molecule-freebsd
	$(LAB) down --name freebsd
	$(LAB) down --name proxmox
	$(LAB) down --name nodes

.PHONY: fire
fire: venv ## the move, killed, cut and powered off at every step
	$(PYTEST) $(FIRE)

.PHONY: fire-freebsd
fire-freebsd: export TWIN_LAB_FREEBSD = 14.3
fire-freebsd: venv ## the same with a jail, on servers that behave as FreeBSD
	$(PYTEST) $(FIRE)

.PHONY: playbooks
playbooks: venv ## the playbooks as people run them
	$(PYTEST) $(PLAYBOOKS)

.PHONY: playbooks-freebsd
playbooks-freebsd: venv ## the same with five jails, on servers that behave as FreeBSD
	$(PYTEST) $(PLAYBOOKS_FREEBSD)

.PHONY: playbooks-proxmox
playbooks-proxmox: venv ## the same from bare Debian to a cluster of Proxmox VE with four guests
	$(PYTEST) $(PLAYBOOKS_PROXMOX)

.PHONY: integration
integration: lab ## modules and plugins on the lab, and the lab itself
	$(LAB) run -- $(PYTEST) tests/integration $(addprefix --ignore=,$(FIRE) $(PLAYBOOKS) $(PLAYBOOKS_FREEBSD) $(PLAYBOOKS_PROXMOX) $(FREEBSD) $(PROXMOX))
	pytest tests/lab

# Its name is known to the lab of every tool that a test starts.
freebsd: export TWIN_LAB = freebsd
.PHONY: freebsd
freebsd: venv ## what runs on FreeBSD, on servers that behave as 14.3
	$(LAB) up --name $(TWIN_LAB) --freebsd 14.3
	$(LAB) run --name $(TWIN_LAB) -- $(PYTEST) $(FREEBSD) $(ON_BOTH)

# Not that of the demonstration, which begins with bare servers.
proxmox: export TWIN_LAB = nodes
.PHONY: proxmox
proxmox: venv ## what runs on nodes of Proxmox VE, on servers that become such
	$(LAB) up --name $(TWIN_LAB) --proxmox 9.2
	$(LAB) run --name $(TWIN_LAB) -- $(PYTEST) $(PROXMOX) tests/integration/test_connection_machine.py

SEQUENCE = [check, converge, idempotence, check, verify]
# What is announced there, and a second run, are seen by the playbooks.
SEQUENCE-freebsd = [converge, verify]

.PHONY: molecule molecule-freebsd
molecule: ## one scenario per role, each upon the one before, on a lab that begins empty; PLATFORM=freebsd
molecule-freebsd: PLATFORM = freebsd
# Each platform has its own lab, inventory and state, so that both can run side by side.
molecule molecule-freebsd: ON = $(if $(filter freebsd,$(PLATFORM)),-freebsd)
molecule molecule-freebsd: export TWIN_INVENTORY = $(CURDIR)/build/inventory$(ON)
molecule molecule-freebsd: export TWIN_SEQUENCE = $(SEQUENCE$(ON))
molecule molecule-freebsd: export ANSIBLE_HOME = $(CURDIR)/build/ansible$(ON)
molecule molecule-freebsd: venv
	$(LAB) down --name molecule$(ON)
	$(LAB) up --name molecule$(ON) $(if $(ON),--freebsd 14.3)
	rm -rf $(TWIN_INVENTORY)
	cp -r inventories/lab$(ON) $(TWIN_INVENTORY)
	cp "$$($(LAB) inventory --name molecule$(ON))" $(TWIN_INVENTORY)/00-lab.ini
	$(if $(ON),,python3 -m tests.gates.host_coverage start molecule)
	MOLECULE_GLOB='molecule/*/molecule.yml' $(LAB) run --name molecule$(ON) -- \
	    molecule -c .config/molecule/config.yml test $(SCENARIOS:%=--scenario-name %)
	$(if $(ON),,python3 -m tests.gates.host_coverage collect molecule)

.PHONY: coverage
coverage: venv ## how much of module_utils the tests ran, here and on the hosts
	find build/coverage -name 'data.*' -print0 | xargs -0 coverage combine --quiet --keep --data-file=build/coverage/all
	coverage report --data-file=build/coverage/all --fail-under=90

.PHONY: bench
bench: venv ## our speed against that of others, into build/bench.json; ROUNDS=1 is a quick look, ONLY="moves site" a part
	@tests/gates/venv bench build/venv-bench
	@$(STAGE) bench python3 -m tests.bench --rounds $(or $(ROUNDS),5) $(and $(ONLY),--only $(ONLY))

##### The gates that need servers with kernels of their own; the tests that have mark `kernel`

.PHONY: vm-lab vm-kernel
vm-lab vm-kernel: KIND = vm
vm-lab: venv ## the lab of virtual machines itself, and a move on it
	pytest -m kernel tests/lab $(FIRE)

vm-kernel: lab ## OpenZFS, and limits kept by control groups
	$(LAB) run --name $(TWIN_LAB) -- pytest -m kernel tests/integration --ignore=$(FIRE)

##### For those who work on it

.PHONY: venv
venv: packages ## the virtual environment of all these tools, build/venv
	@tests/gates/venv test build/venv
	@# Here, for the labs in which they are needed reach nothing outside.
	@python3 tests/gates/schema.py >/dev/null

.PHONY: packages
packages:
	@tests/gates/packages

.PHONY: env
env: venv ## the settings to work with by hand: eval "$(make -s env)"
	@for name in ANSIBLE_COLLECTIONS_PATH ANSIBLE_HOME LC_ALL PATH PYTHONPATH PYTHONPYCACHEPREFIX; do \
	    printf 'export %s=%q\n' "$$name" "$${!name}"; \
	done

.PHONY: format
format: venv ## lay out the Python code, repair what ruff can repair
	ruff check --fix-only
	ruff format

.PHONY: action-group
action-group: ## write meta/runtime.yml from plugins/modules
	python3 tests/gates/action_group.py

.PHONY: pve-tables
pve-tables: venv ## write the tables of what the API of Proxmox VE takes, out of its schema
	python3 -m tests.gates.pve_tables

.PHONY: docs
docs: venv ## the reference of the modules, plugins and roles, into build/docs
	tests/gates/docs

.PHONY: constraints
constraints: ## take the newest versions of all tools, and write them down
	tests/gates/constraints
