"""Serve a file of OPTIMADE structures with the reference server, in memory, on loopback.

Called with the file (JSON: a list of structures' attributes, `id` among them), the
port, and the address that clients use.
"""

import json
import sys
from pathlib import Path

import uvicorn
from optimade.server.config import ServerConfig
from optimade.server.create_app import create_app

PROVIDER = {"prefix": "alexandria", "name": "test", "description": "test"}
FIELDS = ["hull_distance", "formation_energy_per_atom", "band_gap"]


def main(file: str, port: str, address: str) -> None:
    config = ServerConfig(
        database_backend="mongomock",
        insert_test_data=False,
        base_url=address,
        provider=PROVIDER,
        provider_fields={
            "structures": [
                {"name": name, "type": "float", "unit": "eV", "description": name}
                for name in FIELDS
            ]
        },
        log_level="warning",
    )
    app = create_app(config)
    structures = json.loads(Path(file).read_text(encoding="utf-8"))
    app.state.entry_collections["structures"].insert(structures)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
