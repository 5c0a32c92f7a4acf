"""Prove the bundled data: `python -m ionscout.bundled [folder of third-party data]`."""

import sys
import warnings
from pathlib import Path

from ionscout.bundled.gate import run_gate
from ionscout.bundled.references import References
from ionscout.errors import IonscoutError

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    references = References(folder) if folder and folder.is_dir() else None
    if references is None:
        print("no third-party data to compare with: the proofs `match` and `conductivity` rest")
    try:
        complaints = run_gate(references=references)
    except IonscoutError as error:
        complaints = [str(error)]
    print("\n".join(complaints) or "the bundled data stand all proofs")
    sys.exit(bool(complaints))
