"""A static Docker config beside a new login, with real files: as a sidecar has it."""

from __future__ import annotations

import json
from pathlib import Path

from lightkeeper.edge import Edge, file_options
from lightkeeper.ports import Failed, Put
from tests.config.loading import files, loaded
from tests.core.making import FIRST
from tests.filing import a_delivery


def test_a_configured_seed_is_in_the_file_that_is_made(tmp_path: Path) -> None:
    """The seed as a Secret's volume has it: a link to a link, and nothing that may be written."""
    volume, file = tmp_path / "seed", tmp_path / "config" / "config.json"
    (volume / "..1").mkdir(parents=True)
    (volume / "..data").symlink_to("..1")
    (volume / "config.json").symlink_to("..data/config.json")
    document = (
        f"logins: [{{region: a, outputs: [{{type: docker_config, path: {file},"
        f" seed: {volume}/config.json}}]}}]\nstate_dir: {tmp_path}/state\n"
    )
    config = loaded(document).config
    writers, (output,) = Edge(config).writers, files(config.logins[0])

    without = writers.deliver(str(file), a_delivery(), file_options(output))
    is_made_without = file.exists()
    (volume / "..1" / "config.json").write_bytes(b'{"auths": {"base.test": {"auth": "dTpw"}}}')
    (volume / "..1" / "config.json").chmod(0o444)
    done = writers.deliver(str(file), a_delivery(), file_options(output))

    assert isinstance(without, Failed)
    assert without.detail == f"its seed {volume}/config.json: there is no such file"
    assert not is_made_without
    assert isinstance(done, Put)
    assert json.loads(file.read_bytes())["auths"].keys() == {"base.test", FIRST.registry}
