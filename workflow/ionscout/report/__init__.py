"""The report: one self-contained page that a person reads."""

from ionscout.report.inputs import ReportInputs
from ionscout.report.page import write_report
from ionscout.report.transport_page import write_transport_page

__all__ = ["ReportInputs", "write_report", "write_transport_page"]
