"""A stage's code does not change without its version."""

import json

from ionscout.stages import LOCK_FILE, current_lock, hash_stage


def test_code_of_every_stage_is_that_of_its_version():
    assert json.loads(LOCK_FILE.read_text()) == current_lock(), (
        "code changed: raise the stage's version if its results change, then `make lock-stages`"
    )


def test_hash_sees_code_but_not_comments_or_docstrings(tmp_path):
    (tmp_path / "stage").mkdir()
    module = tmp_path / "stage" / "module.py"
    module.write_text('def f(x):\n    """One."""\n    return x\n')
    first = hash_stage("stage", tmp_path)
    module.write_text('def f(x):\n    """Two."""\n\n    # a remark\n    return x\n')
    assert hash_stage("stage", tmp_path) == first
    module.write_text('def f(x):\n    """Two."""\n    return -x\n')
    assert hash_stage("stage", tmp_path) != first
