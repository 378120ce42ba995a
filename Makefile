# Every command a contributor needs. Works without root and without Docker.
# `make setup PYTHON=/path/to/python3.12` chooses an interpreter.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?=
BIN := .venv/bin
PYTHONS := $(if $(PYTHON),"$(PYTHON)",python3 python3.11 python3.12 python3.13 python3.14)
CODE := src tests benchmarks examples

# Lanes of tests, two side by side: those of parts, which let the other go first, and walks through the whole system, one
# by one; then the demo and the faults, which promise seconds.
ACCEPTANCE := tests/acceptance
LANES := parts walks demo faults
PYTEST_parts := nice $(BIN)/python -m pytest --numprocesses logical --dist worksteal tests --ignore=$(ACCEPTANCE)
PYTEST_demo := $(BIN)/python -m pytest $(ACCEPTANCE)/test_demo.py
PYTEST_faults := $(BIN)/python -m pytest $(ACCEPTANCE)/test_faults.py
PYTEST_walks := $(BIN)/python -m pytest $(ACCEPTANCE) --ignore=$(ACCEPTANCE)/test_demo.py --ignore=$(ACCEPTANCE)/test_faults.py
LANE_LOGS := .pytest_cache/lanes

# Written with brackets, so that this line does not name a registry itself.
REGISTRIES := p[y]pi\.org|p[y]thonhosted|npmj[s]\.org|d[e]b\.debian\.org

# Nothing is asked or told elsewhere: rules are those of this folder.
SEMGREP := SEMGREP_ENABLE_VERSION_CHECK=0 SEMGREP_SEND_METRICS=off .venv-linters/bin/semgrep

.PHONY: help
help: ## Show this list
	@echo "Two commands show everything: make demo, make test."; echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { \
	  line = sprintf("  make %-20s", $$1); count = split($$2, words, " "); \
	  for (i = 1; i <= count; i++) { \
	    if (length(line) + 1 + length(words[i]) > 80) {print line; line = sprintf("%27s", "")} \
	    line = line " " words[i]} \
	  print line}' Makefile

.PHONY: setup
setup: .venv/.stamp ## Make .venv and install the locked packages (once; the other targets do it for you)

