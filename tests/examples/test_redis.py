"""A client library with retries across a link that is down for two seconds: redis-py and redis-server."""

from __future__ import annotations

from threading import Timer
from time import monotonic
from typing import Any

import needs
import pytest

pytestmark = [needs.program("redis-server", "redis-server"), needs.package("redis", "redis")]
DOWN = 2.0  # seconds
SERVER = ["redis-server", "--save", "", "--appendonly", "no", "--bind", "10.0.0.1", "--protected-mode", "no"]


@pytest.fixture
def hosts(lab: Any, tmp_path: Any) -> tuple[Any, Any]:
    """Provide a server that runs Redis, and a client."""
    server, client = lab.netns(label="server"), lab.netns(label="client")
    lab.wire(server.port("eth0", "10.0.0.1/24"), client.port("eth0", "10.0.0.2/24"))
    lab.up()
    server.start([*SERVER, "--dir", str(tmp_path)], ready="port 6379")
    return server, client


def connection(attempts: int) -> Any:
    """Return a client that makes so many attempts, each half a second long."""
    from redis import Redis
    from redis.backoff import ConstantBackoff
    from redis.exceptions import ConnectionError, TimeoutError
    from redis.retry import Retry

    retry = Retry(ConstantBackoff(0.1), attempts)
    options: Any = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5, "retry": retry}
    return Redis("10.0.0.1", retry_on_error=[ConnectionError, TimeoutError], **options)


def test_client_with_retries_survives_a_link_that_is_down(lab: Any, hosts: tuple[Any, Any]) -> None:
    _, client = hosts
    with client.entered(), connection(20) as redis:
        redis.set("key", "value")
        lab.set_down("server:eth0")
        begin, timer = monotonic(), Timer(DOWN, lab.set_up, ["server:eth0"])
        timer.start()
        try:
            assert redis.get("key") == b"value"
        finally:
            timer.join()
        assert monotonic() - begin >= DOWN


def test_client_without_retries_does_not(lab: Any, hosts: tuple[Any, Any]) -> None:
    from redis.exceptions import RedisError

    _, client = hosts
    with client.entered(), connection(0) as redis:
        redis.set("key", "value")
        lab.set_down("server:eth0")
        with pytest.raises(RedisError):
            redis.get("key")
        lab.set_up("server:eth0")
        lab.wait_reachable("client", "server", port=6379)
        assert redis.get("key") == b"value"
