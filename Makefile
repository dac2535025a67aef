# make demo   set up, draw sample leaves if there are no images, run all five
# make test   set up, then flake8 and pytest
# make lint   flake8 alone
# make fuzz   20,000 damaged files, 1,000 random command lines (20 minutes)
# make faults killed, interrupted, without room, 50 times each (an hour)
# make clean  remove what demo and test have made, but not ./images
#
# PYTHON=python3.12 make demo   takes another interpreter

PYTHON ?= python3
# Bare flake8 enters every folder but a few, .nox among them, and follows no
# link: so the environment lies there, and .venv is a link to it.
ENVIRONMENT = .nox/venv
RUN = .venv/bin/python

.PHONY: demo test lint fuzz faults clean check-python
.DELETE_ON_ERROR:

demo: .venv/.installed
	@$(MAKE) --no-print-directory images
	$(RUN) Distribution.py images --no-display
	@# What an image is the programs decide; names may hold anything.
	@set -e; mkdir -p figures; $(RUN) -m samples.demo first >figures/.leaf; \
	xargs -0 sh -c 'set -e -x; \
	$(RUN) Augmentation.py "$$1" --output-dir figures --no-display; \
	$(RUN) Transformation.py "$$1" --no-display' demo <figures/.leaf; \
	rm figures/.leaf
	@$(MAKE) --no-print-directory augmented_directory learnings.zip
	@# The first leaf of each class that was not learned from.
	@set -e; $(RUN) -m samples.demo validation >figures/.leaves; \
	xargs -0 $(RUN) predict.py --no-display --top 1 --save \
	    figures/predictions.png <figures/.leaves; \
	rm figures/.leaves
	@echo; echo "All done.  Look at"
	@echo "  figures/       $$(ls figures/*.png | wc -l) figures"
	@echo "  learnings.zip  what was learned (signature.txt: its SHA-1)"
	@echo "  report/        how right it is: report.json, confusion.png"
	@echo "  the lines above: what predict.py says of leaves never learned from"

# What is there is the user's, or done.
images:
	rm -rf .drawing
	$(RUN) -m samples .drawing
	mv .drawing images

augmented_directory:
	$(RUN) Augmentation.py images --output-dir .balancing
	mv .balancing augmented_directory

# Of few images, small batches make more steps.
learnings.zip:
	$(RUN) train.py images --batch-size 16 --no-display

test: .venv/.installed-dev
	$(RUN) -m flake8
	$(RUN) -m pytest -q -W error -n 2 tests

lint: .venv/.installed-dev
	$(RUN) -m flake8

# make fuzz SEED=7 FUZZ=100000   other cases, and more of them.
SEED ?= 1
FUZZ ?= 20000

fuzz: .venv/.installed-dev
	@# A crash or a hang takes its test along, and leaves its file there.
	FUZZ=$(FUZZ) FUZZ_FILES=.nox/fuzz $(RUN) -m pytest -q -W error -n 2 \
	    --dist worksteal tests/fuzz \
	    --hypothesis-seed=$(SEED) --hypothesis-show-statistics

# make faults FAULTS=5   each of them 5 times.
FAULTS ?= 50

faults: .venv/.installed-dev
	FAULTS=$(FAULTS) $(RUN) -m pytest -q -W error -n 2 \
	    --dist worksteal -rs --durations=0 tests/faults

# --no-compile: to compile all of TensorFlow takes a third of the time.  What
# the programs use of it is compiled by importing it once, also where
# PYTHONDONTWRITEBYTECODE is set: without that each start would compile anew
# (TensorFlow alone: 6 s).
IMPORTED = numpy, PIL.Image, cv2, ai_edge_litert.interpreter, rich.progress, \
	matplotlib.pyplot, plantcv.plantcv, sklearn.ensemble, sklearn.metrics, \
	keras, tensorflow.lite, distributed.cli.dask_scheduler, \
	distributed.cli.dask_worker, upath.extensions

.venv/.installed: requirements.txt | check-python
	@echo "Installing into .venv: about two minutes and 3 GB, once"
	@$(PYTHON) -m venv $(ENVIRONMENT) || { echo "error: no virtual" \
	    "environment can be made; on Debian and Ubuntu:" \
	    "sudo apt install python3-venv" >&2; exit 1; }
	@test -e .venv || ln -s $(ENVIRONMENT) .venv
	$(RUN) -m pip install --quiet --no-compile -r requirements.txt
	@$(RUN) -c "import cv2" || { echo "error: OpenCV cannot start; if" \
	    "libGL.so.1 or libgthread is missing, on Debian and Ubuntu:" \
	    "sudo apt install libgl1 libglib2.0-0" >&2; exit 1; }
	@env -u PYTHONDONTWRITEBYTECODE $(RUN) -W ignore \
	    -c "import $(IMPORTED)" 2>.nox/import.log || \
	    { cat .nox/import.log >&2; exit 1; }
	@touch $@

.venv/.installed-dev: requirements-dev.txt .venv/.installed
	$(RUN) -m pip install --quiet -r requirements-dev.txt
	@touch $@

check-python:
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] \
	<= (3, 13))" 2>/dev/null || { echo "error: Python 3.11, 3.12 or 3.13 is" \
	    "needed, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo missing);" \
	    "Debian, Ubuntu: sudo apt install python3.12 python3.12-venv;" \
	    "macOS: brew install python@3.12;" \
	    "then: make PYTHON=python3.12" >&2; exit 1; }

clean:
	rm -rf .nox .venv .drawing .balancing augmented_directory figures \
	    report learnings.zip signature.txt
