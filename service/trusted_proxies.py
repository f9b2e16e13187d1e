"""The value of EARMARK_TRUSTED_PROXIES: IP addresses and networks, separated by commas."""

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ACCEPTED_NETWORKS = "IP addresses and networks such as 10.0.0.5 or 172.16.0.0/12, separated by commas"


def split_items(value: str) -> list[str]:
    """The items of a value.

    >>> split_items("10.0.0.5, ::1,")
    ['10.0.0.5', '::1']
    """
    return [item.strip() for item in value.split(",") if item.strip()]


def is_network(item: str) -> bool:
    """Whether an item is an IP address or a network whose address has no bits beyond its prefix."""
    try:
        ipaddress.ip_network(item)
    except ValueError:
        return False
    return True


def split_networks(value: str) -> tuple[Network, ...]:
    """The networks in a value whose items `is_network` accepts."""
    return tuple(ipaddress.ip_network(item) for item in split_items(value))
