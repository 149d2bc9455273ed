"""What every test shares: the helper modules of this folder, and a WAP gateway."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def kannel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a gateway that runs as long as this worker."""
    from transport.gateway import gateway  # noqa: PLC0415 - found since the line above

    with gateway(tmp_path_factory.mktemp("kannel")) as address:
        yield address