.venv/.stamp: requirements.lock pyproject.toml
	@for candidate in $(PYTHONS); do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Using $$("$$candidate" -c 'import sys; print(sys.executable, sys.version.split()[0])')"; \
	    "$$candidate" -m venv .venv; found=yes; break; \
	  fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "No Python 3.11 or newer with the venv module was found (looked for: $(subst ",,$(PYTHONS)))." >&2; \
	  echo "Install one (Debian, Ubuntu: apt install python3 python3-venv; macOS: brew install python@3.12)," >&2; \
	  echo "or name one: make setup PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi
	@echo "Installing the locked packages; the first time this downloads them, which can take some minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: setup ## Watch a real classifier being served, doubted, judged, recorded and updated (five to seven minutes on two idle cores)
	@$(BIN)/dissonance demo

# What a browser makes of the login page only a browser can say; without one, pytest says at its end what it skipped.
.PHONY: browser
browser:
	@if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	  apt-get install --quiet --quiet --yes --no-install-recommends chromium >/dev/null 2>&1 || echo "apt-get could not install chromium." >&2; \
	fi

# Only the system's PostgreSQL has SSL; without one, pytest says what it skipped. No cluster of the machine is made.
.PHONY: postgres
postgres: browser
	@if ! compgen -G "/usr/lib/postgresql/*/bin/postgres" >/dev/null && [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get install --quiet --quiet --yes --no-install-recommends postgresql-common && \
	    sed -i "s/^#*create_main_cluster.*/create_main_cluster = false/" /etc/postgresql-common/createcluster.conf && \
	    apt-get install --quiet --quiet --yes --no-install-recommends postgresql; \
	  } >/dev/null 2>&1 || echo "apt-get could not install postgresql." >&2; \
	fi

# One lane of two is watched, the other is shown when all are over; what failed, and the closing words of each, come last.
.PHONY: test
test: setup ## All checks, then all tests on the real engines
	@$(MAKE) --no-print-directory --silent --jobs=3 --output-sync=target $(CHECKS) .venv-clients/.stamp postgres
	@rm -rf $(LANE_LOGS); mkdir -p $(LANE_LOGS); \
	status=0; \
	$(MAKE) --no-print-directory --jobs --keep-going test-parts test-walks || status=1; \
	$(MAKE) --no-print-directory --jobs --keep-going test-demo test-faults || status=1; \
	for lane in walks faults; do cat "$(LANE_LOGS)/$$lane"; done; \
	for lane in $(LANES); do \
	  echo "The lane of $$lane ended:"; \
	  awk '/short test summary info/ {summary = 1; said = ""} {said = (summary ? said : "") $$0 "\n"} END {printf "%s", said}' "$(LANE_LOGS)/$$lane"; \
	done; \
	exit $$status

.PHONY: $(LANES:%=test-%)
test-parts test-demo: test-%:
	@$(PYTEST_$*) 2>&1 | tee -i $(LANE_LOGS)/$*

test-walks test-faults: test-%:
	@echo "Beside it, tests of $* write to $(LANE_LOGS)/$*."
	@$(PYTEST_$*) >$(LANE_LOGS)/$* 2>&1

.PHONY: coverage
coverage: setup ## Which lines and branches the tests of parts reach (they take twice as long)
	@$(BIN)/python -m pytest --numprocesses logical --dist worksteal --cov --cov-branch --cov-report=term tests/unit tests/contract tests/integration

# An environment of its own, in the folder of the stamp, of what the first prerequisite pins.
define environment
@$(BIN)/python -m venv --clear $(@D)
@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
@touch $@
endef

# tritonclient's gRPC needs an older protobuf than the package: an environment of its own, which only tests use.
.venv-clients/.stamp: tests/requirements-clients.txt .venv/.stamp
	$(environment)

# Linters that pin what the package uses too (semgrep): an environment of their own.
.venv-linters/.stamp: security/requirements.txt .venv/.stamp
	$(environment)

# Each rule finds what its examples say, and nothing else: looked at again when one was changed.
.venv-linters/.rules: .venv-linters/.stamp $(wildcard security/semgrep/*)
	@$(SEMGREP) --test --metrics off security/semgrep >$@.log 2>&1 || { cat $@.log >&2; exit 1; }
	@touch $@

.PHONY: check
check: setup ## Style, types, imports, rules of security, and that no file names a package registry
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(CHECKS)

.PHONY: check-security
check-security: check-rules check-secrets ## Rules of our own (semgrep), bandit, and no secret in a file (detect-secrets)

# The longest first.
CHECKS := check-types check-secrets check-rules check-style check-registries

.PHONY: $(CHECKS)
check-rules check-secrets: .venv-linters/.rules

check-style:
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/lint-imports --no-logo

check-types:
	@$(BIN)/python -m mypy

check-rules:
	@$(SEMGREP) scan --metrics off --disable-version-check --config security/semgrep --error --quiet --jobs 1 src
	@.venv-linters/bin/bandit --quiet --recursive --configfile pyproject.toml src

check-secrets:
	@files="$$(git ls-files)"; \
	.venv-linters/bin/detect-secrets-hook --baseline .secrets.baseline $$files || test $$? -eq 3  # 3: only moved lines

check-registries:
	@status=0; \
	grep -rnIiE '$(REGISTRIES)' . --exclude-dir=.git --exclude-dir='.venv*' --exclude-dir='.*_cache' --exclude-dir=htmlcov || status=$$?; \
	if [ "$$status" -ne 1 ]; then \
	  echo "The lines above name a package registry, or grep failed; where packages come from is for whoever installs to say." >&2; \
	  exit 1; \
	fi; \
	echo "No file names a package registry."

.PHONY: up
up: setup ## Start PostgreSQL, NATS and MLflow and keep them running (Ctrl-C stops them)
	@$(BIN)/dissonance up

.PHONY: bench
bench: bench-cycle bench-store bench-score bench-cost ## Every short benchmark; each writes a record that `dissonance kpis` shows

.PHONY: bench-cycle
bench-cycle: setup ## Durable cycles per second, from a single-row request to the stored experience
	@$(BIN)/dissonance drill bench-cycle

.PHONY: bench-store
bench-store: setup ## Rows per second into the experience store, by INSERT from unnest against COPY
	@$(BIN)/python benchmarks/store_insert.py

.PHONY: bench-sealed-reads
bench-sealed-reads: setup ## Rows per second that training reads out of sealed storage, beside rows never sealed (ROWS=200000)
	@$(BIN)/python benchmarks/sealed_reads.py $(if $(ROWS),--rows $(ROWS))

.PHONY: bench-score
bench-score: setup ## Rows per second of batch scoring beside LightGBM alone, and its memory as files grow
	@$(BIN)/python benchmarks/score.py $(if $(ROWS),--rows $(ROWS))

.PHONY: bench-pipeline
bench-pipeline: setup ## From a trigger to a candidate through its gates, as sources grow (ROWS="10000 277677"; the last takes minutes)
	@$(BIN)/dissonance drill bench-pipeline $(foreach rows,$(ROWS),--rows $(rows))

.PHONY: bench-cost
bench-cost: setup ## Seconds to fit the critic of a window and microseconds a row to score, on one core
	@$(BIN)/python benchmarks/science_cost.py

.PHONY: bench-canary
bench-canary: setup ## Simulated canaries: how many worse models are promoted, and the labels it takes for better ones (minutes)
	@$(BIN)/python benchmarks/canary.py $(if $(CANARIES),--canaries $(CANARIES))

.PHONY: bench-soak
bench-soak: setup ## A million rows through all roles: memory, lag, loss (20 minutes; ROWS=20000 for one)
	@$(BIN)/dissonance drill bench-soak $(if $(ROWS),--rows $(ROWS)) $(if $(ROWS_PER_S),--rows-per-s $(ROWS_PER_S))

.PHONY: bench-serving
bench-serving: setup ## Predictions a second beside MLflow's scoring server and a bare echo (8 minutes; needs wrk)
	@PYTHONPATH="benchmarks$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m serving.run $(if $(ROUNDS),--rounds $(ROUNDS)) \
	  $(if $(SECONDS_EACH),--seconds $(SECONDS_EACH))

.PHONY: bench-science
bench-science: setup .venv/.active-learning $(if $(WITHOUT_NANNYML),,.venv-nannyml/.stamp) ## Estimates, labels, updates on real shifts, beside NannyML and others (CASES=path/to/cases.py for yours)
	@PYTHONPATH="benchmarks$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m science.run $(if $(CASES),--cases "$(CASES)") $(if $(SEEDS),--seeds "$(SEEDS)") \
	  $(if $(WINDOWS),--windows $(WINDOWS)) $(if $(JOBS),--jobs $(JOBS)) $(if $(PARTS),--parts "$(PARTS)") \
	  $(if $(ONLY),--only "$(ONLY)") $(if $(WITHOUT_NANNYML),--without-nannyml) $(if $(KEEP_GOING),--keep-going)

.PHONY: bench-calibrate
bench-calibrate: setup ## Measure the shifts anew and write the table that intervals and bounds rest on (minutes)
	@PYTHONPATH="benchmarks$${PYTHONPATH:+:$$PYTHONPATH}" $(BIN)/python -m science.calibrate

# scikit-activeml goes with what is locked: only it and what it alone needs are added.
.venv/.active-learning: benchmarks/requirements-active-learning.txt .venv/.stamp
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

# NannyML needs older versions of what the package needs, and Python 3.11 or 3.12: an environment of its own.
.venv-nannyml/.stamp: benchmarks/requirements-nannyml.txt
	@for candidate in $(if $(PYTHON),"$(PYTHON)") $(BIN)/python python3.12 python3.11 python3; do \
	  if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null; then \
	    "$$candidate" -m venv --clear .venv-nannyml; found=yes; break; \
	  fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "NannyML runs on Python 3.11 and 3.12 only, and neither was found." >&2; \
	  echo "Install one and name it: make bench-science PYTHON=/path/to/python3.12" >&2; \
	  echo "or leave NannyML out: make bench-science WITHOUT_NANNYML=1" >&2; \
	  exit 1; \
	fi
	@echo "Installing NannyML into .venv-nannyml, beside the package's own environment; the first time this takes minutes."
	.venv-nannyml/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  -r benchmarks/requirements-nannyml.txt
	@touch $@

.PHONY: drill-startup
drill-startup: setup ## Seconds until `dissonance up` is ready, and the memory of the whole embedded system
	@$(BIN)/dissonance drill startup

.PHONY: drill-nothing-lost
drill-nothing-lost: setup ## Kill roles and engines mid-stream, then account for every acknowledged prediction
	@$(BIN)/dissonance drill nothing-lost

.PHONY: drill-faults
drill-faults: setup ## Kill, stop, slow, cut off, fill, corrupt and flood every part under load (15 minutes; ONLY=word, RATE=200)
	@$(BIN)/dissonance drill faults $(if $(RATE),--rate $(RATE)) $(if $(ONLY),--only "$(ONLY)")

.PHONY: drill-rollback
drill-rollback: setup ## Hundreds of rollbacks under load, and bad models that the system must take back by itself (10 minutes)
	@$(BIN)/dissonance drill rollback $(if $(ROLLBACKS),--rollbacks $(ROLLBACKS)) $(if $(RATE),--rate $(RATE))

.PHONY: drill-keys
drill-keys: setup ## Keys rotated under load, people erased out of a million, a backup put back (20 minutes; PEOPLE=10000, ROTATIONS=2)
	@$(BIN)/dissonance drill keys $(if $(PEOPLE),--people $(PEOPLE)) $(if $(ROTATIONS),--rotations $(ROTATIONS)) $(if $(RATE),--rate $(RATE))

.PHONY: drill-deploy
drill-deploy: setup ## Ten updates in a row into production without a hand, labels replayed (20 minutes)
	@$(BIN)/dissonance drill deploy $(if $(DEPLOYMENTS),--deployments $(DEPLOYMENTS))

.PHONY: drill-revocation
drill-revocation: setup ## Seconds until a revoked credential is refused by every replica, one that was away too (minutes; ROUNDS=3)
	@$(BIN)/dissonance drill revocation $(if $(ROUNDS),--rounds $(ROUNDS))

.PHONY: drill-encryption
drill-encryption: setup ## Canaries through every input, with and without encryption; every byte is searched (ten minutes; the wire needs root)
	@$(BIN)/dissonance drill encryption

.PHONY: drill-who-answered
drill-who-answered: setup ## Versions that come and go while predictions go on; then every prediction is asked about (4 minutes)
	@$(BIN)/dissonance drill who-answered $(if $(VERSIONS),--versions $(VERSIONS)) $(if $(RATE),--rows-per-s $(RATE))

# Scanners need older versions of what the package needs: an environment of their own.
.venv-pentest/.stamp: benchmarks/requirements-pentest.txt .venv/.stamp
	@echo "Installing schemathesis, wapiti and sqlmap into .venv-pentest; the first time this takes a minute."
	$(environment)

.PHONY: pentest
pentest: setup .venv-pentest/.stamp ## Attack a system of its own by every way in, with walks and scanners (15 minutes; ONLY="walk-http sqlmap", PATIENCE=3)
	@if ! { command -v sslscan && { command -v testssl || command -v testssl.sh; }; } >/dev/null 2>&1; then \
	  if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	    apt-get install --quiet --quiet --yes --no-install-recommends sslscan testssl.sh >/dev/null || \
	      echo "apt-get could not install sslscan and testssl.sh: they will count as not having looked." >&2; \
	  else \
	    echo "sslscan or testssl.sh is missing, and will count as not having looked (Debian, Ubuntu: apt install sslscan testssl.sh)." >&2; \
	  fi; \
	fi
	@$(BIN)/dissonance drill pentest $(foreach tool,$(ONLY),--only $(tool)) $(if $(PATIENCE),--patience $(PATIENCE))

.venv-tools/bin/uv:
	@test -x $(BIN)/python || $(MAKE) setup
	$(BIN)/python -m venv .venv-tools
	.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check uv

.PHONY: lock
lock: .venv-tools/bin/uv ## Resolve requirements.lock anew from pyproject.toml, with hashes; those of the peers too
	.venv-tools/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --extra system --extra cluster --extra drills --extra pipeline --group dev pyproject.toml \
	  -o requirements.lock --custom-compile-command "make lock"
	.venv-tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-package nvidia-nccl-cu12 \
	  benchmarks/requirements-nannyml.in -o benchmarks/requirements-nannyml.txt --custom-compile-command "make lock"
	.venv-tools/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url tests/requirements-clients.in \
	  -o tests/requirements-clients.txt --custom-compile-command "make lock"
	.venv-tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-deps \
	  benchmarks/requirements-active-learning.in -o benchmarks/requirements-active-learning.txt --custom-compile-command "make lock"
	.venv-tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url security/requirements.in \
	  -o security/requirements.txt --custom-compile-command "make lock"
	.venv-tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  benchmarks/requirements-pentest.in -o benchmarks/requirements-pentest.txt --custom-compile-command "make lock"

.PHONY: clean
clean: ## Remove .venv and everything that was built or cached (never your data folder)
	rm -rf .venv .venv-tools .venv-nannyml .venv-clients .venv-linters .venv-pentest .coverage .coverage.* htmlcov build dist .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
