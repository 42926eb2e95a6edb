"""Channels."""

from __future__ import annotations

from envbuild.core.definition import CondaSpec
from envbuild.solve.channels import effective_channels, expand_channels


def test_channels_keep_their_order_and_those_of_specs_come_last():
    specs = (CondaSpec(text="b::x", name="x", channel="b"), CondaSpec(text="a::y", name="y", channel="a"))
    assert effective_channels(("a", "nodefaults", "c"), specs) == ("a", "c", "b")


def test_without_channels_condas_own_default_is_taken():
    assert effective_channels((), ()) == ("defaults",)
    assert effective_channels(("nodefaults",), ()) == ("defaults",)


def test_defaults_stands_for_condas_own_list():
    unix, windows = expand_channels(("x", "defaults"), "linux-64"), expand_channels(("defaults",), "win-64")
    assert unix[0] == "x"
    assert [url.rsplit("/", 2)[1:] for url in unix[1:]] == [["pkgs", "main"], ["pkgs", "r"]]
    assert [url.rsplit("/", 2)[1:] for url in windows] == [["pkgs", "main"], ["pkgs", "r"], ["pkgs", "msys2"]]


def test_variables_are_replaced_in_urls_only(monkeypatch):
    monkeypatch.setenv("CHANNEL_TOKEN", "abc")
    channels = ("https://conda.example/t/${CHANNEL_TOKEN}/team", "$CHANNEL_TOKEN", "https://conda.example/$UNKNOWN/x")
    assert expand_channels(channels, "linux-64") == (
        "https://conda.example/t/abc/team",
        "$CHANNEL_TOKEN",
        "https://conda.example/$UNKNOWN/x",
    )
