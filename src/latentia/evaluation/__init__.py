"""Evaluation: which metrics on which data, and what they mean in plain words."""

from latentia.evaluation.card import model_card
from latentia.evaluation.diagnose import Finding, Severity, diagnose, verdict
from latentia.evaluation.evaluate import Metrics, evaluate, log_likelihood
from latentia.evaluation.explain import explained
from latentia.evaluation.recognise import recognised
from latentia.evaluation.words import Listener

__all__ = [
    "Finding",
    "Listener",
    "Metrics",
    "Severity",
    "diagnose",
    "evaluate",
    "explained",
    "log_likelihood",
    "model_card",
    "recognised",
    "verdict",
]
