# `make help` lists the targets. Each one creates the environment it needs.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin
DEMO := demo
# On two cores; the tests of one file run in one process, as they share what they set up, and each process has one thread.
# The workers of Ray are not nicer than the tests that wait for them.
PARALLEL := -n 2 --dist loadfile
test test-all: export OMP_NUM_THREADS = 1
test test-all: export RAY_worker_niceness = 0
# Where torch comes from: its builds without CUDA, or those with it (`make TORCH_INDEX=https://download.pytorch.org/whl/cu128`).
# An index that cannot be reached is left out, as pip would retry it for minutes; torch then comes from pip's own.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
EXTRACTION := --frame-features --weights random:0 --pca random:0 --audio-weights random:0 --audio-pca random:0
RECORDINGS := recordings
# Clips of ten frames, the fewest of any repetition, equally spaced; a network narrow and small enough for two cores.
MOVEMENTS := --model movinet-a2 --model-options frames=10 height=48 width=48 width_factor=0.25 dropout=0 \
  --placement equal --batch-size 8 --epochs 10 --optimizer adam --learning-rate 3e-3 --schedule cosine \
  --warmup-steps 50 --max-gradient-norm 1 --engine local --clip-cache $(RECORDINGS)/cache
CUT = $(RUN)/python jobs/cut_clips.py --annotations $(RECORDINGS)/project --videos $(RECORDINGS)/project \
  --group-from athlete --test 0 --engine local
NIGHTLY = $(RUN)/python jobs/nightly.py --features $(DEMO)/features --checkpoint $(DEMO)/classifier \
  --labels $(DEMO)/labels --engine local
YESTERDAY = $(shell $(RUN)/python -c 'from datetime import UTC, datetime, timedelta; print((datetime.now(UTC) - timedelta(1)).date())')

# Folders whose tests start no cluster and no job and build no network of full size.
QUICK := tests/*.py tests/schemas tests/extractors/video \
  $(addprefix tests/classifiers/,data layers feature_models metrics weights) \
  $(addprefix tests/cluster/,storage runs reports datasets features timelines)
SLOW := tests/extractors/video/test_decode.py

.PHONY: help demo recordings docs check test test-all fuzz lint bench clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@index="--extra-index-url $(TORCH_INDEX)"; \
	$(RUN)/python -c 'from urllib.request import urlopen; urlopen("$(TORCH_INDEX)/torch/", timeout=10)' 2>/dev/null \
	  || { echo "torch comes from pip's own index: $(TORCH_INDEX) cannot be reached"; index=; }; \
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' $$index
	@touch $@

demo: $(VENV)/installed ## sample videos through the whole pipeline: features, a classifier, two nights, reports
	$(RUN)/python jobs/make_sample_videos.py --output $(DEMO)/videos --nights 2
	$(RUN)/python jobs/extract_features.py --input $(DEMO)/videos/manifest.csv --output $(DEMO)/features $(EXTRACTION)
	$(RUN)/python jobs/train_classifier.py --features $(DEMO)/features --output $(DEMO)/classifier --split column \
	  --model logistic --optimizer adam --learning-rate 0.01 --batch-size 9 --epochs 30
	$(NIGHTLY) --videos $(DEMO)/videos/night-1.csv --date $(YESTERDAY)
	$(NIGHTLY) --videos $(DEMO)/videos/night-2.csv
	@echo "reports: $(DEMO)/labels/report.html, and those it links to"

recordings: $(VENV)/installed ## generated recordings and annotations to classifiers, split by clip and by athlete, and their comparison
	$(RUN)/python jobs/make_recordings.py --output $(RECORDINGS)/project --repetitions 3
	$(CUT) --split-by clip --output $(RECORDINGS)/by-clip/clips.csv
	$(RUN)/python jobs/train_classifier.py --videos $(RECORDINGS)/by-clip/clips.csv --output $(RECORDINGS)/by-clip/classifier $(MOVEMENTS)
	$(CUT) --split-by group --output $(RECORDINGS)/by-athlete/clips.csv
	$(RUN)/python jobs/train_classifier.py --videos $(RECORDINGS)/by-athlete/clips.csv --output $(RECORDINGS)/by-athlete/classifier $(MOVEMENTS)
	$(RUN)/python jobs/compare_trainings.py --trainings $(RECORDINGS)/by-clip/classifier $(RECORDINGS)/by-athlete/classifier \
	  --output $(RECORDINGS)/comparison.html

docs: $(VENV)/installed ## the documentation as a site: build/docs/index.html
	NO_MKDOCS_2_WARNING=1 $(RUN)/mkdocs build --config-file docs/mkdocs.yml

check: $(VENV)/installed lint ## lint, types and the quick tests (under 3 minutes on two cores)
	$(RUN)/python -m pytest -q $(QUICK) --ignore $(SLOW)

test: $(VENV)/installed lint ## lint, types and the test suite (under half an hour on two cores)
	$(RUN)/python -m pytest $(PARALLEL)

test-all: $(VENV)/installed lint ## the same and the heavy tests
	$(RUN)/python -m pytest $(PARALLEL) -m 'not fuzz'

fuzz: $(VENV)/installed ## 10,000 damaged or lying files, and our parsers under a fuzzer (about half an hour)
	$(RUN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,fuzz]'
	$(RUN)/python -m pytest -q -m fuzz tests/faults

lint: $(VENV)/installed ## ruff and mypy
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy

bench: $(VENV)/installed ## benchmarks at small sizes, beside alternatives (CLIPS="a.mp4 b.mp4" for your own videos)
	$(RUN)/python benchmarks/run_all.py $(CLIPS) --folder bench

clean: ## remove the environment and what the demo, the recordings and the benchmarks wrote
	rm -rf $(VENV) $(DEMO) $(RECORDINGS) bench build/docs
