"""Write the page that people look at."""

from pathlib import Path

from ionscout.job import start_job
from ionscout.report import ReportInputs, write_report

campaign = snakemake.params.stage["campaign"]
logger = start_job(snakemake.log[0], "write_report")

page = Path(snakemake.output.page)
inputs = ReportInputs.from_results(page.parents[1], campaign=campaign)
write_report(inputs, page, campaign=campaign)
logger.info("open %s", page)
