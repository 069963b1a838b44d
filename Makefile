# Two commands: `make demo` and `make test`. Each makes .venv and installs what it needs.
PYTHON ?= python3
# PyTorch's CPU wheels; `make demo PIP_FIND_LINKS=` takes the package index's build, which has CUDA.
PIP_FIND_LINKS ?= https://download.pytorch.org/whl/cpu/torch/
export PIP_FIND_LINKS

.PHONY: demo test check install clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: install
	.venv/bin/svsdata demo demo

# Bytecode is kept, whatever the environment says: processes that tests start would compile all again.
test: check
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest --numprocesses 2 --dist loadfile

# Types and layers are checked on the built tree, which is what ships.
check: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	rm -rf build
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --target build/tree .
	cd build/tree && ../../.venv/bin/python -m mypy --config-file ../../pyproject.toml --cache-dir ../../.mypy_cache -p svsdata
	cd build/tree && PYTHONPATH=. ../../.venv/bin/lint-imports --config ../../pyproject.toml --cache-dir ../../.import_linter_cache

clean:
	rm -rf .venv build demo
