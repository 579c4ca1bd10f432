# One target for each task. `make bench` and `make test` do all set-up on a fresh Linux machine with Python, pip and git.

PYTHON ?= python3
EXTRAS ?= [tensorflow]
PHOTOS ?= data/synthetic
RECORDS ?=
# Any name of a folder is taken, with spaces, quotes and dollars: the shell gets it as a variable, as it was given.
override PHOTOS := $(value PHOTOS)
override RECORDS := $(value RECORDS)
export PHOTOS RECORDS
RUN := .venv/bin/python
INSTALLED := .venv/installed$(subst ],,$(subst [,-,$(EXTRAS)))

BESIDE := .venv/beside.log

.PHONY: bench test test-here test-beside test-without-tensorflow test-beam report tensorboard docs clean programs fuzz

bench: about $(INSTALLED) $(if $(subst data/synthetic,,$(PHOTOS)),,data/synthetic)  ## measure the quick matrix here
	name=$$($(RUN) -c 'import os; print(os.path.basename(os.path.abspath(os.environ["PHOTOS"])))'); \
	records="$${RECORDS:-data/$$name-192}"; \
	$(RUN) -m flowers_core records -- "$$PHOTOS" "$$records" && \
	{ $(RUN) -m bench sweep --profile quick --seconds 1 --photos="$$PHOTOS" --records="$$records"; \
	code=$$?; $(RUN) -m bench report && exit $$code; }  # a cell that failed is on the page, too
	@echo "Next: open the page; $(RUN) -m bench stall --model dense --pipeline records_parallel: is input the limit?"

# What `make bench` will do, before it does it.
.PHONY: about
about:
	@test -x $(RUN) || echo "1. Installs into .venv, up to 3.5 GB: a minute, and the download."
	@echo "2. Draws 300 photos if none are given and writes TFRecords: 25 MB, half a minute."
	@echo "3. Measures every pipeline and a training step of every model: some 5 minutes on 2 cores. Ctrl-C keeps what is measured."
	@echo "4. Writes the page, results/html/index.html, and prints what was found."

test: .venv/installed-test .venv/installed-torch programs  ## all tests and checks
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/pyrefly check
	@$(MAKE) --no-print-directory --jobs=2 test-here test-beside; code=$$?; cat $(BESIDE); exit $$code

# Tests wait for processes and for time as often as they compute: there are more processes than cores. Each has tests of
# neighbouring files, which share what they draw and train, until it takes over half of what another has left.
test-here: .venv/installed-test .venv/installed-torch
	.venv/bin/pytest --numprocesses 3 --dist worksteal

# What other environments are needed for, beside the tests above; what it printed is shown after theirs.
test-beside: $(INSTALLED)
	@$(MAKE) --no-print-directory test-without-tensorflow test-beam > $(BESIDE) 2>&1

# What needs no TensorFlow, in an environment that has none: the other backends from photos to predictions.
test-without-tensorflow: .venv-without-tensorflow/installed
	.venv-without-tensorflow/bin/python -m pytest --quiet tests/without_tensorflow

# What needs Apache Beam, which wants older versions of four packages than constraints.txt has.
test-beam: .venv-beam/installed
	.venv-beam/bin/python -m pytest --quiet tests/flowers_core/data/test_beam_records.py

# The page is tried in a real browser, faults of disks by strace: those that are here, or Debian's where root may install
# them; else their tests say so.
programs:
	@{ command -v strace && { command -v chromium || command -v google-chrome; }; } > /dev/null || test "$$(id -u)" != 0 || \
	! command -v apt-get > /dev/null || \
	{ apt-get update --quiet && apt-get install --yes --quiet chromium; apt-get install --yes --quiet strace; } > /dev/null 2>&1 || true

fuzz: .venv/installed-test  ## damage what is read, for MINUTES (10) minutes: nothing but a sentence may come of it
	$(RUN) -m tests.faults.fuzz --minutes $(or $(MINUTES),10)

report: $(INSTALLED)  ## tables and the page, from what has been measured
	$(RUN) -m bench report

docs: $(INSTALLED)  ## docs/commands.md, from the help of every command
	$(RUN) docs/commands.py

tensorboard: $(INSTALLED)  ## traces, the sweep as a table, curves of trainings, on this machine alone
	$(RUN) -m bench tensorboard

clean:  ## forget photos, records and environments; measurements stay
	rm -rf .venv .venv-without-tensorflow .venv-beam .asv data

# Draws what is missing and returns at once if nothing is.
.PHONY: data/synthetic
data/synthetic: $(INSTALLED)
	$(RUN) -m flowers_core synthetic data/synthetic

# uv installs in seconds what takes pip minutes. Python compiles what is imported at the first import (all would take a
# minute), unless the caller's environment forbids it: then every process would take 10 s for TensorFlow, not 3.
unexport PYTHONDONTWRITEBYTECODE
# `make bench EXTRAS=[jax]`, `[torch]`, `[gpu]` or `[tpu]` takes another backend than TensorFlow on a CPU; `[tensorflow,jax]`
# takes two.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed. Received: " + sys.version)'
	test -x .venv/bin/python || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt uv
	$(RUN) -m uv pip install --python .venv --constraint constraints.txt --editable '.$(EXTRAS)'
	.venv/bin/asv machine --yes > /dev/null
	touch $@

.venv/installed-test: $(INSTALLED)
	$(RUN) -m uv pip install --python .venv --constraint constraints.txt --group test
	touch $@

# A reason is printed, and tests of torch are skipped, where no build without CUDA can be had.
.venv/installed-torch: .venv/installed-test .ci/install_torch.py
	-$(RUN) .ci/install_torch.py
	touch $@

.venv-beam/installed: $(INSTALLED)
	$(PYTHON) -m venv .venv-beam
	$(RUN) -m uv pip install --python .venv-beam --editable '.[beam]' hypothesis pytest
	touch $@

.venv-without-tensorflow/installed: $(INSTALLED) .ci/install_torch.py
	$(PYTHON) -m venv .venv-without-tensorflow
	$(RUN) -m uv pip install --python .venv-without-tensorflow --constraint constraints.txt --editable '.[jax]' hypothesis pytest
	-.venv-without-tensorflow/bin/python .ci/install_torch.py
	touch $@
