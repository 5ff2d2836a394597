# What a newcomer types: `make demo`, then `make test`. Every target sets up what it needs, and nothing twice.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

# Debian's interpreter is the fastest one there; any 3.11 or later will do.
PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11) python3)
VENV := .venv
BIN := $(VENV)/bin
STAMPS := .setup

# Debian 12 pins the versions of these.
DEMO_PACKAGES := python3-venv iproute2 nftables frr
IMAGE_PACKAGES := mmdebstrap buildah
TEST_PACKAGES := $(DEMO_PACKAGES) $(IMAGE_PACKAGES) runc golang-github-containers-common bird2 gobgpd exabgp serf keepalived prometheus procps chromium fonts-dejavu-core golang-go golang-github-hashicorp-memberlist-dev

GO ?= $(abspath $(BIN)/go)
DEBIAN_GO := $(firstword $(wildcard /usr/lib/go-1.19/bin/go) go)

PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# RUNLEVEL=1 keeps packages from starting their daemons: serf would take the gossip port of this machine.
APT := RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0

.PHONY: help
help: ## Show what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Set-up

.PHONY: setup
setup: $(STAMPS)/demo-packages $(STAMPS)/run ## Install what the product and its lab need; .venv/bin/swimlb is the command

.PHONY: setup-dev
setup-dev: $(STAMPS)/test-packages $(STAMPS)/dev ## Install what developing and testing needs, too

# apt-get is asked only for what is missing: a machine that has all needs no network here.
define install_packages
	@mkdir -p $(STAMPS)
	@missing=$$(for package in $(1); do dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || echo $$package; done); \
	if [ -n "$$missing" ]; then \
		[ "$$(id -u)" = 0 ] || { echo "swimlb: these Debian packages are missing, and only root may install them:" $$missing >&2; exit 1; }; \
		echo "Installing Debian packages:" $$missing; \
		$(APT) update && $(APT) install -y --no-install-recommends $$missing >/dev/null; \
	fi
	@touch $@
endef

$(STAMPS)/demo-packages: Makefile
	$(call install_packages,$(DEMO_PACKAGES))

$(STAMPS)/image-packages: Makefile
	$(call install_packages,$(IMAGE_PACKAGES))

$(STAMPS)/test-packages: Makefile
	$(call install_packages,$(TEST_PACKAGES))

$(BIN)/python: | $(STAMPS)/demo-packages
	@echo "Making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/run: requirements/run.txt pyproject.toml | $(BIN)/python
	@echo "Installing Python packages (pinned, with hashes)"
	@$(PIP) install --require-hashes -r requirements/run.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS); touch $@

$(STAMPS)/dev: requirements/dev.txt $(STAMPS)/run
	@echo "Installing development tools (pinned, with hashes)"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

# The current release and MetalLB's come from the Go module proxy; Debian's is built from Debian's sources, by Debian's Go.
.PHONY: go-peers
go-peers: $(STAMPS)/go-peers/stamp ## Build the members of Go's memberlist that tests and benchmarks talk to

