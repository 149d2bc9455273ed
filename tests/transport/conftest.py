"""A WAP gateway for each worker of a run."""

from collections.abc import Iterator

import pytest

from transport.gateway import gateway


@pytest.fixture(scope="session")
def kannel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the address of a gateway that runs as long as this worker."""
    with gateway(tmp_path_factory.mktemp("kannel")) as address:
        yield address
