# restante.carbonio. `make drill` shows it at work, `make test` proves it; both make what they need under build/.

PYTHON ?= python3
# A folder of mail for the drill (default: a mailbox that the project generates).
CORPUS ?=
# Anything here lets the drill encrypt its backup.
ENCRYPTED ?=
# Files with the names of a site, for the blanks of the runbook.
VARS ?=
# How much `make bench` measures: full or small.
SCALE ?= full
# How long `make torture` goes on: a quarter each with files, a bucket, processes that are killed, and many commands.
SECONDS ?= 1800

DRILL_ENV := build/env-drill
TEST_ENV := build/env-test
LINT := ruff mypy changelog docs site ansible-lint
SUITES := unit engine playbooks fleet molecule versions drill-tests torture-tests bench-tests

.PHONY: help drill test lint sanity $(SUITES) docs screenshot requirements commands runbook bench torture env-drill env-test
.PHONY: clean

help:
	@echo "make drill [CORPUS=folder] [ENCRYPTED=1]    rehearse the S3 recovery on this machine (under 2 minutes)"
	@echo "make test                     all that CI runs"
	@echo "make lint | sanity            ruff, mypy, ansible-lint, ... | ansible-test sanity"
	@echo "make unit | engine | playbooks | fleet | molecule | versions | drill-tests | torture-tests | bench-tests    one suite of tests"
	@echo "make torture [SECONDS=1800]   disturb the work in every way at random; see docs/torture.md"
	@echo "make docs                     build the site of the collection: build/docsite/html/index.html"
	@echo "make screenshot               take the picture of a drill's report that README.md shows"
	@echo "make requirements             write docs/requirements.md from what the tests say"
	@echo "make commands                 write docs/commands.md from the grammar of the command line"
	@echo "make runbook [VARS=site.yml]   the runbook for a lost node as a page to print, with the names of your site"
	@echo "make bench [SCALE=small] [ONLY=imap]    measure against other programs; writes docs/benchmarks.md"
	@echo "make clean                    remove build/"
	@echo "PYTHON=/path/to/python3       use another Python (3.10 or newer) for any of these"

drill: env-drill
	@PYTHONPATH=build/collections $(DRILL_ENV)/bin/python -m tools.drill $(if $(CORPUS),--corpus "$(CORPUS)") $(if $(ENCRYPTED),--encrypted)

test: env-test
	@$(TEST_ENV)/bin/python tools/testrun.py

lint: env-test
	@$(TEST_ENV)/bin/python tools/testrun.py $(LINT)

sanity: env-test
	@$(TEST_ENV)/bin/python tools/testrun.py sanity

$(SUITES): env-test
	@$(TEST_ENV)/bin/python tools/testrun.py $(@:-tests=)

docs: env-test
	@$(TEST_ENV)/bin/python tools/docsite.py

screenshot: drill env-test
	@$(TEST_ENV)/bin/python -m tools.screenshot

requirements: env-test
	@$(TEST_ENV)/bin/python tools/requirements.py

commands: env-test
	@PYTHONPATH=build/collections $(TEST_ENV)/bin/python tools/commands.py

runbook: env-drill
	@$(DRILL_ENV)/bin/python -m tools.printed docs/runbook-lost-node.md $(if $(VARS),--vars $(VARS))

bench: env-test
	@PYTHONPATH=build/collections $(TEST_ENV)/bin/python -m bench --scale $(SCALE) $(if $(ONLY),--only $(ONLY))

torture: env-test
	@found=0; for part in torture torture.s3 torture.s3_processes; do \
		PYTHONPATH=build/collections $(TEST_ENV)/bin/python -m tests.$$part --seconds $$(($(SECONDS) / 4)) || found=1; \
	done; \
	PYTHONPATH=build/collections $(TEST_ENV)/bin/python -m tests.torture --machine --seconds $$(($(SECONDS) / 4)) || found=1; \
	PYTHONPATH=build/collections $(TEST_ENV)/bin/python -m tests.fuzz || found=1; exit $$found

env-drill env-test:
	@$(PYTHON) tools/environment.py $(@:env-%=%)

clean:
	rm -rf build
