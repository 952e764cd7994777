"""A small container engine for tests: it calls CNI plugins as the specification says, in this process or as processes.

The expected order of calls, what each plugin gets, and what is kept are those of the specification (and of libcni).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import PROJECT

from rawns import NetNS
from rawns.cni.program import run

Json = dict[str, Any]
Answer = tuple[int, Any]
Invoke = Callable[[str, dict[str, str], Json], Answer]


def _answer(status: int, output: str) -> Answer:
    return status, json.loads(output) if output.strip() else None


def in_process(node: NetNS) -> Invoke:
    """Return a function that calls a plugin of this package in this process, inside ``node``."""

    def invoke(kind: str, environment: dict[str, str], config: Json) -> Answer:
        return _answer(*node.call(run, kind, environment, json.dumps(config).encode()))

    return invoke


def as_process(node: NetNS, command: Callable[[str], list[str]]) -> Invoke:
    """Return a function that runs ``command(type)`` as a process in ``node``."""

    def invoke(kind: str, environment: dict[str, str], config: Json) -> Answer:
        done = node.run(
            command(kind),
            input=json.dumps(config).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **environment, "PYTHONPATH": str(PROJECT)},
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return _answer(done.returncode, done.stdout.decode())

    return invoke


def ours(kind: str) -> list[str]:
    """Return the command of a plugin of this package."""
    return [sys.executable, "-m", "rawns", "cni", kind]


class PluginFailed(Exception):
    """A plugin has answered with an error."""

    def __init__(self, error: Json) -> None:
        super().__init__(str(error))
        self.error = error


class Engine:
    """One network: a configuration list and the results of its attachments."""

    def __init__(self, invoke: Invoke, network: Json, path: Path | str = "/nowhere") -> None:
        self.invoke, self.network, self.path = invoke, network, str(path)
        self.results: dict[tuple[str, str], Json] = {}
        self.capabilities: dict[tuple[str, str], Json] = {}

    def _call(self, command: str, plugin: Json, extra: Json, **variables: str) -> Any:
        config = {**plugin, "cniVersion": self.network["cniVersion"], "name": self.network["name"], **extra}
        environment = {"CNI_COMMAND": command, "CNI_PATH": self.path, "PATH": os.environ["PATH"], **variables}
        status, answer = self.invoke(plugin["type"], environment, config)
        if status:
            assert isinstance(answer, dict) and answer["code"] > 0 and answer["msg"], answer
            raise PluginFailed(answer)
        return answer

    def _attachment(self, command: str, plugin: Json, key: tuple[str, str], netns: str, extra: Json, args: str) -> Any:
        given = self.capabilities.get(key, {})
        values = {name: given[name] for name, on in plugin.get("capabilities", {}).items() if on and name in given}
        extra = {**extra, **({"runtimeConfig": values} if values else {})}
        variables = {"CNI_CONTAINERID": key[0], "CNI_IFNAME": key[1], "CNI_NETNS": netns, "CNI_ARGS": args}
        return self._call(command, plugin, extra, **{name: value for name, value in variables.items() if value})

    def add(self, container: str, netns: str, ifname: str = "eth0", args: str = "", **capabilities: Any) -> Json:
        key, result = (container, ifname), None
        self.capabilities[key] = capabilities
        for plugin in self.network["plugins"]:
            extra: Json = {"prevResult": result} if result else {}
            result = self._attachment("ADD", plugin, key, netns, extra, args)
        assert isinstance(result, dict) and result["cniVersion"] == self.network["cniVersion"]
        self.results[key] = result
        return result

    def check(self, container: str, netns: str, ifname: str = "eth0") -> None:
        for plugin in self.network["plugins"]:
            answer = self._attachment("CHECK", plugin, (container, ifname), netns, self._previous(container, ifname), "")
            assert answer is None

    def delete(self, container: str, netns: str = "", ifname: str = "eth0", forget: bool = False) -> None:
        for plugin in reversed(self.network["plugins"]):
            extra = {} if forget else self._previous(container, ifname)
            assert self._attachment("DEL", plugin, (container, ifname), netns, extra, "") is None
        self.results.pop((container, ifname), None)

    def _previous(self, container: str, ifname: str) -> Json:
        result = self.results.get((container, ifname))
        return {"prevResult": result} if result else {}

    def collect(self, valid: list[tuple[str, str]]) -> None:
        listed = [{"containerID": container, "ifname": ifname} for container, ifname in valid]
        for plugin in self.network["plugins"]:
            self._call("GC", plugin, {"cni.dev/valid-attachments": listed})

    def status(self) -> None:
        for plugin in self.network["plugins"]:
            self._call("STATUS", plugin, {})


def path_of(pod: NetNS) -> str:
    """Return a path to a namespace that this process has open."""
    return f"/proc/{os.getpid()}/fd/{pod.fileno()}"


def ip(namespace: NetNS, *words: str) -> Any:
    """Return what the real ``ip -j`` says in a namespace."""
    done = namespace.run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout or b"[]")


def nft(namespace: NetNS) -> str:
    """Return the ruleset that the real ``nft`` lists."""
    text: str = namespace.run(["nft", "list", "ruleset"], stdout=subprocess.PIPE, check=True, text=True).stdout
    return text
