"""One HTML file that shows what a results folder says; reads the store through ``scoring`` only."""

from forcegauge.report.page import write_report

__all__ = ["write_report"]
