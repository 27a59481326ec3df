# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CARGO ?= cargo
CLUSTER_BIN := e2e/cluster/bin
# Everything but the crates that need a kube-apiserver of their own or the whole node.
UNIT := --workspace --exclude erpgo-tests --exclude erpgo-e2e
# An error tells what was being done; where it came from in the runtime would hide that.
export RUST_LIB_BACKTRACE ?= 0

.PHONY: help demo demo-rotate down test check fmt lint docs deny shell test-unit test-api test-e2e test-rotation generate coverage bench load images cluster status

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## a real node with a Ready ErpGo on http://127.0.0.1:30080
	@e2e/demo/demo

demo-rotate: ## after demo: a rotation of its keys as it happens, with requests going on
	@e2e/demo/rotate

down: ## remove every trace of the node and of test servers (the tool cache stays)
	@$(CLUSTER_BIN)/down
	@[ ! -x target/debug/test-services ] || target/debug/test-services down || true

cluster: ## the node alone
	@$(CLUSTER_BIN)/doctor --install
	@$(CLUSTER_BIN)/up

status: ## what runs
	@$(CLUSTER_BIN)/status

images: ## build our three images and import them into the node
	@$(CLUSTER_BIN)/images

test: check test-unit test-api test-e2e ## every layer, from formatting to the node
	@echo "all layers passed"

check: fmt lint docs shell deny ## formatting, lints, documentation, shell scripts, licences

fmt:
	$(CARGO) fmt --all --check

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet

shell: packages
	shellcheck -x $$(git ls-files '.ci/*' 'e2e/cluster/bin/*' 'e2e/cluster/lib/*.sh' 'e2e/demo/demo' 'e2e/demo/rotate' 'e2e/demo/*.sh' 'e2e/journeys' 'e2e/bench/*' 'e2e/checks/*' ':!*.awk' ':!*.py' ':!*.toml')

deny:
	@e2e/checks/deny

.PHONY: packages
packages:
	@$(CLUSTER_BIN)/doctor --install

test-unit: packages ## units, properties, snapshots, and the app on real PostgreSQL and Redis
	$(CARGO) test $(UNIT) --locked --no-fail-fast

test-api: packages ## a real kube-apiserver, Vault, the chart and the manifests
	$(CLUSTER_BIN)/tools kubernetes helm vault vault-auth-kubernetes prometheus-operator gateway-api
	$(CARGO) test -p erpgo-tests --locked --no-fail-fast

# What other layers share stays up after them, and would run beside the journeys.
test-e2e: ## journeys on the real node
	@[ ! -x target/debug/test-services ] || target/debug/test-services down
	@e2e/journeys

test-rotation: ## every rotation of the journeys: 10 in Vault, 3 in AWS, 3 in a Secret
	@E2E_ROTATIONS=full e2e/journeys rotation::

generate: ## regenerate the CRD, the OpenAPI document, the chart's copies, install.yaml, fixtures and snapshots
	UPDATE_GENERATED=1 $(CARGO) test $(UNIT) --locked --test generated
	UPDATE_GENERATED=1 $(CARGO) test -p erpgo-tests --locked --test packaging
	INSTA_UPDATE=always $(CARGO) test $(UNIT) --locked --test alerts --test desired --test preview

coverage: packages ## lines of the API that its tests reach, part by part
	@e2e/checks/coverage

load: packages ## the seed's loads on one process of the API, PostgreSQL and Redis beside it; fails likewise
	@e2e/bench/load

bench: ## the figures of the README, as ratios on this machine; fails when one misses its goal
	@e2e/bench/run
