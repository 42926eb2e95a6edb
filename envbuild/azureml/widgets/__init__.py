"""What notebooks show of a run."""

from __future__ import annotations

import sys

from envbuild.azureml.runs.run import Run

__all__ = ["RunDetails"]


class RunDetails:
    """A run in a notebook: its log, as it grows, and its metrics."""

    def __init__(self, run_instance: Run) -> None:
        """Show `run_instance`."""
        self._run = run_instance

    def show(self) -> None:
        """Follow the run to its end, and print its metrics."""
        self._run.wait_for_completion(show_output=True, raise_on_error=False)
        for name, value in self._run.get_metrics().items():
            sys.stdout.write(f"{name}: {value}\n")
