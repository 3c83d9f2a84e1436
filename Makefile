# slbroker: what a checkout needs, one command each. `make` alone lists them.

PYTHON ?= python3
LISTEN ?= udp:127.0.0.1:5060 tcp:127.0.0.1:5060
FUZZ_SECONDS ?= 600
MUTANTS ?= 1000000
MUTANT_RATE ?= 4000
STRINGS ?= 10000000
ARGS ?=
# Most tests wait for processes, so there are more at once than cores. 0 runs one after the other, for --pdb and -s.
AT_ONCE ?= 4

# Another folder keeps the environments of two interpreters apart: make quick PYTHON=python3.13 VENV=build/python3.13
VENV ?= .venv
BIN := $(VENV)/bin
# `test` is what `make quick` wants, without ruff and mypy.
EXTRA ?= dev
# The first address of run as a URI for slbroker ping.
PING = $(patsubst udp:%,sip:%,$(patsubst tcp:%,'sip:%;transport=tcp',$(firstword $(LISTEN))))
# Made when it is complete, so that an interrupted setup is done again.
READY := $(VENV)/.ready
# What needs no other program, and not the machine for itself.
QUICK := tests/slbroker tests/regexes tests/handlers tests/edge tests/test_imports.py

.DEFAULT_GOAL := help
.PHONY: help setup run test quick lint types kemi torture crowd bench bench-peers speed-page bench-costs guard asan fuzz mutants strangers fleet man phones interop calls load fire takeover proofs network simulate clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile
	@echo "PYTHON=... names the interpreter, VENV=... its environment, LISTEN=... the addresses of run, ARGS=... adds options to most."

setup: $(READY) ## make .venv with slbroker and its development tools in it

$(READY): pyproject.toml setup.py $(shell find slbroker edge -name '_*.pyx' -o -name '*.pxd')
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "slbroker needs Python 3.11 or later and '$(PYTHON)' is not: install one (Debian 12: python3-venv) or name it, make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: install its venv module (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@echo "Setting up $(VENV) with $$($(PYTHON) --version): packages are fetched and a little C is compiled, about a minute."
	@# One that another interpreter made would keep packages of that one, built for it.
	@version=$$($(PYTHON) -c 'import platform; print(platform.python_version())'); \
	  grep -qsx "version = $$version" $(VENV)/pyvenv.cfg || anew=--clear; $(PYTHON) -m venv $$anew $(VENV)
	@# A twin of older sources must not outlive a build that fails.
	@find slbroker edge -name "_*$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')" -delete
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRA)]'
	@case $$($(BIN)/python -c 'from slbroker import twins; print(twins.KIND)') in \
	  compiled) echo "Done. The functions that each request passes are compiled." ;; \
	  pure) echo "Done. The functions that each request passes are pure Python: slower, and all works. For compiled ones install gcc and Python's headers" \
	    "(Debian: gcc libc6-dev python3-dev) and repeat with: make clean setup" ;; \
	  *) exit 1 ;; esac
	@touch $@

run: setup ## start slbroker here: 200 to OPTIONS, 404 to the rest
	@said=$$($(BIN)/slbroker check $(addprefix --listen ,$(LISTEN))) || { echo "$$said" | grep '^BAD' >&2; \
	  echo "Name other addresses: make run LISTEN='udp:127.0.0.1:5070 tcp:127.0.0.1:5070'" >&2; exit 1; }
	@echo "Starting slbroker on $(LISTEN). Now try, in another terminal:"
	@echo "    $(BIN)/slbroker ping $(PING)"
	@echo "Ctrl-C stops it."
	@exec $(BIN)/slbroker run $(addprefix --listen ,$(LISTEN)) $(ARGS)

# Kept bytecode saves each of the hundreds of processes that tests start the compiling, and pytest its rewriting.
test: export PYTHONDONTWRITEBYTECODE =
test: lint types ## lint, types, then every test but those of `make proofs`
	@echo "Running the tests that want the machine for themselves, then the others, $(AT_ONCE) at once." \
	  "Those with a real SIP program are skipped where it is missing."
	@begun=$$(date +%s); alone=0; beside=0; \
	SLBROKER_TEST_PART=alone $(BIN)/pytest $(ARGS) || alone=$$?; \
	[ $$alone -ne 2 ] || exit 2; \
	SLBROKER_TEST_PART=beside $(BIN)/pytest -n $(AT_ONCE) $(ARGS) || beside=$$?; \
	echo "The tests took $$(($$(date +%s) - begun)) s."; \
	case "$$alone $$beside" in \
	  "0 0" | "0 5" | "5 0") ;; \
	  [015]" "[015]) $(AGAIN) ;; \
	  *) exit 1 ;; esac  # 5: nothing was chosen

# What fails for good fails alone, too; a machine that was busy for a moment is no finding. What failed first is shown above.
AGAIN = echo "Once more, one after the other: what has failed."; $(BIN)/pytest --last-failed --last-failed-no-failures none $(ARGS)

