"""The stages' versions, which make a change of code rerun what it changes.

Snakemake does not see changes of imported code. Each stage has a version here,
passed to its rules as a parameter, and `workflow/stages.lock` keeps a hash of
the code each version stands for: a test fails when the code changed and the
version did not. After raising a version, `make lock-stages` writes the lock.
"""

from __future__ import annotations

import ast
import hashlib
import json
from pathlib import Path

PACKAGE = Path(__file__).parent
LOCK_FILE = PACKAGE.parent / "stages.lock"

STAGE_VERSIONS = {
    "structures": 3,
    "features": 2,
    "labels": 2,
    "models": 2,
    "compositions": 1,
    "screening": 4,
    "dynamics": 2,
    "transport": 2,
    "report": 6,
}


def hash_stage(stage: str, package: Path = PACKAGE) -> str:
    """Hash the syntax trees of a stage's modules; comments, layout and docstrings do not count.

    Parameters
    ----------
    stage : str
        Name of the stage: a folder of the package.
    package : Path
        Root of the package.

    Returns
    -------
    str
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted((package / stage).rglob("*")):
        if path.suffix == ".py":
            digest.update(str(path.relative_to(package)).encode())
            digest.update(ast.unparse(_without_docstrings(ast.parse(path.read_text()))).encode())
        elif path.suffix in {".html", ".css"}:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def current_lock() -> dict[str, dict]:
    """Return version and code hash of every stage, as the lock file stores them."""
    return {
        stage: {"version": version, "code": hash_stage(stage)}
        for stage, version in STAGE_VERSIONS.items()
    }


if __name__ == "__main__":
    LOCK_FILE.write_text(json.dumps(current_lock(), indent=2) + "\n")
