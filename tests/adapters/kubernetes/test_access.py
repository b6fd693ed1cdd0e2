"""Which API server, and as whom: every form of a kubeconfig, the pod, and every mistake."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from lightkeeper.adapters.kubernetes.access import (
    Access,
    ClusterConfigError,
    Material,
    Plugin,
    TokenFile,
    access_to,
)
from lightkeeper.cluster import ClusterConfig
from lightkeeper.core.credential import Secret
from tests.adapters.kubernetes.api import TOKEN

PEM = "-----BEGIN FAKE-----\n"
CODED = base64.b64encode(PEM.encode()).decode()


def document(
    user: dict[str, Any] | None = None,
    cluster: dict[str, Any] | None = None,
    context: dict[str, Any] | None = None,
    name: str = "one",
) -> dict[str, Any]:
    """A kubeconfig with one of each."""
    named = {"cluster": name, "user": name} | (context or {})
    server = {"server": f"https://{name}.example:6443"} | (cluster or {})
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": named}],
        "clusters": [{"name": name, "cluster": server}],
        "users": [{"name": name, "user": user or {}}],
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kubeconfig"


def read(file: Path, told: object, **environ: str) -> Access:
    """What a kubeconfig comes to."""
    file.write_text(told if isinstance(told, str) else yaml.safe_dump(told))
    return access_to(ClusterConfig(kubeconfig=str(file)), environ)


def test_a_server_and_nothing_else(file: Path) -> None:
    assert read(file, document()) == Access(
        server="https://one.example:6443",
        namespace="default",
    )


def test_certificates_in_files_beside_the_kubeconfig_or_elsewhere(file: Path) -> None:
    user = {"client-certificate": "pki/me.crt", "client-key": "/etc/me.key"}
    found = read(file, document(user, {"certificate-authority": "../ca.crt"}))

    assert found.certificate == Material(
        label=f"{file}: users[one].user.client-certificate", path=file.parent / "pki/me.crt"
    )
    assert found.key is not None
    assert found.key.path == Path("/etc/me.key")
    assert found.ca is not None
    assert found.ca.path == file.parent / "../ca.crt"


def test_certificates_in_place_come_before_files(file: Path) -> None:
    user = {"client-certificate-data": CODED, "client-key-data": CODED, "client-key": "x"}
    found = read(file, document(user, {"certificate-authority-data": CODED}))

    for one in (found.certificate, found.key, found.ca):
        assert one is not None
        assert one.data == Secret(PEM)
        assert one.path is None


def test_a_token_file_comes_before_a_token(file: Path) -> None:
    assert read(file, document({"token": TOKEN})).bearer == Secret(TOKEN)
    both = document({"token": TOKEN, "tokenFile": "token"})
    assert read(file, both).bearer == TokenFile(file.parent / "token")


def test_a_command(file: Path) -> None:
    told = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "bin/aws",
        "args": ["eks", "get-token"],
        "env": [{"name": "AWS_PROFILE", "value": "x"}],
        "interactiveMode": "IfAvailable",
    }
    assert read(file, document({"exec": told})).bearer == Plugin(
        label=f"{file}: users[one].user.exec",
        version="client.authentication.k8s.io/v1beta1",
        command=str(file.parent / "bin/aws"),
        args=("eks", "get-token"),
        env={"AWS_PROFILE": "x"},
    )
    on_path = read(file, document({"exec": told | {"command": "aws"}})).bearer
    assert isinstance(on_path, Plugin)
    assert on_path.command == "aws"


@pytest.mark.parametrize("mode", ["Never", "IfAvailable"])
def test_a_command_of_v1_says_that_it_needs_no_terminal(file: Path, mode: str) -> None:
    told = EXEC | {"apiVersion": V1, "interactiveMode": mode}
    found = read(file, document({"exec": told})).bearer

    assert isinstance(found, Plugin)
    assert found.version == V1


def test_what_else_a_cluster_and_a_context_say(file: Path) -> None:
    cluster = {"tls-server-name": "inside", "proxy-url": "http://proxy:3128"}
    found = read(file, document(cluster=cluster, context={"namespace": "ci"}))

    assert (found.server_name, found.proxy, found.namespace) == (
        "inside",
        Secret("http://proxy:3128"),
        "ci",
    )
    assert not found.is_insecure
    assert read(file, document(cluster={"insecure-skip-tls-verify": True})).is_insecure


def test_a_context_without_a_user(file: Path) -> None:
    assert read(file, document(context={"user": ""})).bearer is None


def test_a_proxy_of_the_environment_is_used_unless_it_is_told_not_to(file: Path) -> None:
    proxy = {"HTTPS_PROXY": "http://proxy:3128"}
    spared = ("one.example", ".example", "*.example", "*", "x, one.example")

    assert read(file, document(), **proxy).proxy == Secret("http://proxy:3128")
    assert read(file, document(), **proxy, NO_PROXY="two.example,10.0.0.0/8").proxy
    for no_proxy in spared:
        assert read(file, document(), **proxy, NO_PROXY=no_proxy).proxy is None
    by_address = document(cluster={"server": "https://10.1.2.3:6443"})
    assert read(file, by_address, **proxy, NO_PROXY="10.0.0.0/8").proxy is None
    local = document(cluster={"server": "https://127.0.0.1:6443"})
    assert read(file, local, **proxy).proxy is None


def test_the_files_of_the_environment_are_merged(tmp_path: Path) -> None:
    """As kubectl does: the first that says something wins, and one that is missing is none."""
    for name in ("a", "b"):
        (tmp_path / name).write_text(yaml.safe_dump(document({"tokenFile": "t"}, name=name)))
    environ = {"KUBECONFIG": f"{tmp_path}/none:{tmp_path}/a:{tmp_path}/b"}

    assert access_to(ClusterConfig(), environ).server == "https://a.example:6443"
    other = access_to(ClusterConfig(context="b"), environ)
    assert other.server == "https://b.example:6443"
    assert other.bearer == TokenFile(tmp_path / "t")


def test_the_user_s_own_kubeconfig_comes_last(tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(yaml.safe_dump(document()))
    home = {"HOME": str(tmp_path)}

    assert access_to(ClusterConfig(), home).server == "https://one.example:6443"
    assert access_to(ClusterConfig(kubeconfig="~/.kube/config"), home).namespace == "default"


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """A pod's ServiceAccount."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    for name, text in (("token", TOKEN), ("ca.crt", PEM), ("namespace", "ci\n")):
        (folder / name).write_text(text)
    return folder


