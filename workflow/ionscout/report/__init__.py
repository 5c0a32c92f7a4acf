"""The report: one self-contained page that a person reads."""

from ionscout.report.inputs import ReportInputs
from ionscout.report.page import write_report

__all__ = ["ReportInputs", "write_report"]
