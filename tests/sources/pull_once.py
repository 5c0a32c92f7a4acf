"""Pull a database into a file of records; called with the cache, the address and the file."""

import logging
import sys
from pathlib import Path

from ionscout.config import OptimadeSource
from ionscout.structures.records import write_records
from ionscout.structures.sources import optimade_client, pull
from ionscout.structures.sources.context import PullContext

logging.basicConfig(level=logging.WARNING, format="%(name)s %(message)s")
logging.getLogger("ionscout").setLevel(logging.INFO)
optimade_client.FIRST_WAIT_S = 0.05

cache, address, file = sys.argv[1:]
settings = OptimadeSource(kind="optimade", provider=address, page_size=20, timeout_s=10)
write_records(file, pull("mp", settings, PullContext(Path(cache))))
