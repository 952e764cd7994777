"""`ip -batch`: words, comments, continuation lines, errors and their line numbers, and a long file with `netns exec` in it."""

# ruff: noqa: E501 (files are not wrapped)

from __future__ import annotations

import pytest
from universe import Both, two_universes  # noqa: F401 (the fixture `both`)

FILES = {
    "quotes": "link show \"lo\"\nlink show 'lo'\nlink show l\"o\"\nlink show ''\nlink set v3 alias 'two  words'\nlink show v3\n",
    "unterminated": "link show lo\nlink show 'lo\nlink show lo\n",
    "comments": "# first\n\n   \n\t# second\nlink show lo # third\nlink show lo#fourth\nlink set v3 alias 'a#b'\nlink show v3\n",
    "blanks": "  link\tshow   lo  \n\tlink show lo\n",
    "continued": "link \\\nshow \\\nlo\nlink show nope\n",
    "continued to the end": "link show lo\nlink show \\\n",
    "a continued comment": "# comment \\\nlink show lo\nlink show nope\n",
    "a backslash inside": "link show l\\o\nlink show lo\\ \nlink show lo\n",
    "no last newline": "link show lo\nlink show lo",
    "returns": "link show lo\r\nlink show lo\r\n",
    "empty": "",
    "errors": "link show nope\nroute add 1.2.3.4 via 9.9.9.9\n\n# comment\nlink show lo\nnothing\nlink show lo\n",
    "errors later": "link show lo\n\nlink set v3 mtu 1\nlink show lo\n",
    "options inside": "-4 addr show lo\nlink show lo\n",
    "a long line": f"link set v3 alias {'x' * 200}\nlink show v3 {' ' * 5000} up\n",
    "many words": f"link show {'lo ' * 150}\nlink show lo\n",
    "exec": "netns exec a echo one\nnetns exec a sh -c 'exit 3'\nnetns exec b echo 'two  words'\nlink show lo\n",
    "exec and its input": "netns exec a cat\nlink show lo\nlink show lo\n",
    "namespaces": "netns add c\nnetns\nlink add x1 address 02:00:00:00:00:72 type veth peer name x2 netns c address 02:00:00:00:00:73\nnetns exec c ip link show x2\nnetns del c\nlink show x1\n",
    "names that change": "link add x3 address 02:00:00:00:00:71 type bridge\nlink set x3 name x4\naddr add 10.5.0.1/24 dev x4\nlink del x4\n",
    "flush and family": "addr flush dev v3\nroute flush table 77\naddr show v3\n",
}
LINES = 10_000


@pytest.mark.parametrize("options", [[], ["-force"], ["-4", "-j"]], ids=" ".join)
def test_files(both: Both, options: list[str]) -> None:
    found = []
    for name, text in FILES.items():
        real, ours = both.ask(*options, "-batch", "-", given=text)
        found += [f"{name}:\n   real: {real}\n   ours: {ours}"] if real != ours else []
    assert not found, "\n".join(found)


def test_no_such_file(both: Both) -> None:
    assert not both.differences("-batch /nonexistent\n-batch\n-batch /dev/null\n-b - <<< link show lo")


def test_ten_thousand_lines(both: Both) -> None:
    """A line in a hundred runs a program in another namespace; a few fail, and ``-force`` goes on."""
    lines = [f"route add blackhole 10.{at >> 8 & 255}.{at & 255}.1" for at in range(LINES)]
    lines[50::100] = [f"netns exec a echo {at}" for at in range(50, LINES, 100)]
    lines[77::1000] = [f"link show nope{at}" for at in range(77, LINES, 1000)]
    real, ours = both.ask("-force", "-batch", "-", given="\n".join(lines) + "\n")
    assert real == ours
    assert real[1].split() == [str(at) for at in range(50, LINES, 100)]
    assert real[2].count("Command failed -:") == LINES // 1000
    states = both.state()
    assert states[0] == states[1]
    assert states[0].count("blackhole 10.") > LINES * 0.95