quick: setup ## a third of the tests, those that need no other program: for one more interpreter
	@$(BIN)/pytest -n $(AT_ONCE) --hypothesis-profile quick -m "not peer and not alone" $(QUICK) $(ARGS) || { [ $$? -eq 1 ] && { $(AGAIN); }; }

lint: setup ## ruff: rules and layout
	@echo "Checking the style."
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup ## mypy --strict, tests too
	@echo "Checking the types."
	@$(BIN)/mypy

kemi: setup ## write KSR's type stubs and the tables of docs/kemi.md from what KSR exports
	@$(BIN)/python -m tests.support.kemistubs
	@$(BIN)/python -m tests.support.kemitables

torture: setup ## every message of RFC 4475 and RFC 5118 to a running edge, and its answers
	@$(BIN)/python tests/torture/table.py

crowd: setup ## 10,000 idle TCP connections to one edge: what each costs, and whether UDP is still answered
	@SLBROKER_TEST_CROWD=1 $(BIN)/pytest tests/edge/transports/test_streams_limits.py -k crowd -s $(ARGS)

bench: setup ## measure CPU time per request beside Kamailio
	@echo "Measuring; leave the machine alone until the table appears."
	@$(BIN)/python tests/lab/bench/bench.py $(ARGS)

# Without matplotlib there are tables and no plots.
PLOTS = $(BIN)/python -c 'import matplotlib' 2>/dev/null || \
  $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary matplotlib -e '.[bench]' || \
  echo "matplotlib cannot be installed here, so there will be tables and no plots."

bench-peers: setup ## the whole comparison with Kamailio and OpenSIPS: 20 minutes, tables and plots in build/; BASE=CHECKOUT or a commit beside it
	@echo "Measuring; leave the machine alone until the tables appear."
	@mkdir -p build; $(PLOTS)
	@$(BIN)/python tests/lab/bench/peers.py --out build/peers.md --json build/peers.json --plots build \
	  $(if $(BASE),--base '$(BASE)') $(ARGS)

speed-page: setup ## write the tables and plots of the last bench-peers into docs/speed.md
	@$(PLOTS)
	@$(BIN)/python tests/lab/bench/page.py $(ARGS)

bench-costs: setup ## what a request costs as headers, workers, routes, connections grow: a table and a plot in build/
	@echo "Measuring; leave the machine alone until the table appears."
	@mkdir -p build; $(PLOTS)
	@$(BIN)/python tests/lab/bench/costs.py --out build/costs.md --plot build/costs.png $(ARGS)

guard: setup ## compare counts of instructions with those kept (valgrind); ARGS=--update keeps new ones
	@$(BIN)/python tests/lab/bench/guard.py $(ARGS)

asan: setup ## test and fuzz the compiled twins under AddressSanitizer; ARGS="--seconds 600"
	@$(BIN)/python tests/lab/bench/asan.py $(ARGS)

fuzz: setup ## fuzz each target for FUZZ_SECONDS=600; ARGS="datagram stream" names some
	@$(BIN)/python -c 'import atheris' 2>/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary atheris -e '.[fuzz]' || \
	  echo "atheris cannot be installed here, so coverage will not guide the mutations."
	@$(BIN)/python tests/lab/fuzz/run.py --seconds $(FUZZ_SECONDS) $(ARGS)

mutants: setup ## send MUTANTS=1000000 through a live edge and worker, MUTANT_RATE=4000 a second; watch their memory
	@$(BIN)/python tests/lab/fuzz/mutants.py --count $(MUTANTS) --rate $(MUTANT_RATE) $(ARGS)

strangers: setup ## say STRINGS=10000000 different strings to a live edge, worker and monitor; watch their memory and metrics: 5 minutes
	@$(BIN)/python tests/lab/fuzz/strangers.py --count $(STRINGS) $(ARGS)

fleet: setup ## have 50 edges come and go six times beside one monitor: its memory, its files, what it shows right afterwards
	@$(BIN)/python tests/lab/fleet/fleet.py $(ARGS)

man: setup ## write the manual pages, from the commands' help, into build/man/man1; try: man -l build/man/man1/slbroker.1
	@$(BIN)/python -m slbroker.commands.manpage build/man/man1
	@echo "build/man/man1: $$(ls build/man/man1 | wc -l) pages"

fire: setup ## lose, replace, overload and provoke processes at 5,000 requests a second: about 6 minutes, a table at the end
	@echo "Leave the machine alone until the table appears."
	@SLBROKER_TEST_FIRE=1 $(BIN)/pytest tests/lab/fire --ignore-glob='*/test_takeover*' -s $(ARGS)

takeover: setup ## an edge replaced five times in place, at 5,000 requests a second and with connections: nothing unanswered; 3 minutes
	@echo "Leave the machine alone until the table appears."
	@SLBROKER_TEST_FIRE=1 $(BIN)/pytest tests/lab/fire/test_takeover.py tests/lab/fire/test_takeover_streams.py -s $(ARGS)

proofs: setup ## the tests that `make test` leaves out: under fire, between hosts, with real phones, the monitor's page, every kind of call; 15 minutes
	@SLBROKER_REQUIRE_PEERS=1 SLBROKER_TEST_PART=proofs $(BIN)/pytest $(ARGS)

