# make lab, make test and make demo each take a fresh clone to the end; `make help` lists everything.
#
# Needs Python 3.11 or newer with venv, Node 20 or newer and, for the tests, a C compiler. Whatever is
# installed or built stays in the clone: .venv, node_modules, build.

SHELL := /bin/bash
# One thing at a time, but where a recipe below asks for more.
ifndef TOGETHER
.NOTPARALLEL:
endif
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# To be set on the command line:
# the Python that the environment is made with
PYTHON ?= python3
# further options of pip install, such as --extra-index-url=... for a torch without CUDA
PIP_FLAGS ?=
# whether make lab opens a browser: auto (where there is a display), yes, no
BROWSER ?= auto
# further options of jupyter lab, such as --port=8890
LAB_FLAGS ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PLAYWRIGHT_BROWSERS_PATH := $(CURDIR)/.venv/browsers
export YARN_ENABLE_PROGRESS_BARS := 0
export YARN_ENABLE_TELEMETRY := 0
export YARN_PREFER_AGGREGATE_CACHE_INFO := 1
# Node trusts only the certificates it brings; behind a company's proxy the machine's own are needed too.
export NODE_EXTRA_CA_CERTS ?= $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt \
  /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
unexport PYTHONHOME PYTHONPATH VIRTUAL_ENV

