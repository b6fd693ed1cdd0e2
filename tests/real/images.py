"""A container image of one small file, made without any tool, in the layout that OCI defines."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

TAG = "1"
_OCI = "application/vnd.oci.image"


def write_image(folder: Path) -> None:
    """Make `folder`; `oci:FOLDER:1` is then a source for skopeo and podman."""
    (folder / "blobs" / "sha256").mkdir(parents=True)
    layer = _layer()
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{_OCI}.manifest.v1+json",
        "config": _blob(folder, f"{_OCI}.config.v1+json", json.dumps(config).encode()),
        "layers": [_blob(folder, f"{_OCI}.layer.v1.tar+gzip", gzip.compress(layer, mtime=0))],
    }
    entry = _blob(folder, f"{_OCI}.manifest.v1+json", json.dumps(manifest).encode())
    entry["annotations"] = {"org.opencontainers.image.ref.name": TAG}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _layer() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo("hello")
        content = b"hello\n" * 1000
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def _blob(folder: Path, media_type: str, data: bytes) -> dict[str, object]:
    """Store it; its descriptor."""
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
