"""What stands in deploy/ and compose.yaml: neither can be run by a test, both can be read."""

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from virtuoso.apps.arguments import parser
from virtuoso.apps.crashes import MOST, WITHIN_MS
from virtuoso.apps.settings_sources import default_settings
from virtuoso.domain.time import SECOND

ROOT = Path(__file__).parents[2]
UNITS = {
    "virtuoso.service": "engine",
    "virtuoso-web.service": "web",
    "virtuoso-monitor.service": "monitor",
}


class Unit(ConfigParser):
    """A unit file; a name may stand there several times, and the last one counts here."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read_string((ROOT / "deploy" / name).read_text("utf-8"))

    def optionxform(self, optionstr: str) -> str:
        """Names are as they stand."""
        return optionstr


@pytest.mark.parametrize(("name", "command"), UNITS.items())
def test_a_unit_starts_a_command_that_exists_and_watches_it(name: str, command: str) -> None:
    """It says itself when it is ready, and is killed when its loop stands still."""
    service = Unit(name)["Service"]
    words = service["ExecStart"].split()
    assert words[0].endswith("/bin/virtuoso")
    assert words[1] == command
    parser().parse_args(words[1:])
    assert service["Type"] == "notify"
    assert int(service["WatchdogSec"]) == 15
    assert service["RestartPreventExitStatus"] == "78"


@pytest.mark.parametrize("name", UNITS)
def test_a_loop_of_crashes_ends_and_is_said(name: str) -> None:
    """Five in a minute, as in our own launcher; then another unit says so. fault: F40."""
    unit = Unit(name)
    assert unit["Service"]["Restart"] == "always"
    assert int(unit["Unit"]["StartLimitBurst"]) == MOST
    assert int(unit["Unit"]["StartLimitIntervalSec"]) * SECOND == WITHIN_MS
    steps = [float(unit["Service"][key]) for key in ("RestartSec", "RestartMaxDelaySec")]
    assert steps[0] < steps[1]
    assert sum(steps) * MOST < WITHIN_MS / SECOND, "pauses so long that the limit is never met"
    told = unit["Unit"]["OnFailure"].split("@")[0]
    assert Unit(f"{told}@.service")["Service"]["SyslogLevel"] == "crit"


def test_only_the_engine_is_asked_to_read_its_settings_again() -> None:
    """The signal ends a process that does not expect it."""
    assert Unit("virtuoso.service")["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"
    for name in UNITS.keys() - {"virtuoso.service"}:
        assert "ExecReload" not in Unit(name)["Service"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_its_process_little(name: str) -> None:
    """No root, no new rights, no writing but to its state, bounded memory. threat: S22."""
    service = Unit(name)["Service"]
    assert service["User"] == "virtuoso"
    assert service["CapabilityBoundingSet"] == ""
    for word in (
        "NoNewPrivileges",
        "ProtectHome",
        "PrivateTmp",
        "PrivateDevices",
        "RestrictRealtime",
    ):
        assert service[word] == "yes", word
    assert service["ProtectSystem"] == "strict"
    assert service["RestrictAddressFamilies"] == "AF_INET AF_INET6 AF_UNIX"
    assert service["MemoryMax"][-1] in "MG"


def test_the_owners_name_of_the_web_unit_works_too() -> None:
    """One unit with an alias. contract: U1."""
    assert Unit("virtuoso-web.service")["Install"]["Alias"] == "virtuoso_web.service"


def services() -> dict[str, dict[str, Any]]:
    """The services of compose.yaml."""
    whole = msgspec.yaml.decode((ROOT / "compose.yaml").read_bytes(), type=dict[str, Any])
    found: dict[str, dict[str, Any]] = whole["services"]
    return found


def option(service: dict[str, Any], name: str) -> str:
    """What follows an option in a service's command."""
    words = [str(word) for word in service["command"]]
    return words[words.index(name) + 1]


def test_compose_starts_the_servers_that_the_settings_name() -> None:
    """On the loopback alone, at the usual ports, and again after a crash."""
    cache = default_settings().cache
    ports = {"memcached": cache.memcached_port, "redis": cache.redis_port}
    assert services().keys() == ports.keys()
    for name, port in ports.items():
        assert services()[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert services()[name]["restart"] == "unless-stopped"
        assert services()[name]["image"].split(":")[0] == name


def test_compose_gives_the_servers_what_the_owner_asks_for() -> None:
    """4 GB and 2,048 connections; Redis as a cache alone, with a limit. contract: K2, K15."""
    near, far = services()["memcached"], services()["redis"]
    assert (option(near, "-m"), option(near, "-c"), option(near, "-U")) == ("4096", "2048", "0")
    assert option(far, "--maxmemory") == "512mb"
    assert option(far, "--maxmemory-policy") == "allkeys-lru"
    assert option(far, "--protected-mode") == "no", "it would refuse what comes over the bridge"
    assert (option(far, "--save"), option(far, "--appendonly")) == ("", "no")
    # the container may take more than the values it holds: connections, fragments
    assert near["mem_limit"] == "4608m"
    assert far["mem_limit"] == "768m"
