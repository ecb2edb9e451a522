"""The fault table of docs/reliability.md against real processes: `python -m tests.faults`."""
