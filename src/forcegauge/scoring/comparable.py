"""Which cells of the table may be scored: a potential is judged by its own level of theory, or by physics alone."""

from __future__ import annotations

import re

from forcegauge.errors import ForceGaugeError
from forcegauge.models import registry
from forcegauge.records import Metric


def why_not(metric: Metric, model: str) -> str:
    """Why a model's value of a metric is shown but not scored; empty where it is.

    A model without a card, and a card that says nothing of its theory, is taken to be of the reference's theory: its
    author knows.
    """
    theory = _theory(model) if metric.theory else ""
    if not theory:
        return ""
    has_dispersion = "D3" in theory and "D3" not in metric.theory
    if re.search(rf"\b{re.escape(metric.theory)}\b", theory) and not has_dispersion:
        return ""
    return f"the reference is {metric.theory}, {model} is of another theory: {theory}"


def _theory(model: str) -> str:
    try:
        return registry.get(model).theory
    except ForceGaugeError:
        return ""