IN_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_in_a_pod_its_own_cluster_is_asked(pod: Path) -> None:
    environ = IN_POD | {"HTTPS_PROXY": "http://proxy:1"}
    assert access_to(ClusterConfig(), environ, pod) == Access(
        server="https://10.96.0.1:443",
        namespace="ci",
        ca=Material(label="the pod's ServiceAccount", path=pod / "ca.crt"),
        bearer=TokenFile(pod / "token"),
    )
    ipv6 = IN_POD | {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert access_to(ClusterConfig(), ipv6, pod).server == "https://[fd00::1]:443"


def test_what_is_asked_for_wins_in_a_pod_too(pod: Path, file: Path) -> None:
    """There lightkube would not look at it."""
    file.write_text(yaml.safe_dump(document()))
    by_file = access_to(ClusterConfig(kubeconfig=str(file)), IN_POD, pod)
    environ = IN_POD | {"KUBECONFIG": str(file)}

    assert by_file.server == "https://one.example:6443"
    assert access_to(ClusterConfig(context="one"), environ, pod) == by_file
    assert access_to(ClusterConfig(), environ, pod).server == "https://10.96.0.1:443"


def test_a_pod_without_its_variables_is_none(tmp_path: Path, pod: Path) -> None:
    """Where lightkube raises a KeyError."""
    with pytest.raises(ClusterConfigError, match=r"no such kubeconfig, and this is no pod"):
        access_to(ClusterConfig(), {"HOME": str(tmp_path)}, pod)
    half = {"KUBERNETES_SERVICE_HOST": "10.96.0.1"}
    with pytest.raises(ClusterConfigError, match="KUBERNETES_SERVICE_PORT is not"):
        access_to(ClusterConfig(), half, pod)


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_pod_without_its_files(pod: Path, name: str) -> None:
    (pod / name).write_text("\n")
    with pytest.raises(ClusterConfigError, match=f"{pod}/{name}: is empty"):
        access_to(ClusterConfig(), IN_POD, pod)
    (pod / name).unlink()
    with pytest.raises(ClusterConfigError, match="unless automountServiceAccountToken is false"):
        access_to(ClusterConfig(), IN_POD, pod)
    (pod / "namespace").unlink()


def test_a_pod_without_a_namespace_file(pod: Path) -> None:
    (pod / "namespace").unlink()

    assert access_to(ClusterConfig(), IN_POD, pod).namespace == "default"


V1 = "client.authentication.k8s.io/v1"
EXEC: dict[str, Any] = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "x"}
MISTAKES: dict[str, tuple[object, str]] = {
    "not yaml": ("a: b: c", "FILE, line 1: is not YAML"),
    "a control character": ("\x00", "FILE: is not YAML"),
    "a list": ("[]", "FILE: is not a kubeconfig"),
    "empty": ("", "FILE: is not a kubeconfig"),
    "no context": (
        document() | {"current-context": ""},
        "FILE: current-context is not set, and no context is asked for",
    ),
    "another context": (
        document() | {"current-context": "two"},
        "FILE: contexts has none named two",
    ),
    "another cluster": (document(context={"cluster": "x"}), "FILE: clusters has none named x"),
    "no cluster": (
        document(context={"cluster": ""}),
        "FILE: contexts[one].context.cluster is missing",
    ),
    "another user": (document(context={"user": "x"}), "FILE: users has none named x"),
    "contexts no list": (document() | {"contexts": {"a": 1}}, "FILE: contexts must be a list"),
    "user no mapping": (
        document() | {"users": [{"name": "one", "user": TOKEN}]},
        "FILE: users[one].user must be a mapping",
    ),
    "no server": (
        document(cluster={"server": ""}),
        "FILE: clusters[one].cluster.server is missing",
    ),
    "server no text": (
        document(cluster={"server": 5}),
        "FILE: clusters[one].cluster.server must be text",
    ),
    "server no url": (
        document(cluster={"server": "one.example"}),
        "FILE: clusters[one].cluster.server is not a URL like https://HOST:PORT",
    ),
    "server with a bad port": (
        document(cluster={"server": "https://one:x"}),
        "FILE: clusters[one].cluster.server is not a URL like https://HOST:PORT",
    ),
    "server with a password": (
        document(cluster={"server": f"https://u:{TOKEN}@one"}),
        "FILE: clusters[one].cluster.server holds a user name or password",
    ),
    "server in the clear": (
        document(cluster={"server": "http://one.example"}),
        (
            "FILE: clusters[one].cluster.server is http://, where everyone on the way could read"
            " Secrets"
        ),
    ),
    "ca and insecure": (
        document(cluster={"certificate-authority": "x", "insecure-skip-tls-verify": True}),
        (
            "FILE: clusters[one].cluster.insecure-skip-tls-verify and certificate-authority exclude"
            " one another"
        ),
    ),
    "insecure no flag": (
        document(cluster={"insecure-skip-tls-verify": "yes"}),
        "FILE: clusters[one].cluster.insecure-skip-tls-verify must be true or false",
    ),
    "no base64": (
        document(cluster={"certificate-authority-data": f"{TOKEN}!"}),
        "FILE: clusters[one].cluster.certificate-authority-data is not PEM in base64",
    ),
    "a certificate without a key": (
        document({"client-certificate": "x"}),
        "FILE: users[one].user.client-certificate and client-key go together",
    ),
    "password": (
        document({"username": "x", "password": TOKEN}),
        (
            "FILE: users[one].user.username and password are taken by no API server since"
            " Kubernetes 1.19"
        ),
    ),
    "auth-provider": (
        document({"auth-provider": {"name": "gcp"}}),
        "FILE: users[one].user.auth-provider is gone since Kubernetes 1.26; use exec or tokenFile",
    ),
    "somebody else": (
        document({"as": "root"}),
        "FILE: users[one].user.as is not supported; name a user that is the one",
    ),
    "a token with a line break": (
        document({"token": f"{TOKEN}\nX-Other: 1"}),
        "FILE: users[one].user.token holds what no token does",
    ),
    "exec v1alpha1": (
        document({"exec": EXEC | {"apiVersion": f"{V1}alpha1"}}),
        (
            "FILE: users[one].user.exec.apiVersion is neither client.authentication.k8s.io/v1 nor"
            " client.authentication.k8s.io/v1beta1; others are not supported"
        ),
    ),
    "exec v1 without a mode": (
        document({"exec": EXEC | {"apiVersion": V1}}),
        (
            "FILE: users[one].user.exec.interactiveMode is missing, which"
            " client.authentication.k8s.io/v1 does not allow"
        ),
    ),
    "exec of another mode": (
        document({"exec": EXEC | {"interactiveMode": "Sometimes"}}),
        "FILE: users[one].user.exec.interactiveMode is neither Never nor IfAvailable",
    ),
    "exec no mapping": (document({"exec": "x"}), "FILE: users[one].user.exec must be a mapping"),
    "exec without a command": (
        document({"exec": EXEC | {"command": ""}}),
        "FILE: users[one].user.exec.command is missing",
    ),
    "exec that asks": (
        document({"exec": EXEC | {"interactiveMode": "Always"}}),
        "FILE: users[one].user.exec.interactiveMode is Always, and a daemon has no terminal",
    ),
    "exec args": (
        document({"exec": EXEC | {"args": [1]}}),
        "FILE: users[one].user.exec.args must be a list of texts",
    ),
    "exec env": (
        document({"exec": EXEC | {"env": {"A": "b"}}}),
        "FILE: users[one].user.exec.env must be a list of name and value",
    ),
    "socks": (
        document(cluster={"proxy-url": "socks5://x"}),
        (
            "FILE: clusters[one].cluster.proxy-url is not a proxy like http://HOST:PORT (SOCKS is"
            " not supported)"
        ),
    ),
}


