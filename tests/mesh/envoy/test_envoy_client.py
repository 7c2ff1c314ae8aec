"""The client that speaks to Envoys: from which address, and at what cost."""

import socket
import sys

import pytest

from kntls.mesh.authz import Request
from kntls.mesh.envoy import client


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_a_connection_comes_from_the_address_it_stands_for(listener):
    with client._connect(listener.getsockname()[1], Request(80, source_ip="127.0.1.2"), None) as made:
        assert made.getsockname()[0] == "127.0.1.2"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux has the option")
def test_the_kernel_chooses_the_port_by_connection_so_that_thousands_do_not_use_them_up(listener):
    with client._connect(listener.getsockname()[1], Request(80), None) as made:
        assert made.getsockopt(socket.IPPROTO_IP, 24) == 1