TUTORIALS := $(wildcard notebooks/*.ipynb)
EXTENSION := $(shell find extension -type f -not -path 'extension/lib/*' -not -name messages.ts \
  -not -name '*.tsbuildinfo' -not -path 'extension/tests/*' -not -path 'extension/node_modules/*')

APART := .venv/llm-compressor .venv/lm-eval

# jupyter-collaboration is there for the tests of it, which switch it on for themselves.
WITHOUT_COLLABORATION := {"disabledExtensions": {"@jupyter/collaboration-extension": true, "@jupyter/docprovider-extension": true}}

heading = printf '\n\033[1m== %s\033[0m\n' "$(1)"
fail = { printf '\n%s\n' "$(1)" >&2; exit 1; }

# ---- What one types

.PHONY: lab
lab: .venv/built ## JupyterLab with the tutorial open
	@$(call heading,JupyterLab)
	@flags='--ServerApp.ip=127.0.0.1 --LabApp.default_url=/lab/tree/notebooks/01-measure.ipynb'; \
	if [ "$$(id -u)" = 0 ]; then flags="$$flags --allow-root"; fi; \
	case "$(BROWSER)$$(uname)$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" in \
	  no* | autoLinux) flags="$$flags --no-browser";; \
	esac; \
	exec jupyter lab $$flags $(LAB_FLAGS)

# What does not look at the clock runs two at a time, with the output of each kept together where this make can do so.
.PHONY: test
test: ## Every check and every test
	@$(MAKE) TOGETHER=yes --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target) \
	  check-python check-extension test-extension $(APART) .venv/browser
	@$(MAKE) test-python test-browser
	@$(call heading,Every check and every test passed)
	@tail -n 1 build/logs/*.summary

.PHONY: demo
demo: .venv/built ## The tutorial without a browser, and its table of cells
	@$(call heading,notebooks/01-measure.ipynb)
	@mkdir -p build
	@greenllm run notebooks/01-measure.ipynb --output build/01-measure.energy.html

.PHONY: tutorials
tutorials: .venv/built ## Every tutorial, whole, without a browser
	@mkdir -p build
	@set -e; for notebook in $(TUTORIALS); do \
	  $(call heading,$$notebook); \
	  greenllm run "$$notebook" --output "build/$$(basename "$$notebook" .ipynb).energy.html"; \
	done

.PHONY: bench
bench: .venv/built ## What measuring costs, beside the bare alternatives
	@$(call heading,Benchmarks)
	@python tests/benchmarks

.PHONY: gpu
gpu: .venv/installed ## What an NVIDIA card's sensor is like, and GreenLLM on it: 8 minutes, see tests/gpu/README.md
	@$(call heading,On this machine's NVIDIA card)
	@python tests/gpu

.PHONY: gpu-models
gpu-models: .venv/installed ## Joules per token of Llama shapes on an NVIDIA card: 9 minutes a run, see tests/gpu/README.md
	@$(call heading,Models on this machine's NVIDIA card)
	@python tests/gpu/models

.PHONY: clean
clean: ## Remove all that make has made, the environment too
	rm -rf .venv node_modules build dist test-results tests/ui/test-results
	rm -rf extension/lib extension/node_modules extension/src/messages.ts extension/*.tsbuildinfo greenllm_kernel/labextension
	rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .eslintcache .stylelintcache

.PHONY: help
help: ## This list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r name text; do printf 'make %-16s %s\n' "$$name" "$$text"; done

# ---- The parts of make test

.PHONY: check-python
check-python: .venv/installed ## Style, types and the direction of imports
	@$(call heading,Python: style)
	ruff check .
	ruff format --check .
	@$(call heading,Python: types)
	mypy
	@$(call heading,Python: which way imports point)
	lint-imports --no-logo

.PHONY: check-extension
check-extension: .venv/built ## Style and types of the extension
	@$(call heading,Extension: style)
	jlpm lint
	@$(call heading,Extension: types)
	jlpm typecheck

.PHONY: test-extension
test-extension: .venv/built | build/logs ## Unit tests and size of the extension
	@$(call heading,Extension: unit tests and size)
	@set -o pipefail; NO_COLOR=1 FORCE_COLOR=0 jlpm test 2>&1 | tee build/logs/extension.log
	@jlpm size
	@grep -E '^ *Tests ' build/logs/extension.log > build/logs/extension.summary

.PHONY: test-python
test-python: .venv/built $(APART) | build/logs ## Unit tests, and tests with real kernels
	@command -v cc > /dev/null || $(call fail,The tests compile stand-ins for hardware. Please install a C compiler (cc).)
	@$(call heading,Python: unit tests and real kernels)
	@set -o pipefail; pytest --color=no --numprocesses=3 --dist=loadfile --durations=25 2>&1 | tee build/logs/python.log
	@tail -n 1 build/logs/python.log > build/logs/python.summary

.PHONY: test-browser
test-browser: .venv/built .venv/browser | build/logs ## Tests of the sidebar in a real browser
	@$(call heading,Extension: a real browser on a real JupyterLab)
	@set -o pipefail; NO_COLOR=1 FORCE_COLOR=0 GREENLLM_CHROMIUM="$$(cat .venv/browser)" jlpm test:ui 2>&1 | tee build/logs/browser.log
	@grep -E '^ *[0-9]+ passed' build/logs/browser.log > build/logs/browser.summary

build/logs:
	@mkdir -p $@

# ---- The environment: Python packages, JavaScript packages, the built extension, a browser

.venv/bin/python:
	@$(call heading,Python environment in .venv)
	@wanted='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	  if command -v "$$python" > /dev/null && "$$python" -c "$$wanted" 2> /dev/null; then found="$$python"; break; fi; \
	done; \
	[ -n "$${found:-}" ] || $(call fail,No Python 3.11 or newer was found. Name one: make PYTHON=/path/to/python3.11); \
	rm -rf .venv; \
	if "$$found" -c 'import ensurepip, venv' 2> /dev/null; then "$$found" -m venv .venv; \
	elif "$$found" -c 'import virtualenv' 2> /dev/null; then "$$found" -m virtualenv --quiet .venv; \
	else $(call fail,$$found cannot make environments. On Debian and Ubuntu: apt-get install python3-venv); fi; \
	.venv/bin/python --version

# Without the extension, which the next rules build in place: so both can be brought up to date alone.
.venv/installed: .venv/bin/python pyproject.toml tests/constraints.txt greenllm_kernel/kernelspec/kernel.json install.json \
  greenllm_kernel/server/jupyter_server_config.json
	@$(call heading,Python packages)
	@echo 'The first time this takes some minutes.'
	@mkdir -p greenllm_kernel/labextension && rm -rf .venv/share/jupyter/labextensions/greenllm
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 python -m pip install --progress-bar off --quiet $(PIP_FLAGS) \
	  --constraint tests/constraints.txt --editable '.[llm,test,dev]'
	@mkdir -p .venv/etc/jupyter/labconfig && printf '%s\n' '$(WITHOUT_COLLABORATION)' > .venv/etc/jupyter/labconfig/page_config.json
	@touch $@

# llm-compressor wants an older transformers than the rest, and without lm-eval one is to be told so: each lies in a
# folder of its own, for its tests to look in.
$(APART): .venv/%: .venv/installed tests/%.txt
	@$(call heading,$*)
	@rm -rf $@
	python -m pip install --progress-bar off --quiet --no-deps --target $@ --requirement tests/$*.txt
	@touch $@

.venv/node_modules: .venv/installed package.json yarn.lock .yarnrc.yml
	@$(call heading,JavaScript packages)
	@wanted='process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; \
	{ command -v node > /dev/null && node -e "$$wanted"; } || $(call fail,Node 20 or newer is needed to build the extension.)
	jlpm install
	@touch $@

.venv/built: .venv/node_modules $(EXTENSION) greenllm_kernel/messages.schema.json
	@$(call heading,Extension)
	jlpm build:prod
	@rm -rf .venv/share/jupyter/labextensions/greenllm && mkdir -p .venv/share/jupyter/labextensions
	@ln -s ../../../../greenllm_kernel/labextension .venv/share/jupyter/labextensions/greenllm
	@touch $@

# The path of a Chromium that starts: the machine's own, or else one that is fetched.
.venv/browser: .venv/node_modules
	@$(call heading,Browser)
	@find_browser() { \
	  for name in chromium chromium-browser google-chrome google-chrome-stable \
	      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' \
	      .venv/browsers/chromium-*/chrome-*/chrome .venv/browsers/chromium-*/chrome-*/*.app/Contents/MacOS/*; do \
	    path="$$(command -v "$$name" 2> /dev/null)" && "$$path" --version 2> /dev/null \
	      && printf '%s\n' "$$path" > $@ && return; \
	  done; \
	  return 1; \
	}; \
	find_browser && exit; \
	if [ "$$(id -u)" = 0 ] && grep -qs '^ID=debian' /etc/os-release; then \
	  apt-get update --quiet && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends chromium; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then node_modules/.bin/playwright install --with-deps chromium; \
	else node_modules/.bin/playwright install chromium; fi; \
	find_browser || $(call fail,No Chromium could be installed. Please install chromium or google-chrome.)