network: setup ## (root) cut cables and lost packets between hosts that are network namespaces: the figures of docs/network.md
	@$(BIN)/python -m tests.lab.network.measure $(ARGS)

phones: setup ## fetch the phones of PyPI and npm that the tests in tests/interop and tests/browser want
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: $$($(BIN)/python -c \
	  'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["interop"])') || \
	  echo "Without PyPI's phones: they have no wheels for $$($(BIN)/python --version) here."
	@if command -v npm >/dev/null; then npm install --prefix tests/browser --no-update-notifier --no-audit --no-fund --loglevel error; \
	  else echo "Without the phones in a browser: there is no npm."; fi

interop: phones ## real phones of Debian, PyPI and npm against slbroker: 20 minutes, then the table of docs/interop.md
	@$(BIN)/python tests/interop/table.py $(ARGS)

calls: setup ## SIPp's calls for 10 s each, where `make test` has 3
	@SLBROKER_TEST_CALLS=10 SLBROKER_REQUIRE_PEERS=1 $(BIN)/pytest tests/peers/test_sipp.py tests/peers/test_digest.py $(ARGS)

forward-calls: setup ## 1,000 calls a second for 30 s through a forwarding edge, and through an edge and Kamailio; a tenth is refused
	@echo "Leave the machine alone until it has ended."
	@SLBROKER_TEST_FORWARD=30 SLBROKER_REQUIRE_PEERS=1 $(BIN)/pytest tests/peers/forwarding/test_rate.py -s $(ARGS)

load: setup ## 2,000 requests a second to handlers that wait for an HTTP server, for SQLite; one that sleeps for 30 s
	@SLBROKER_TEST_LOAD=2000 $(BIN)/pytest tests/handlers/test_load_live.py -s $(ARGS)

simulate: setup ## how far does this go: the tables of docs/scale.md, from a simulation; ARGS="--crowd" adds real sockets
	@$(BIN)/python tests/lab/simulation/simulate.py $(ARGS)

VERSION = $(shell sed -n 's/^VERSION.* = "\(.*\)"/\1/p' slbroker/version.py)
IMAGE ?= slbroker
# Of the engine that `make containers` brings with it: 1 GB, and two minutes the first time.
ENGINE ?= build/engine
LAB = tests/lab/containers/engine $(ENGINE)
BUILD = DOCKER_BUILDKIT=1 docker build --file compose/Dockerfile --build-arg VERSION=$(VERSION) \
  --build-arg REVISION=$(shell git rev-parse HEAD 2>/dev/null || echo unknown)

.PHONY: image containers cluster units
image: ## build the images of slbroker and of Kamailio before it (docker): IMAGE=slbroker, tagged with the version
	$(BUILD) $(ARGS) --tag $(IMAGE):$(VERSION) --tag $(IMAGE) .
	$(BUILD) $(ARGS) --target kamailio --tag $(IMAGE)-kamailio:$(VERSION) --tag $(IMAGE)-kamailio .

containers: setup ## (root) the compose file under a Docker engine of its own: comes up, rotates keys, has each part replaced, killed, stopped, paused; 11 minutes
	@$(LAB) build $(MAKE) --no-print-directory image ARGS="--network host --quiet"
	@$(LAB) build docker build --network host --quiet --tag slbroker-prometheus - <tests/lab/containers/prometheus.Dockerfile
	@$(LAB) run env PYTHONPATH=. SLBROKER_PROMETHEUS_IMAGE=slbroker-prometheus $(BIN)/python -m tests.lab.containers.compose $(ARGS)

cluster: setup ## (root) the Swarm stack on two nodes, two such engines: handlers, edges, brokers, the ring replaced one by one under 500 requests/s; 10 minutes
	@$(LAB) build $(MAKE) --no-print-directory image ARGS="--network host --quiet"
	@$(LAB) pair env PYTHONPATH=. $(BIN)/python -m tests.lab.containers.swarm $(ARGS)

units: setup ## (root) the Debian package under a systemd of its own, in a container of that engine: 6 minutes
	@[ -e $(DEB) ] || .ci/deb
	@$(LAB) build docker build --network host --quiet --file tests/lab/containers/systemd.Dockerfile --build-arg DEB=$(notdir $(DEB)) \
	  --tag slbroker-systemd dist
	@$(LAB) run env PYTHONPATH=. $(BIN)/python -m tests.lab.containers.units $(ARGS)

DEB = dist/slbroker_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
.PHONY: dist deb debian
deb: ## build the Debian package into dist/ (debhelper), and have lintian look at it
	@.ci/deb

debian: ## (root) that package in a fresh Debian 12 (debootstrap): installed, pinged, upgraded, rolled back, purged; 4 minutes
	@tests/lab/debian/try build/debian

dist: ## build what is published, sdist and manylinux wheels, into dist/, and install each to see it work
	@.ci/dist

clean: ## remove what was built and cached; .venv stays, and is completed by the next setup
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis $(READY)
	find slbroker edge \( -name '_*.c' -o -name '_*.so' \) -delete
	find . -path ./.venv -prune -o -type d -name __pycache__ -exec rm -rf {} +
