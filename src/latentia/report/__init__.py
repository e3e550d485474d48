"""Reports: pages of composable sections, and the demonstration."""

from latentia.report.blocks import Section
from latentia.report.outputs import write_outputs
from latentia.report.page import Page, report_page, write_page, write_report

__all__ = ["Page", "Section", "report_page", "write_outputs", "write_page", "write_report"]
