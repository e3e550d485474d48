"""Evaluation: which metrics on which data, and what they mean in plain words."""

from latentia.evaluation.diagnose import Finding, Severity, diagnose, verdict
from latentia.evaluation.evaluate import Metrics, evaluate, log_likelihood

__all__ = ["Finding", "Metrics", "Severity", "diagnose", "evaluate", "log_likelihood", "verdict"]
