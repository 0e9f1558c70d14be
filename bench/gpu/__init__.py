"""One run on a borrowed GPU machine: `run.sh` calls the steps, `kit.py` gathers what must travel."""
