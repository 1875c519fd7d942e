# The commands of this project. `make demo` and `make test` are all a newcomer needs: each makes what it lacks.
PYTHON ?= python3
