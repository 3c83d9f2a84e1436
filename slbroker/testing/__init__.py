"""Testing a plugin with no sockets: the requests go through the same parser, responder and reply builder as in service.

from slbroker.testing import Client
from my_plugin import app

def test_keepalive():
    assert Client(app).request("OPTIONS").status == 200

`slbroker.testing.pytest_plugin` has a fixture, `factory` the requests, `digest` a phone's answer to a challenge.
"""

from slbroker.testing.client import Client
from slbroker.testing.digest import credentials
from slbroker.testing.factory import SDP, SOURCE, RequestFactory

__all__ = ["SDP", "SOURCE", "Client", "RequestFactory", "credentials"]
