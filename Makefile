# make demo    sets everything up and serves the dashboard on PORT: the reference run at once, while the demo run over
#              the packaged photographs is computed beside it
# make test    sets everything up and runs all tests
# make quick   runs what a change needs in between: no browser, nothing slow
# make check   formats, lints, checks types and imports
# make bench   prints one JSON object of throughputs and ratios
# make docs    regenerates what is generated in docs/
# make site    builds the documentation site into build/site, and fails for a broken link
# make published tries the published encoders at full size, in random weights, through a hub on this machine
# make package builds the source distribution and the wheel into dist/, and tries the wheel in an empty folder
PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

.PHONY: demo test quick check bench docs site published package browser clean

demo: .venv/runtime
	$(BIN)/probing demo --port $(PORT)

# Tests start dozens of processes: without compiled files, each would compile the sources anew.
test quick: export PYTHONDONTWRITEBYTECODE =

test: .venv/dev browser
	$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

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

published: .venv/dev
	$(BIN)/python -m lab.scripts.published

package: .venv/dev
	$(BIN)/python -m lab.scripts.package

# A browser for the page tests: installed where that needs no password, otherwise those tests say that they skip.
browser:
	@command -v chromium chromium-browser google-chrome >/dev/null 2>&1 || \
	  { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && \
	    { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }; } || \
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
