"""A server that answers as the Materials Project does where mp-api asks it."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from pymatgen.core import Lattice, Structure

KEY = "k3y" + "0123456789abcdefghijklmnopqrs"
LICL = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.13), ["Li", "Cl"], [[0] * 3, [0.5] * 3])


def summary(number, *, hull=0.0, chemsys="Cl-Li", **changes):
    return {
        "material_id": f"mp-{number}",
        "structure": LICL.as_dict(),
        "chemsys": chemsys,
        "formation_energy_per_atom": -2.0 - number / 100,
        "energy_above_hull": hull,
        "band_gap": 6.3,
        "shear_modulus": {"voigt": 21.0, "reuss": 19.0, "vrh": 20.0},
        "bulk_modulus": None,
        "deprecated": False,
    } | changes


def thermo(material_id, composition, energy, *, correction=0.0):
    entry = {
        "@module": "pymatgen.entries.computed_entries",
        "@class": "ComputedStructureEntry",
        "entry_id": f"{material_id}-GGA",
        "composition": composition,
        "energy": energy,
        "correction": correction,
        "energy_adjustments": [],
        "parameters": {"run_type": "GGA", "hubbards": {}},
        "data": {},
        "structure": {},
    }
    chemsys = "-".join(sorted(composition))
    kept = {"thermo_type": "GGA_GGA+U", "entries": {"GGA": entry}}
    return {"material_id": material_id, "chemsys": chemsys, **kept}


class Server(ThreadingHTTPServer):
    """Answers as the Materials Project does where mp-api asks it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.summaries, self.thermos, self.asked, self.troubles = [], [], [], []
        self.version, self.heartbeat = "2025.09.25", None

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    def documents(self, path, query):
        is_thermo = path == "/materials/thermo/"
        documents = self.thermos if is_thermo else self.summaries
        if "chemsys" in query:
            wanted = query["chemsys"].split(",")
            documents = [one for one in documents if one["chemsys"] in wanted]
        if "energy_above_hull_max" in query:
            most = float(query["energy_above_hull_max"])
            documents = [one for one in documents if one["energy_above_hull"] <= most]
        limit, skip = int(query["_limit"]), int(query.get("_skip", 0))
        if "_page" in query:
            limit, skip = int(query["_per_page"]), (int(query["_page"]) - 1) * limit
        fields = query["_fields"].split(",")
        page = [{f: one[f] for f in fields if f in one} for one in documents[skip : skip + limit]]
        return {"data": page, "meta": {"total_doc": len(documents)}}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/heartbeat":
            beat = {"version": "0.87.0", "db_version": self.server.version}
            beat["access_controlled_batch_ids"] = []
            return self.say(200, self.server.heartbeat or beat)
        self.server.asked.append((parts.path, query))
        if self.headers.get("x-api-key") != KEY:
            return self.say(401, {"message": "Invalid authentication credentials"})
        if self.server.troubles:
            return self.server.troubles.pop(0)(self)
        return self.say(200, self.server.documents(parts.path, query))

    def say(self, status, answer, **headers):
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
