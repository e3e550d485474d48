"""Reports: pages of composable sections, model cards, and the demonstration."""

from latentia.report.blocks import Section
from latentia.report.card import model_card
from latentia.report.outputs import write_outputs
from latentia.report.page import Page, report_page, write_page, write_report

__all__ = ["Page", "Section", "model_card", "report_page", "write_outputs", "write_page", "write_report"]
