# The commands of this project. `make demo` and `make test` are all a newcomer needs: each makes what it lacks.
PYTHON ?= python3

# Native build in place for whoever works on the sources: make dev PYTHON=/path/to/python [CUDA=on]
CUDA ?= auto
.PHONY: dev
dev:
	cmake -S . -B build/dev -G Ninja -DPYPOSEOPS_CUDA=$(CUDA) -DPython_EXECUTABLE=$(PYTHON)
	cmake --build build/dev
	cp build/dev/_core*.so pyposeops/