$(STAMPS)/go-peers/stamp: $(wildcard tests/interop/go-peer/*) | $(STAMPS)/test-packages $(STAMPS)/dev
	@echo "Building members of Go's memberlist: 0.7.0, 0.5.1, 0.2.2"
	@mkdir -p $(@D)
	@cd tests/interop/go-peer && $(GO) build -trimpath -o $(abspath $(@D))/memberlist-0.7.0 . && \
		$(GO) build -modfile=metallb.mod -trimpath -o $(abspath $(@D))/memberlist-0.5.1 .
	@cd tests/interop/go-peer && GO111MODULE=off GOPATH=/usr/share/gocode \
		$(DEBIAN_GO) build -tags memberlist022 -trimpath -o $(abspath $(@D))/memberlist-0.2.2 .
	@touch $@

# Judges our CRDs by the API server's own code.
.PHONY: crd-check
crd-check: $(STAMPS)/crd-check/crd-check ## Build the judge of CRDs that tests ask

$(STAMPS)/crd-check/crd-check: $(wildcard tests/interop/crd-check/*) | $(STAMPS)/dev
	@echo "Building the judge of CRDs from Kubernetes' own code"
	@mkdir -p $(@D)
	@cd tests/interop/crd-check && $(GO) build -trimpath -o $(abspath $@) .

# The real ones, to be replaced by ours in the lab and measured beside; 0.16's FRR part is not in the module proxy whole.
.PHONY: metallb
metallb: $(STAMPS)/metallb/stamp ## Build MetalLB's speaker and controller

$(STAMPS)/metallb/stamp: $(wildcard tests/interop/metallb/go.*) | $(STAMPS)/dev
	@echo "Building MetalLB 0.15.2"
	@mkdir -p $(@D)
	@cd tests/interop/metallb && $(GO) build -trimpath -ldflags '-s -w' -o $(abspath $(@D))/ tool && \
		cp --no-preserve=mode "$$($(GO) list -m -f '{{.Dir}}' go.universe.tf/metallb)/config/manifests/metallb-native.yaml" $(abspath $(@D))/
	@touch $@

# The latest that the module proxy has whole: its speakers read their memberlist's timing from a file.
.PHONY: metallb-current
metallb-current: $(STAMPS)/metallb-current/stamp ## Build the latest MetalLB, which the failover benchmark stands beside

$(STAMPS)/metallb-current/stamp: $(wildcard tests/interop/metallb/current.*) | $(STAMPS)/dev
	@echo "Building MetalLB 0.16.1"
	@mkdir -p $(@D)
	@cd tests/interop/metallb && $(GO) build -modfile=current.mod -trimpath -ldflags '-s -w' -o $(abspath $(@D))/ tool && \
		cp --no-preserve=mode "$$($(GO) list -modfile=current.mod -m -f '{{.Dir}}' go.universe.tf/metallb)/config/manifests/metallb-native.yaml" $(abspath $(@D))/
	@touch $@

# The kinds of its monitors and rules, which the chart renders; the module is asked for nothing else.
.PHONY: prometheus-operator
prometheus-operator: $(STAMPS)/prometheus-operator/stamp ## Fetch the Prometheus Operator's definitions of its kinds

OPERATOR := github.com/prometheus-operator/prometheus-operator

$(STAMPS)/prometheus-operator/stamp: $(wildcard tests/interop/prometheus-operator/*) | $(STAMPS)/dev
	@mkdir -p $(@D)
	@cd tests/interop/prometheus-operator && $(GO) mod download $(OPERATOR) && \
		cp --no-preserve=mode "$$($(GO) list -mod=mod -m -f '{{.Dir}}' $(OPERATOR))"/example/prometheus-operator-crd/*_{podmonitors,prometheusrules,servicemonitors}.yaml \
			$(abspath $(@D))/
	@touch $@

.PHONY: helm
helm: $(STAMPS)/helm/helm ## Build Helm, which renders the chart

$(STAMPS)/helm/helm: $(wildcard tests/interop/helm/*) | $(STAMPS)/dev
	@echo "Building Helm 4"
	@mkdir -p $(@D)
	@cd tests/interop/helm && $(GO) build -trimpath -ldflags '-s -w' -o $(abspath $@) helm.sh/helm/v4/cmd/helm

.PHONY: manifests
manifests: helm ## Write deploy/swimlb.yaml anew: the chart, for those who do without Helm
	@{ echo '# Made by `make manifests` from charts/swimlb. `swimlb manifests` prints it.'; \
		$(STAMPS)/helm/helm template swimlb charts/swimlb --namespace metallb-system --values deploy/values.yaml | sed -f deploy/plain.sed; \
	} >deploy/swimlb.yaml

# An archive that `skopeo copy oci-archive:FILE docker://REGISTRY/swimlb:TAG` brings to a registry.
IMAGE := dist/swimlb.oci.tar

.PHONY: image
image: $(IMAGE) ## Build the image of controller and speaker, without a registry or an engine: dist/swimlb.oci.tar

$(IMAGE): $(wildcard image/*) requirements/run.txt pyproject.toml $(shell find membership announce swimlb -name '*.py') \
		| $(STAMPS)/image-packages $(STAMPS)/run
	@image/build $(abspath $(STAMPS))/image $(abspath $@)

# A real Kubernetes for the lab, from its own Go module, at the release that go.mod names.
.PHONY: kube-tools
kube-tools: $(STAMPS)/kube-tools/stamp ## Build etcd, kube-apiserver, kube-controller-manager, kube-proxy and kubectl for the lab

$(STAMPS)/kube-tools/stamp: tests/kube/tools/go.mod tests/kube/tools/go.sum | $(STAMPS)/dev
	@echo "Building Kubernetes for the lab: 6 minutes on two idle cores the first time, and 3 GB for Go's cache"
	@mkdir -p $(@D)
	@cd tests/kube/tools && \
		release=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubernetes) && minor=$${release#v1.} && \
		package=k8s.io/component-base/version && \
		$(GO) build -trimpath -tags providerless -o $(abspath $(@D))/ -ldflags "-s -w -X $$package.gitVersion=$$release \
			-X $$package.gitMajor=1 -X $$package.gitMinor=$${minor%%.*} -X $$package.gitTreeState=clean" tool
	@mv $(@D)/server $(@D)/etcd
	@touch $@

$(STAMPS)/bench: requirements/bench.txt $(STAMPS)/dev
	@echo "Installing what the benchmarks need (pinned, with hashes)"
	@$(PIP) install --require-hashes -r requirements/bench.txt
	@touch $@

# Running

.PHONY: demo
demo: setup ## Watch addresses come up, an owner die and another take over; writes demo-report.html
	@$(BIN)/swimlb demo --report demo-report.html

# Checking

.PHONY: check
check: setup-dev ## Format, lint, types, import rules, unit and property tests: two minutes
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target check-style check-tests

.PHONY: check-style
check-style:
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/lint-imports --no-cache >$(STAMPS)/imports.txt || { cat $(STAMPS)/imports.txt; exit 1; }
	@$(BIN)/basedpyright --level error
	@$(BIN)/hadolint image/Dockerfile

.PHONY: check-tests
check-tests:
	@$(BIN)/pytest -q tests/unit tests/property

.PHONY: format
format: setup-dev ## Bring the code into its form
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

# Most real ones wait for real time, so that two sets of them share the machine, and those in virtual time give way to both.
# Those in network namespaces count every lost packet, and have the machine to themselves.
.PHONY: test
test: setup-dev ## Everything: check, simulation, real daemons, network namespaces, a real Kubernetes, a browser
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target check-style check-tests test-tools
	@$(MAKE) --no-print-directory --jobs=3 test-virtual test-kube test-interop
	@$(MAKE) --no-print-directory test-browser test-netns

.PHONY: test-tools
test-tools: go-peers crd-check helm kube-tools metallb prometheus-operator image

.PHONY: test-virtual
test-virtual:
	@nice -n 19 $(BIN)/pytest -q --durations=5 tests/simulation >$(STAMPS)/simulation.txt 2>&1 || { cat $(STAMPS)/simulation.txt; exit 1; }
	@tail -n 1 $(STAMPS)/simulation.txt

.PHONY: test-kube
test-kube:
	@$(BIN)/pytest -q --durations=10 tests/kube >$(STAMPS)/kube.txt 2>&1 || { cat $(STAMPS)/kube.txt; exit 1; }
	@cat $(STAMPS)/kube.txt

.PHONY: test-interop
test-interop:
	@$(BIN)/pytest -q --durations=5 tests/interop

.PHONY: test-browser
test-browser:
	@$(BIN)/pytest -q tests/browser

.PHONY: test-netns
test-netns:
	@$(BIN)/pytest -q --durations=10 tests/netns

.PHONY: sim
sim: setup-dev ## Play 200 lives of a ring in virtual time, with faults, and check what must hold: under a minute
	@$(BIN)/python -m swimlb.lab.sim --seeds 200

FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: setup-dev ## Look for input that a gossip member cannot bear: FUZZ_SECONDS for all targets together
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS)

.PHONY: soak-properties
soak-properties: setup-dev ## Properties with 5,000 new examples of each instead of 60 that are always the same: an hour; ONLY=WORD
	@$(BIN)/pytest -q tests/property --hypothesis-profile=thorough --durations=10 $(if $(ONLY),-k $(ONLY))

ONLY ?=

.PHONY: bench
bench: setup-dev metallb-current kube-tools $(STAMPS)/bench ## Failover beside keepalived, MetalLB, FRR, ExaBGP: 10 h; RUNS=N of each; TOGETHER=N; ONLY=WORD; RESUME=1; QUICK=1: 8 min
	@$(BIN)/python -m bench.matrix $(if $(filter command line,$(origin RUNS)),--runs $(RUNS)) \
		$(if $(ONLY),--only '$(ONLY)') $(if $(TOGETHER),--together $(TOGETHER)) $(if $(RESUME),--resume) \
		$(if $(QUICK),--quick) $(if $(PUBLISH),--publish)

.PHONY: bench-membership
bench-membership: setup-dev go-peers $(STAMPS)/bench ## Gossip beside memberlist, serf and kinship: 17 min; QUICK=1: 2 min
	@$(BIN)/python -m bench.membership $(if $(QUICK),--quick)

CUTS ?= 60
RUNS ?= 20

.PHONY: bench-layer2
bench-layer2: setup-dev $(STAMPS)/bench ## Failover beside keepalived, and ARP replies: 17 min; CUTS=N of ours, RUNS=N of the rest; QUICK=1: 3 min
	@$(BIN)/python -m bench.layer2 --cuts $(CUTS) --runs $(RUNS) $(if $(QUICK),--quick)

.PHONY: bench-speaker
bench-speaker: setup-dev $(STAMPS)/bench ## What an event costs the speaker's plan, to 10,000 Services: 1 min; QUICK=1: 10 s
	@$(BIN)/python -m bench.speaker $(if $(QUICK),--quick)

.PHONY: bench-metrics
bench-metrics: setup-dev ## What a scrape of 500 to 20,000 series costs the event loop: 1 min
	@$(BIN)/python -m bench.metrics

.PHONY: bench-bgp
bench-bgp: setup-dev $(STAMPS)/bench ## Prefixes, dead nodes, ECMP beside FRR, BIRD, GoBGP: 35 min; ONLY=transfer|removal|ecmp; RESUME=1; QUICK=1: 5 min
	@$(BIN)/python -m bench.bgp $(if $(ONLY),--only $(ONLY)) $(if $(RESUME),--resume) $(if $(QUICK),--quick)

.PHONY: generate
generate: setup-dev ## Write the CRDs of the chart and the tables of docs/reference/configuration.md anew
	@$(BIN)/python -m swimlb.cli.generate

.PHONY: bench-allocator
bench-allocator: setup-dev $(STAMPS)/bench ## Allocation of 1,000 to 100,000 Services, and one change among them: 2 min
	@$(BIN)/python -m bench.allocator

.PHONY: bench-kube
bench-kube: setup-dev $(STAMPS)/bench ## What following 10,000 Services costs watch, and whether wire notices: 2 min; QUICK=1: 20 s
	@$(BIN)/python -m bench.kube $(if $(QUICK),--quick)

.PHONY: bench-kubernetes
bench-kubernetes: setup-dev kube-tools $(STAMPS)/bench ## 500 to 5,000 Services on a real API server: time, CPU, requests, memory: 25 min; QUICK=1: 2 min
	@$(BIN)/python -m bench.kubernetes $(if $(QUICK),--quick)

MINUTES ?= 30

.PHONY: soak-bfd
soak-bfd: setup-dev ## BFD at 50 ms x 3 beside decoding, 100,000 routes, busy cores: MINUTES=30 of each; ONLY=together: all at once
	@$(BIN)/python -m bench.soak_bfd --minutes $(MINUTES) $(if $(ONLY),--only $(ONLY))

.PHONY: previews
previews: setup-dev $(STAMPS)/bench ## Draw the dashboards for the docs from a lab that a real Prometheus watches: 4 min
	@$(BIN)/python -m bench.previews

.PHONY: soak-alerts
soak-alerts: setup-dev ## Every alert stays silent for MINUTES=30 of planned restarts and changes, before a real Prometheus
	@$(BIN)/python -m bench.soak_alerts --minutes $(MINUTES)

.PHONY: lock
lock: setup-dev ## Pin what pyproject.toml and requirements/*.in ask for, anew
	@$(PIP) install uv
	@for set in run: dev:requirements/dev.in bench:requirements/bench.in; do \
		$(BIN)/uv pip compile pyproject.toml requirements/build.in $${set#*:} --generate-hashes --no-emit-index-url \
			--universal --python-version 3.11 --no-header --quiet --upgrade --output-file requirements/$${set%%:*}.txt; \
	done

.PHONY: clean
clean: ## Remove what the targets above have made here
	@rm -rf $(VENV) $(STAMPS) .ruff_cache .hypothesis .import_linter_cache demo-report.html
