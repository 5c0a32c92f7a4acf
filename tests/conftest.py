"""What all tests share."""

from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).parents[1]

# Everyone gets the same examples; `--hypothesis-profile=default` draws others.
hypothesis.settings.register_profile("same", derandomize=True, deadline=None)
hypothesis.settings.load_profile("same")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party data for development, where it is there."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("the third-party test data (../shared/data) is not here")
    return path
