"""One self-contained HTML page per run, comparison or training; several of them on one page.

The page's data are the tables and summaries that the folders hold; nothing is computed a second time. Python writes
headline numbers and tables as HTML, so that they can be read without scripts; ``assets/`` draws map, feeder and charts.
"""

from cosim.report.folders import write_report, write_run_report

__all__ = ["write_report", "write_run_report"]
