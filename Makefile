# The commands of this project. A newcomer needs `make demo` and `make test`; each makes what it lacks:
# a virtual environment .venv with pinned packages from PyPI, and the native build.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
EXTRAS := train,metrics,fit,test,compare,bench,dev,export
NATIVE := CMakeLists.txt pyproject.toml $(shell find csrc -type f)

.PHONY: help demo test lint format bench gpu dev clean
help:
	@echo "make demo [DATA=folder]  train and evaluate a pose model on generated (or your own) people"
	@echo "make test                all tests"
	@echo "make lint                ruff, clang-format, mypy"
	@echo "make bench               operator benchmarks on this CPU"
	@echo "make gpu                 build, all tests and benchmarks on an NVIDIA GPU, with the torch of \$$(PYTHON)"
	@echo "make format, make dev, make clean"

$(VENV)/packages: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, got %d.%d" % sys.version_info[:2] if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(RUN) tools/install_extras.py --constraints constraints.txt --extras $(EXTRAS)
	touch $@

$(VENV)/build: $(VENV)/packages $(NATIVE)
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	touch $@

demo: $(VENV)/build
	$(RUN) -m python_models demo $(if $(DATA),--data $(DATA))

# Two processes, each with the usual threads, which must not spin while they wait for one another.
PROCESSES ?= 2
test: $(VENV)/build
	OMP_WAIT_POLICY=PASSIVE GOMP_SPINCOUNT=0 $(RUN) -m pytest -n $(PROCESSES) --dist loadfile

lint: $(VENV)/packages
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | xargs $(VENV)/bin/clang-format --dry-run --Werror
	$(VENV)/bin/mypy

format: $(VENV)/packages
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .
	find csrc -name '*.h' -o -name '*.cpp' -o -name '*.cu' -o -name '*.cuh' | xargs $(VENV)/bin/clang-format -i

bench: $(VENV)/build
	$(RUN) -m benchmarks --device cpu

# For a machine with an NVIDIA GPU, nvcc and a python that has torch, pybind11 and pytest: nothing is installed.
gpu dev: export PATH := $(shell $(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$(PATH)
SANITIZER = $(or $(shell command -v compute-sanitizer),$(wildcard /usr/local/cuda/bin/compute-sanitizer))
# A few cases of each kernel; torch's caching allocator would hide what is written past the end of a tensor.
SANITIZED = (people_are_combined or gradient_equals or one_pixel or odd_sizes or maximum_of_the_smoothed or rows_of_any) and cuda
gpu:
	cmake -S . -B build/gpu -G Ninja -DPYPOSEOPS_CUDA=on -DCMAKE_CUDA_ARCHITECTURES=native -DPython_EXECUTABLE="$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	cmake --build build/gpu
	cp build/gpu/_core*.so pyposeops/
	POSEOPS_REQUIRE_CUDA=1 $(PYTHON) -m pytest
	$(if $(SANITIZER),PYTORCH_NO_CUDA_MEMORY_CACHING=1 POSEOPS_REQUIRE_CUDA=1 timeout 120 $(SANITIZER) --tool memcheck --error-exitcode 1 $(PYTHON) -m pytest -q -x tests/ops -k "$(SANITIZED)",@echo "compute-sanitizer not found: memory check left out")
	$(PYTHON) -m benchmarks --device cuda --json "benchmarks/results/cuda-$$(nvidia-smi --query-gpu=name --format=csv,noheader | head -1 | tr 'A-Z ' 'a-z-').json"

# Native build in place, for work on the sources: make dev PYTHON=/path/to/python [CUDA=off]
CUDA ?= auto
dev:
	cmake -S . -B build/dev -G Ninja -DPYPOSEOPS_CUDA=$(CUDA) -DPython_EXECUTABLE="$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	cmake --build build/dev
	cp build/dev/_core*.so pyposeops/

clean:
	rm -rf build dist $(VENV) .venv-* pyposeops/_core*.so
