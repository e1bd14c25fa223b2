# Gristmill. `make help` lists what there is; every variable can be set on the command line.

RECIPE ?= demo
MODEL  ?= demo
DATA   ?= data
RUN    ?= runs/$(basename $(notdir $(MODEL)))
DUMP   ?= $(EXCERPT)
RUNNER ?= FnApiRunner
NPROC  ?= 1
OPTIONS ?=
MASKED ?= "It is the capital [MASK] the country." "Alabama is a state in the [MASK] States." \
          "This is one of the [MASK] important books."
EXTRAS ?= $(if $(wildcard .venv/.dev),dev,train)
PYTHON3 ?= python3

VENV   := .venv
PYTHON := $(VENV)/bin/python
STAGES := documents measures matches fates tokenizer shards
PIPELINE = $(PYTHON) -m pipeline
TRAIN    = $(PYTHON) -m train
CORPUS_ARGS = --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)"
MODEL_ARGS  = --model $(MODEL) --data $(DATA)

# Only the excerpt is ours to fetch; any other DUMP is looked for, and missed, by the plan.
EXCERPT := raw/enwiki-excerpt.xml.bz2
FETCHED  = $(filter $(EXCERPT),$(DUMP))

.DEFAULT_GOAL := help
.PHONY: help install install-dev demo $(STAGES) report why what-if diff canaries forget plan train evaluate export fill list gc \
        format lint types check test test-slow bench lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\n  variables: RECIPE=%s MODEL=%s DATA=%s RUN=%s\n  DUMP=%s RUNNER=%s NPROC=%s OPTIONS="%s"\n' \
	  "$(RECIPE)" "$(MODEL)" "$(DATA)" "$(RUN)" "$(DUMP)" "$(RUNNER)" "$(NPROC)" "$(OPTIONS)"

install: $(VENV)/.$(EXTRAS)  ## .venv with what a data and training run needs
install-dev:  ## .venv with the test and lint tools too
	@$(MAKE) --no-print-directory install EXTRAS=dev

# The locked packages with their hashes first; then what the machine's torch build brings along
# (CUDA libraries, where it is a CUDA build), and this project itself, editable.
$(VENV)/.%: pyproject.toml .constraints/%.txt
	@test -x $(PYTHON) || $(PYTHON3) -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --no-deps --require-hashes -r .constraints/$*.txt
	$(PYTHON) -m pip install --quiet --no-build-isolation -e ".[fast$(COMMA)segment$(COMMA)$(if $(filter dev,$*),train$(COMMA)gcp$(COMMA)aws$(COMMA)dev,$(if $(filter worker,$*),gcp$(COMMA)aws,$*))]"
	@touch $@
COMMA := ,

$(EXCERPT): | install
	@$(PYTHON) -m corpus fetch --to raw

demo: install $(FETCHED)  ## the whole way on a small real Wikipedia dump, on this machine
	@$(PIPELINE) shards $(CORPUS_ARGS)
	@$(TRAIN) fit $(MODEL_ARGS) --run $(RUN)
	@$(TRAIN) evaluate --run $(RUN)
	@$(TRAIN) export --run $(RUN)
	@$(TRAIN) fill --run $(RUN) $(MASKED)
	@$(PIPELINE) report --recipe $(RECIPE) --data $(DATA)
	@printf 'raw text: %s\nsets:     %s (make list)\nrun:      %s\n' "$(DUMP)" "$(DATA)" "$(RUN)"

documents: install $(FETCHED)  ## raw files -> text, one row per document
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
measures: install $(FETCHED)  ## numbers beside the text: quality metrics, duplicate keys
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
matches: install $(FETCHED)  ## exact and verified near duplicates
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
fates: install $(FETCHED)  ## keep or drop each document, with the one reason
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
tokenizer: install $(FETCHED)  ## train a tokenizer on the kept text, or pin one
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
shards: install $(FETCHED)  ## encode and pack the kept text into rows
	@$(PIPELINE) $@ $(CORPUS_ARGS) --runner $(RUNNER) $(OPTIONS)
report: install  ## documents and bytes per stage, with reasons
	@$(PIPELINE) report --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)"
why: install  ## one document's whole life: WHAT="id, key, title or some text"
	@$(PIPELINE) $@ --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)" $(OPTIONS) -- "$(WHAT)"
what-if: install  ## what other thresholds would keep: RULES="min_words=40 near_duplicate=0.9"
	@$(PIPELINE) $@ --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)" $(OPTIONS) -- $(RULES)
diff: install  ## what two selections keep: A= and B= (recipes, corpora or fates sets)
	@$(PIPELINE) $@ --data $(DATA) --dump "$(DUMP)" $(OPTIONS) -- "$(A)" "$(B)"
canaries: install  ## documents of known fate among your own: is the selection working?
	@$(PIPELINE) $@ --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)" $(OPTIONS)
forget: install  ## take documents out of the shards: IDS=file REASON= (OPTIONS="--dry-run", "--purge")
	@$(PIPELINE) $@ --recipe $(RECIPE) --data $(DATA) --dump "$(DUMP)" --ids "$(IDS)" --reason "$(REASON)" $(OPTIONS)

plan: install  ## what a training run would do: rows, steps, memory
	@$(TRAIN) plan $(MODEL_ARGS) --nproc $(NPROC)
train: install  ## pretrain a model on the shards; NPROC=n for n GPUs (or CPU processes)
	@$(TRAIN) fit $(MODEL_ARGS) --run $(RUN) --nproc $(NPROC)
evaluate: install  ## loss on the held-out documents, beside unigram and bigram
	@$(TRAIN) evaluate --run $(RUN)
export: install  ## the trained model as a Hugging Face folder
	@$(TRAIN) export --run $(RUN)
fill: install  ## fill the masks of a few sentences
	@$(TRAIN) fill --run $(RUN) $(MASKED)

list: install  ## all sets of DATA and who uses them
	@$(PYTHON) -m corpus list --data $(DATA)
gc: install  ## the sets that nothing uses (OPTIONS=--delete removes them)
	@$(PYTHON) -m corpus gc --data $(DATA) $(OPTIONS)

format: install-dev  ## format the code
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .
lint: install-dev  ## lint and format, checked
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
types: install-dev  ## types, checked
	@$(VENV)/bin/pyright --warnings
check: lint types  ## lint, format and types
test: install-dev  ## all tests that need neither a GPU nor much time; what CI runs
	@$(PYTHON) -m pytest -m "not bench and not gpu" $(OPTIONS)
bench: install-dev  ## speed, beside peers where they are installed
	@$(PYTHON) -m pytest -m bench -s tests/bench $(OPTIONS)
lock: install-dev  ## write the hashed lock files anew (needs uv)
	@.constraints/lock.sh $(OPTIONS)
clean:  ## remove caches; sets, runs and raw files stay
	@rm -rf .pytest_cache .ruff_cache .hypothesis build *.egg-info
	@find corpus pipeline train tests -name __pycache__ -prune -exec rm -rf {} +
