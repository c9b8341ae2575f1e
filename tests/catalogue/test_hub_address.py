"""A download goes to the hub and where the operator lets the hub send it, and nowhere else."""

from __future__ import annotations

import pytest

from aura_local.catalogue.hub_address import DEFAULT_ENDPOINT, HubAddress, Target
from aura_local.errors import ConfigurationError, EgressDenied

STORAGE = ("huggingface.co", "hf.co")
HUB = HubAddress.checked(None, STORAGE, None)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://huggingface.co/x", Target("huggingface.co", 443, private_allowed=False)),
        (
            "https://cas-bridge.xethub.hf.co/x?s=1",
            Target("cas-bridge.xethub.hf.co", 443, private_allowed=False),
        ),
        ("https://HF.co:8443/x", Target("hf.co", 8443, private_allowed=False)),
    ],
)
def test_the_hub_and_its_storage_may_be_reached(url: str, target: Target) -> None:
    assert HUB.target(url) == target


@pytest.mark.parametrize(
    "url",
    [
        "http://huggingface.co/x",
        "https://nothf.co/x",
        "https://hf.co.elsewhere.example/x",
        "https://hf.co@elsewhere.example/x",
        "https://127.0.0.1/x",
        "http://localhost/x",
        "https://192.168.1.1/x",
        "ftp://hf.co/x",
        "//elsewhere.example/x",
        "https://hf.co:99999/x",
        "https://[::1/x",
        "",
    ],
)
def test_nothing_else_may(url: str) -> None:
    with pytest.raises(EgressDenied, match="not allowed"):
        HUB.target(url)


def test_a_mirror_that_the_operator_names_may_be_in_his_own_network() -> None:
    mirror = HubAddress.checked("https://models.internal/", STORAGE, None)
    assert mirror.target("https://models.internal/x") == Target("models.internal", 443, private_allowed=True)
    assert not mirror.target("https://cdn.hf.co/x").private_allowed
    with pytest.raises(EgressDenied):
        mirror.target("http://models.internal/x")


def test_a_proxy_is_what_is_reached_but_the_rules_are_the_same() -> None:
    proxied = HubAddress.checked(None, STORAGE, "http://proxy.internal:3128")
    assert proxied.target("https://hf.co/x") == Target("proxy.internal", 3128, private_allowed=True)
    with pytest.raises(EgressDenied):
        proxied.target("https://elsewhere.example/x")


@pytest.mark.parametrize("endpoint", ["http://hub.example", "hub.example", "ftp://hub.example", "https://"])
def test_a_hub_without_tls_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match=r"downloads\.endpoint"):
        HubAddress.checked(endpoint, (), None)


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"downloads\.proxy"):
        HubAddress.checked(None, (), "proxy:3128")


def test_no_endpoint_is_the_public_hub() -> None:
    assert HUB.endpoint == DEFAULT_ENDPOINT
