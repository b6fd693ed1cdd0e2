"""The images that the node is given: nothing here is pulled."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from tests.deploy.images import IMAGE, Podman, built
from tests.real.images import write_image
from tests.real.starting import HERE

PAUSE: Final = "localhost/pause:1"
"""What holds the namespaces of a pod: the folder `kube-node` asks for it."""
BUILDER: Final = "localhost/builder:1"
"""buildah and skopeo, for the user "build" with the number 1000, as in buildah's own image.

In /image there is one, in OCI's layout, to be pushed.
"""
BUILDER_PACKAGES: Final = (
    *("buildah", "skopeo", "uidmap"),
    *("golang-github-containers-common", "golang-github-containers-image"),
)


def write_images(archive: Path) -> None:
    """Make all of them, in one archive as `docker save` makes it."""
    with (
        tempfile.TemporaryDirectory(prefix="lk-") as folder,  # podman wants a short path
        built(Path(folder)) as podman,
    ):
        asleep = '--change=ENTRYPOINT ["/usr/bin/sleep", "infinity"]'
        podman.do("import", "--quiet", asleep, podman.folder / "base.tar", PAUSE)
        _import_builder(podman)
        images = (IMAGE, PAUSE, BUILDER)
        podman.do("save", "--quiet", "--multi-image-archive", f"--output={archive}", *images)


def _import_builder(podman: Podman) -> None:
    root = podman.folder / "builder"
    base = [str(HERE / "python-base"), str(root), *BUILDER_PACKAGES]
    subprocess.run(base, check=True, timeout=120, capture_output=True)
    for name, line in (
        ("passwd", "build:x:1000:1000::/home/build:/bin/sh"),
        ("group", "build:x:1000:"),
        ("subuid", "build:100000:65536"),
        ("subgid", "build:100000:65536"),
    ):
        with (root / "etc" / name).open("a") as table:
            table.write(f"{line}\n")
    write_image(root / "image")
    home = root / "home" / "build"
    home.mkdir()
    os.chown(home, 1000, 1000)
    # As root by their mode they may not write the maps of a user's namespace without CAP_SYS_ADMIN;
    # buildah's own image has it this way too.
    for name in ("setuid", "setgid"):
        program = root / "usr" / "bin" / f"new{name[3]}idmap"
        program.chmod(0o755)
        subprocess.run(["setcap", f"cap_{name}=ep", program], check=True)
    archive = podman.folder / "builder.tar"
    tar = ["tar", "--xattrs", "--xattrs-include=*", f"--directory={root}"]
    subprocess.run([*tar, f"--file={archive}", "--create", "."], check=True, timeout=60)
    user = ("--change=USER build", "--change=ENV HOME=/home/build")
    podman.do("import", "--quiet", *user, archive, BUILDER)
