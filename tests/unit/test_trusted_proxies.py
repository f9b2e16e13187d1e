import ipaddress

import pytest

from service.core.start_errors import SettingInvalid
from service.settings import Settings
from service.trusted_proxies import is_network, split_networks


def test_addresses_and_networks_of_both_versions_are_accepted() -> None:
    networks = [ipaddress.ip_network(item) for item in ("10.0.0.5", "172.16.0.0/12", "::1", "fd00::/8")]
    assert list(split_networks(" 10.0.0.5, 172.16.0.0/12,::1 ,fd00::/8,")) == networks


@pytest.mark.parametrize("item", ["*", "proxy", "10.0.0.5/8", "10.0.0", "10.0.0.0/33", "10.0.0.5:80", "[::1]"])
def test_anything_else_is_refused_with_an_example(item: str) -> None:
    assert not is_network(item)
    with pytest.raises(
        SettingInvalid, match=r"EARMARK_TRUSTED_PROXIES is .*; accepted: IP addresses and networks such as"
    ):
        Settings(trusted_proxies=f"10.0.0.1,{item}")
