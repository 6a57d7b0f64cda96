# make demo       installs the dependencies and serves the dashboard on PORT; computes the demo run in the background
# make test       installs the dependencies and runs all tests except slow tests
# make slow       runs the slow tests: whole and killed runs, clusters, trainings, journeys through the dashboard
# make quick      runs all tests except browser tests and slow tests
# make check      formats and lints the code, and checks types and imports
# make bench      prints one JSON object of throughputs and ratios
# make docs       updates the generated parts of docs/ and README.md
# make site       builds the documentation site with the live demo into build/site, and fails for broken links
# make published  tests the published encoders at full size with random weights and a local mock of the hub
# make package    builds the source distribution and the wheel into dist/, and tests the wheel in an empty folder
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

.PHONY: demo test slow quick check bench docs site published package browser clean

demo: .venv/runtime
	$(BIN)/probing demo --port $(PORT)

# Tests start dozens of processes, each of which would otherwise compile the sources again.
test slow quick: export PYTHONDONTWRITEBYTECODE =

# On two cores, a third process would slow down all of them.
test: .venv/dev browser
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow and not network'

slow: .venv/dev browser
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'slow and not network'

quick: .venv/dev
	$(BIN)/pytest -q -n 2 --dist loadfile -m 'not slow and not browser and not network'

check: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev
	@$(BIN)/python -m lab.benchmarks

docs: .venv/dev
	$(BIN)/python -m lab.scripts.docs

site: .venv/dev
	NO_MKDOCS_2_WARNING=1 DISABLE_MKDOCS_2_WARNING=true $(BIN)/mkdocs build --clean
	$(BIN)/python -m lab.scripts.site_demo

published: .venv/dev
	$(BIN)/python -m lab.scripts.published

package: .venv/dev
	$(BIN)/python -m lab.scripts.package

# Browser for the page tests: installed if this requires no password. Otherwise, these tests are skipped.
# Debian's chromium-headless-shell uses a tenth less processor time than its chromium.
browser:
	@for name in chromium-headless-shell chromium chromium-browser google-chrome; do \
	  command -v $$name >/dev/null && exit 0; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq; \
	  for package in chromium-headless-shell chromium; do \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$package fonts-liberation >/dev/null 2>&1 && exit 0; \
	  done; \
	fi; \
	echo "No Chromium here: the browser tests will be skipped. Install it with your system's package manager."

.venv/runtime: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: Python 3.11 or newer is needed; $$($(PYTHON) --version) was found. Try: make PYTHON=python3.12" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -q -e .
	@touch $@

.venv/dev: pyproject.toml .venv/runtime
	$(BIN)/pip install --disable-pip-version-check -q -e '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
