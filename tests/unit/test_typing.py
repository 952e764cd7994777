"""What a user's program sees of the types: `mypy --strict` finds a misspelt option, and knows what a record's fields hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PROJECT

PROGRAM = """
import rawns
from rawns import NetNS

with NetNS.create() as ns, NetNS.create() as other:
    ns.net.add_veth("v1", "v2", peer_ns=other, up=True, mtu=1400, peer_options={"address": "02:00:00:00:00:01"})
    ns.net.set_link("v1", master=None, alias="cable")
    ns.net.add_link("x", "vlan", {"IFLA_VLAN_ID": 5}, link="v1", netns=other)
    ns.net.add_address("v1", "10.0.0.1/24", nodad=True)
    ns.net.add_route("default", via="10.0.0.2", metric=5)
    ns.net.add_rule(source="10.0.0.0/24", table=100)
    ns.net.set_port("v1", hairpin=True)
    ns.net.shape("v1", rate="10mbit", delay=0.02)
    name: str = ns.net.link("v1").name
    mtu: int = ns.net.links()[0].mtu
    complete: bool = ns.net.links().complete
    gateway: str | None = ns.net.routes()[0].gateway
    policy: str | None = ns.nft.chains()[0].policy
    status: int = ns.run(["true"], check=True, text=True, cwd="/").returncode + ns.popen("true", shell=True).pid
    total: int = ns.call(sum, [1, 2])
    again: NetNS = NetNS.resolve("pid:1") if total else NetNS.resolve(ns)
    bridge = rawns.Lab("shop").bridge("br0", stp=True)
    ports: int = len(bridge.host.net.links()) + bridge.host.run(["true"]).returncode
"""

WRONG = {
    "ns.call(len, 1)": 'incompatible type "int"; expected "Sized"',
    'ns.popen(["true"], cwdd="/")': 'Unexpected keyword argument "cwdd" for "popen"',
    'ns.run(["true"], chek=True)': 'Unexpected keyword argument "chek" for "run"',
    'ns.net.add_veth("v1", "v2", pear_ns=1)': 'Unexpected keyword argument "pear_ns" for "add_veth"',
    'ns.net.add_veth("v1", "v2", peer_options={"adress": "x"})': 'expected "LinkOptions | None"',
    'ns.net.add_link("v1", "dummy", mtuu=1400)': 'Unexpected keyword argument "mtuu" for "add_link"',
    'ns.net.set_link("v1", mtu="1500")': 'incompatible type "str"; expected "int | None"',
    'ns.net.set_link("v1", upp=True)': 'Unexpected keyword argument "upp" for "set_link"',
    'ns.net.add_address("v1", "10.0.0.1/24", no_dad=True)': 'Unexpected keyword argument "no_dad" for "add_address"',
    'ns.net.add_route("default", gateway="10.0.0.1")': 'Unexpected keyword argument "gateway" for "add_route"',
    'ns.net.delete_route("default", mtu=1)': 'Unexpected keyword argument "mtu" for "delete_route"',
    'ns.net.add_rule(src="10.0.0.0/24")': 'Unexpected keyword argument "src" for "add_rule"',
    'ns.net.set_port("v1", hair_pin=True)': 'Unexpected keyword argument "hair_pin" for "set_port"',
    'ns.net.shape("v1", speed="1mbit")': 'Unexpected keyword argument "speed" for "shape"',
    'ns.net.add_vxlan("x", 1, remot="10.0.0.1")': 'Unexpected keyword argument "remot" for "add_vxlan"',
    'ns.net.links()[0].nmae': '"Link" has no attribute "nmae"',
    'len(ns.net.links()[0].mtu)': 'incompatible type "int"; expected "Sized"',
    'bridge.host.net.linkz()': '"Net" has no attribute "linkz"',
    'ns.net.nat("t", [])': '"Net" has no attribute "nat"',
}  # fmt: skip


@pytest.mark.no_cover
def test_mypy_finds_a_misspelt_option(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is not installed")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "".join(f"    {line}\n" for line in WRONG))
    argv = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--python-version",
        "3.10",
        "--no-incremental",
        "--config-file",
        "",
        str(program),
    ]
    environment = {"MYPYPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "COLUMNS": "400"}
    done = subprocess.run(argv, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    first = PROGRAM.count("\n") + 1
    found: dict[int, str] = {}
    for line in done.stdout.splitlines():
        place, kind, sentence = [*line.split(": ", 2), "", ""][:3]
        if kind == "error" and place.startswith("program.py:"):
            number = int(place.rsplit(":", 1)[1])
            found[number] = found.get(number, "") + sentence
    assert min(found, default=0) >= first, f"errors in the correct part: {done.stdout}"
    for number, (line, sentence) in enumerate(WRONG.items(), first):
        assert sentence in found.get(number, ""), (line, found.get(number), done.stdout)
