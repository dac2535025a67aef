# make demo      install, draw sample leaves if there are no images, run all five
#                on them; then the released model
# make test      install, then flake8 and pytest
# make lint      flake8 alone
# make test-all  make test, and faults and fuzzing in every program (15 minutes)
# make bench     every benchmark, briefly, on drawn leaves
# make fuzz      20,000 damaged files, 1,000 random command lines (20 minutes)
# make faults    killed, interrupted, disk full, 50 times each (an hour)
# make release   train, evaluate and write models/ anew, from the photographs in
#                DATA (an hour on two cores)
# make phone     the page for a phone's browser, with the released model: ./phone
# make clean     remove what demo and test have made, but not ./images
#
# PYTHON=python3.12 make demo   uses another interpreter

PYTHON ?= python3
# Bare flake8 enters every folder except a few, .nox among them, and follows no
# link: so the environment is there, and .venv is a link to it.
ENVIRONMENT = .nox/venv
RUN = .venv/bin/python

.PHONY: demo test test-all lint bench fuzz faults release phone clean \
	check-python
.DELETE_ON_ERROR:

demo: .venv/.installed
	@$(MAKE) --no-print-directory images
	$(RUN) Distribution.py images --no-display
	@# samples.demo chooses the image, since a file name may hold anything.
	@set -e; mkdir -p figures; $(RUN) -m samples.demo first >figures/.leaf; \
	xargs -0 sh -c 'set -e -x; \
	$(RUN) Augmentation.py "$$1" --output-dir figures --no-display; \
	$(RUN) Transformation.py "$$1" --no-display' demo <figures/.leaf; \
	rm figures/.leaf
	@$(MAKE) --no-print-directory augmented_directory learnings.zip
	@# The first validation leaf of each class.
	@set -e; $(RUN) -m samples.demo validation >figures/.leaves; \
	xargs -0 $(RUN) predict.py --no-display --top 1 --save \
	    figures/predictions.png <figures/.leaves
	@echo
	@echo "The same leaves, and the released model.  It has learned from"
	@echo "photographs: what it says about drawings only shows how it is used."
	@set -e; xargs -0 $(RUN) predict.py --learnings apple-grape --no-display \
	    --top 1 --save figures/released.png <figures/.leaves; \
	rm figures/.leaves
	@echo; echo "All done.  Look at"
	@echo "  figures/       $$(ls figures/*.png | wc -l) figures"
	@echo "  learnings.zip  the trained network (signature.txt: its SHA-1)"
	@echo "  report/        how right it is: report.json, confusion.png, ..."
	@echo "  the lines above: predict.py's answers on leaves not used in training,"
	@echo "                 by learnings.zip and by the released model"
	@echo "With a photograph of a leaf of your own:"
	@echo "  $(RUN) predict.py leaf.jpg --learnings apple-grape"
	@echo "or in the browser:"
	@echo "  $(RUN) predict.py --web --learnings apple-grape"

# These targets are made once; what exists is the user's, or done.
images:
	rm -rf .drawing
	$(RUN) -m samples .drawing
	mv .drawing images

augmented_directory:
	$(RUN) Augmentation.py images --output-dir .balancing
	mv .balancing augmented_directory

# With few images, small batches give more steps.
learnings.zip:
	$(RUN) train.py images --batch-size 16 --no-display

PYTEST = $(RUN) -m pytest -q -W error -n 2 --dist loadgroup

test: .venv/.installed-dev
	$(RUN) -m flake8
	$(PYTEST) tests

test-all: .venv/.installed-dev
	$(RUN) -m flake8
	FAULTS=1 FUZZ=1000 $(PYTEST) tests

lint: .venv/.installed-dev
	$(RUN) -m flake8

bench: .venv/.installed-dev
	$(RUN) -m benchmarks

# make fuzz SEED=7 FUZZ=100000   other cases, and more of them.
SEED ?= 1
FUZZ ?= 20000

fuzz: .venv/.installed-dev
	@# A crash or a hang ends its test, and leaves its file there.
	FUZZ=$(FUZZ) FUZZ_FILES=.nox/fuzz $(RUN) -m pytest -q -W error -n 2 \
	    --dist worksteal tests/fuzz \
	    --hypothesis-seed=$(SEED) --hypothesis-show-statistics

# make faults FAULTS=5   each of them 5 times.
FAULTS ?= 50

faults: .venv/.installed-dev
	FAULTS=$(FAULTS) $(RUN) -m pytest -q -W error -n 2 \
	    --dist worksteal -rs --durations=0 tests/faults

# make release DATA=photographs   see docs/explanation/release.md
release: .venv/.installed-dev
	@test -n "$(DATA)" || { echo "error: DATA names the folder of the" \
	    "photographs: make release DATA=photographs" >&2; exit 1; }
	$(RUN) -m leaffliction.release "$(DATA)"

# docs/how-to/phone.md says how to put it on a phone.
phone: .venv/.installed
	$(RUN) -m leaffliction.web.phone phone --learnings apple-grape

# --no-compile: compiling all of TensorFlow takes a third of the time.  Importing
# what the programs use compiles that part, also if PYTHONDONTWRITEBYTECODE is
# set: otherwise each start would compile it again (TensorFlow alone: 6 s).
IMPORTED = numpy, PIL.Image, cv2, ai_edge_litert.interpreter, rich.progress, \
	matplotlib.pyplot, plantcv.plantcv, sklearn.ensemble, sklearn.metrics, \
	keras, tensorflow.lite, distributed.cli.dask_scheduler, \
	distributed.cli.dask_worker, tornado.web, upath.extensions

.venv/.installed: requirements.txt | check-python
	@echo "Installing into .venv: about two minutes and 3 GB, once"
	@$(PYTHON) -m venv $(ENVIRONMENT) || { echo "error: cannot make a" \
	    "virtual environment; on Debian and Ubuntu:" \
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

# The tools are a dependency group, which older versions of pip cannot read.
DEV_GROUP = import tomllib; print(*tomllib.load(open("pyproject.toml", \
	"rb"))["dependency-groups"]["dev"], sep="\n")

.venv/.installed-dev: pyproject.toml .venv/.installed
	@$(RUN) -c '$(DEV_GROUP)' >.nox/dev.txt
	$(RUN) -m pip install --quiet -r .nox/dev.txt
	@# The tests of the phone's page find it in the cache, and have no network.
	@$(RUN) -c "from pathlib import Path; from leaffliction.web.phone import \
	litert_js; litert_js.find_package(Path('.nox'))" || echo "no LiteRT.js: tests in a browser are skipped"
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
	    report phone learnings.zip signature.txt
