"""Judge trajectories that the user ran elsewhere, and write tables and a page."""

from pathlib import Path

from ionscout.config import TransportSettings
from ionscout.job import start_job
from ionscout.report import write_transport_page
from ionscout.transport.folder import analyse_folder, find_runs

logger = start_job(snakemake.log[0], "analyse_trajectories")

page = Path(snakemake.output.page)
_, conductivity = analyse_folder(
    find_runs(snakemake.params.folder),
    page.parent,
    TransportSettings(**snakemake.params.stage["transport"]),
    progress=logger.info,
)
for row in conductivity.itertuples():
    logger.info("%s: %s; %s", row.material_id, row.verdict, row.reason)
write_transport_page(page.parent, page, title=Path(snakemake.params.folder).resolve().name)
logger.info("open %s", page)