@pytest.mark.parametrize(("told", "said"), MISTAKES.values(), ids=list(MISTAKES))
def test_each_mistake_names_file_and_key(file: Path, told: object, said: str) -> None:
    with pytest.raises(ClusterConfigError) as caught:
        read(file, told)

    assert str(caught.value) == said.replace("FILE", str(file))
    assert TOKEN not in repr(caught.value)
    assert caught.value.__context__ is None or TOKEN not in str(caught.value.__context__)


def test_a_kubeconfig_that_is_not_there_or_none(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none", "no such kubeconfig"), (tmp_path, "Is a directory")):
        with pytest.raises(ClusterConfigError) as caught:
            access_to(ClusterConfig(kubeconfig=str(path)), {})
        assert str(caught.value) == f"{path}: {said}"


def test_a_kubeconfig_has_a_size(file: Path) -> None:
    with pytest.raises(ClusterConfigError, match="is larger than any kubeconfig"):
        read(file, "#" * (4 * 1024 * 1024 + 1))


def test_an_access_shows_no_secret(file: Path) -> None:
    exec_ = EXEC | {"args": [TOKEN], "env": [{"name": "A", "value": TOKEN}]}
    pair = {"client-key-data": CODED, "client-certificate-data": CODED}
    users = ({"token": TOKEN}, {"exec": exec_}, pair)
    proxy = {"proxy-url": f"http://me:{TOKEN}@proxy:3128"}

    for user in users:
        said = repr(read(file, document(user, cluster=proxy)))
        assert TOKEN not in said
        assert CODED not in said
        assert PEM.strip() not in said
