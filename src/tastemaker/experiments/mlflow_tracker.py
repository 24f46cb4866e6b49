"""MlflowTracker: records trainings as runs of MLflow."""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import mlflow

from tastemaker.errors import ConfigError
from tastemaker.experiments.tracking import Status

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""Variables of MLflow that are set unless they have a value; the timeout is in seconds."""

STATUS = {"finished": "FINISHED", "interrupted": "KILLED", "failed": "FAILED"}
"""MLflow's names."""

RUN_FOLDER = "run_folder"
"""The tag with the path of the run folder."""


class MlflowTracker:
    """Records trainings as runs of MLflow, with its variables such as MLFLOW_TRACKING_URI.

    Raises:
        ConfigError: MLflow cannot be reached, or refuses its settings.
    """

    def __init__(self) -> None:
        # By default MLflow tries a request eight times for two minutes each. Training waits for
        # it, and would stand still for many minutes if the server cannot be reached.
        for name, value in PATIENCE.items():
            os.environ.setdefault(name, value)
        self.address = mlflow.get_tracking_uri()
        """URI of the server, database or folder."""
        try:
            mlflow.search_experiments(max_results=1)
        except Exception as error:  # of MLflow, the network or a database
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"MLflow at {self.address} cannot be used: {reason}; MLFLOW_TRACKING_URI names "
                "the server, as in http://127.0.0.1:5000"
            ) from None

    def start(self, name: str) -> None:
        """Starts a run in the experiment that MLFLOW_EXPERIMENT_NAME names."""
        mlflow.start_run(run_name=name)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Logs the values as parameters."""
        mlflow.log_params(dict(values))

    def epoch(self, number: int, metrics: Mapping[str, float]) -> None:
        """Logs the metrics with the epoch as their step."""
        mlflow.log_metrics(_named(metrics), step=number)

    def results(self, metrics: Mapping[str, float]) -> None:
        """Logs the metrics without a step."""
        mlflow.log_metrics(_named(metrics))

    def artifact(self, path: Path) -> None:
        """Sets the tag `run_folder`; no files are uploaded."""
        mlflow.set_tag(RUN_FOLDER, str(path))

    def end(self, status: Status) -> None:
        """Ends the run."""
        # MLflow prints the address of the run, and standard output belongs to the results.
        with redirect_stdout(sys.stderr):
            mlflow.end_run(STATUS[status])


def _named(metrics: Mapping[str, float]) -> dict[str, float]:
    """Returns the metrics with names that MLflow allows, such as ndcg_at_10."""
    return {name.replace("@", "_at_"): value for name, value in metrics.items()}
