"""What is left of AWS's data is what the library would have read of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore
import pytest
from botocore.loaders import create_loader
from botocore.model import ServiceModel
from botocore.regions import EndpointResolver

from lightkeeper.adapters.lightsail.data import OPERATION, SERVICES, DataFiles

WHOLE = create_loader()
DATA = Path(botocore.__file__).parent / "data"


def ours() -> Any:  # noqa: ANN401 - botocore ships no types
    loader = create_loader()
    loader.file_loader = DataFiles()
    return loader


def test_the_operation_means_the_same() -> None:
    def said(loader: Any) -> object:  # noqa: ANN401 - as above
        model = ServiceModel(loader.load_service_model("lightsail", "service-2"), "lightsail")
        operation = model.operation_model(OPERATION)
        shapes = [operation.input_shape, operation.output_shape, *operation.error_shapes]
        login = operation.output_shape.members["registryLogin"]
        members = {name: shape.type_name for name, shape in login.members.items()}
        return model.metadata, operation.http, [repr(shape) for shape in shapes], members

    assert said(ours()) == said(WHOLE)


def test_no_other_operation_is_kept() -> None:
    model = ours().load_service_model("lightsail", "service-2")

    assert list(model["operations"]) == [OPERATION]
    assert len(model["shapes"]) < 40


def test_a_shape_that_leads_to_itself_ends(tmp_path: Path) -> None:
    folder = tmp_path / "lightsail" / "2016-11-28"
    folder.mkdir(parents=True)
    tree = {"type": "structure", "members": {"below": {"shape": "Tree"}}}
    model = {"operations": {OPERATION: {"output": {"shape": "Tree"}}}, "shapes": {"Tree": tree}}
    (folder / "service-2.json").write_text(json.dumps(model))

    assert DataFiles().load_file(str(folder / "service-2")) == model


@pytest.mark.parametrize("service", sorted(SERVICES))
def test_every_region_has_the_endpoint_that_it_had(service: str) -> None:
    ways = [EndpointResolver(loader.load_data("endpoints")) for loader in (ours(), WHOLE)]
    regions = {
        region
        for partition in WHOLE.load_data("endpoints")["partitions"]
        for region in partition["regions"]
    }

    for region in sorted(regions | {"aws-global", "eu-nowhere-9"}):
        ours_of, whole_of = (way.construct_endpoint(service, region) for way in ways)
        assert ours_of == whole_of, region
    assert len(regions) > 30


@pytest.mark.parametrize("name", ["sts/2011-06-15/service-2", "partitions", "_retry"])
def test_every_other_file_is_whole(name: str) -> None:
    assert ours().load_data(name) == WHOLE.load_data(name)


def test_a_file_that_is_not_there_is_none() -> None:
    assert not DataFiles().exists(str(DATA / "nothing"))
    assert DataFiles().load_file(str(DATA / "nothing")) is None
    assert DataFiles().exists(str(DATA / "endpoints"))
