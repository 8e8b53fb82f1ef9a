"""One self-contained HTML page from the records of evaluations, trainings and studies; never torch, never video."""

from a2m2.report.page import build_report

__all__ = ["build_report"]
