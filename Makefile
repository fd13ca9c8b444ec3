# Two commands for most days: `make dev` starts a provider on this machine, `make test` is everything CI runs.
# Needs Python 3.11+ and make; `make dev PYTHON=/path/to/python3.12` chooses another Python than python3.
.SILENT:
.PHONY: help dev setup test lint docs bench bench-scale bench-overload bench-verify clean
IN_VENV := .venv/.installed
NODE := $(patsubst %/package.json,%,$(wildcard tests/node/package.json examples/*/package.json))

help:
	sed -n 's/^\([a-z-]*\):.*## /make \1: /p' Makefile

dev: $(IN_VENV)-server  ## start the provider; ARGS="--demo" adds two sites that share its sign-on
	.venv/bin/idp dev $(ARGS)

setup: $(IN_VENV)-dev $(NODE:=/node_modules/.installed)  ## install what the tests need

test: setup  ## style, strict types and the whole suite; ARGS="tests/flows -k refresh" narrows it
	scripts/test $(ARGS)

lint: $(IN_VENV)-dev  ## style and strict types alone
	scripts/check

docs: $(IN_VENV)-dev  ## the documentation as a site, in build/docs/html
	.venv/bin/python scripts/docs_site.py

bench: $(IN_VENV)-dev  ## measure against a well-known provider, see bench/README.md
	.venv/bin/python bench/run.py $(ARGS)

bench-scale: $(IN_VENV)-dev  ## measure a full database against an empty one, on PostgreSQL (about 20 minutes)
	.venv/bin/python bench/scale.py $(ARGS)

bench-overload: $(IN_VENV)-dev  ## five times the peak for twenty seconds, and what is left of the work
	.venv/bin/python bench/overload.py $(ARGS)

bench-verify: $(IN_VENV)-dev  ## verifications a second of idp.verify against PyJWT
	.venv/bin/python bench/verify.py $(ARGS)

clean:  ## remove the virtual environment and installed node packages
	rm -rf .venv tests/node/node_modules bench/node/node_modules examples/*/node_modules examples/*/dist

$(IN_VENV)-server: requirements/server.txt pyproject.toml
	scripts/install server
	touch $@

$(IN_VENV)-dev: requirements/dev.txt pyproject.toml
	scripts/install dev
	touch $(IN_VENV)-server $@

# Without Node.js the tests that need it are skipped (under IDP_REQUIRE_ALL=1 they fail).
%/node_modules/.installed: %/package.json
	if command -v npm >/dev/null; then \
	  cd $* && npm install --no-package-lock --no-audit --no-fund --loglevel=error && touch node_modules/.installed; fi
