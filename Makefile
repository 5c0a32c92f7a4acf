# Two commands do everything: `make run` and `make test`.
#   make run                                  the default campaign, on the bundled data
#   make run CONFIG=my.yaml                   another campaign, beside the first
#   make run ARGS="--dry-run"                 anything else goes on to Snakemake
#   make plan CONFIG=my.yaml                  its jobs and core-hours, before anything runs
#   make trajectories FOLDER=path             trajectories that you ran elsewhere, alone
PYTHON ?= python3
VENV ?= .venv
CONFIG ?=
FOLDER ?=
DATA ?= ../shared/data
ARGS ?=
TWO_AT_ONCE := -n 2 --dist loadfile

BIN := $(VENV)/bin
LOCKED := envs/requirements-torch.txt envs/requirements.txt envs/requirements-gpaw.txt pyproject.toml
READY := $(VENV)/.ready-$(shell cat $(LOCKED) | cksum | cut -d' ' -f1)
SNAKEMAKE := $(BIN)/snakemake

# Snakemake on the campaign of CONFIG, one at a time in this folder.
define snakemake
test -z "$(CONFIG)" || test -f "$(CONFIG)" || { echo "CONFIG=$(CONFIG): there is no such file" >&2; exit 1; }; \
mkdir -p results; \
flock --wait 60 --conflict-exit-code 75 results/.lock \
  $(SNAKEMAKE) --nolock $(1) $(if $(CONFIG),--configfile $(CONFIG)) \
  || { code=$$?; [ $$code -ne 75 ] || echo "Another \`make\` is at work in this folder." >&2; exit $$code; }
endef

.PHONY: run plan trajectories refresh test test-all check check-data format lock-stages schemas lock clean

run: $(READY)
	@$(call snakemake,$(ARGS))

# Jobs, by Snakemake's dry run, and core-hours of the dynamics; nothing runs, nothing is written.
plan: $(READY)
	@jobs=$$($(SNAKEMAKE) --nolock --dry-run $(ARGS) $(if $(CONFIG),--configfile $(CONFIG)) 2>&1) \
	  || { echo "$$jobs" >&2; exit 1; }; \
	echo "$$jobs" | sed -n '/^Nothing to be done/p; /^job /,/^total/p; /^total/q'
	@$(BIN)/python -m ionscout.dynamics.forecast $(CONFIG)

# Diffusivity, verdict and conductivity of your own trajectories, without the rest of the campaign.
trajectories: $(READY)
	@test -n "$(FOLDER)" || { echo "make trajectories FOLDER=path: name the folder" >&2; exit 1; }
	@$(call snakemake,trajectories $(ARGS) --config "trajectories=$(FOLDER)")

# Pull all databases again; then `make run` goes on with what has changed.
refresh: $(READY)
	@IONSCOUT_REFRESH=1; export IONSCOUT_REFRESH; \
	$(call snakemake,$(ARGS) --until pull_structures pull_entries --forcerun pull_structures pull_entries)

test: $(READY) check
	$(BIN)/pytest $(TWO_AT_ONCE) -m "not slow and not slurm"

test-all: $(READY) check
	$(BIN)/pytest $(TWO_AT_ONCE) -m "slow or slurm"

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(SNAKEMAKE) --lint --quiet

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/snakefmt Snakefile workflow/rules

# The proofs of resources/, after a change there; DATA: a folder of third-party data to compare with.
check-data: $(READY)
	$(BIN)/python -m ionscout.bundled $(DATA)

# After a change that alters a stage's results, and its version raised in ionscout/stages.py.
lock-stages: $(READY)
	$(BIN)/python -m ionscout.stages

schemas: $(READY)
	$(BIN)/python -m ionscout.config_reference

# The environment as it is now, written down for everyone.
lock: $(READY)
	$(BIN)/pip freeze --exclude-editable | grep -v -i -E '^(torch|gpaw|gpaw-data)==' > envs/requirements.txt

clean:
	rm -rf $(VENV) .snakemake

$(READY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Ionscout needs Python 3.11 or newer; name it with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, sysconfig, os; open(os.path.join(sysconfig.get_path("include"), "Python.h"))' \
	  || { echo "Python lacks venv or its headers: apt-get install python3-venv python3-dev" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet -r envs/requirements-torch.txt
	$(BIN)/pip install --quiet -r envs/requirements.txt
	CC=g++ $(BIN)/pip install --quiet --no-cache-dir -r envs/requirements-gpaw.txt
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@
