"""One call of a container engine: the CNI_* variables, the configuration on standard input, and the namespaces concerned."""

from __future__ import annotations

import os

from ..errors import InvalidValue, RawnsError
from ..json_text import shown
from ..objects.link import check_name
from ..terminal import short_repr
from .failure import INVALID_CONFIG, INVALID_ENVIRONMENT, UNKNOWN_CONTAINER, CniError
from .keys import ANY, FLAG, MAC_TYPE, OBJECT, TEXT, ConfigKey, invalid, list_of, read, table
from .result import DNS, WITH_GC, CniResult, check_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from ..net import Net, NetNS
    from ..rollback import Rollback

COMMANDS = ("ADD", "CHECK", "DEL", "GC", "STATUS", "VERSION")
WITH_ATTACHMENT = ("ADD", "CHECK", "DEL")
MAX_NAME_BYTES = 255  # a network's name is the name of a directory, too
MAX_STAMP_BYTES = 127  # of a comment in nf_tables; an alias may be longer
MAX_LABEL = 60
ARGUMENTS = ("IP", "MAC", "GATEWAY", "IGNOREUNKNOWN")  # of CNI_ARGS, beside those of Kubernetes
ATTACHMENT = (
    ConfigKey("containerID", TEXT, "a container", required=True),
    ConfigKey("ifname", TEXT, "the name of its interface", required=True),
)
VALID = "cni.dev/valid-attachments"
COMMON = (  # keys that every plugin takes
    ConfigKey("cniVersion", TEXT, "the version of the specification"),
    ConfigKey("cniVersions", list_of(TEXT), "versions that the engine may choose from (1.1.0)"),
    ConfigKey("name", TEXT, "the name of the network", required=True),
    ConfigKey("type", TEXT, "the name of the plugin", required=True),
    ConfigKey("args", OBJECT, "arguments of the engine; `args.cni` may have `mac` and `ips`", {}),
    ConfigKey("capabilities", OBJECT, "what the engine fills `runtimeConfig` with", {}),
    ConfigKey("runtimeConfig", OBJECT, "values of the engine, for capabilities", {}),
    ConfigKey("prevResult", ANY, "the result of the plugin before, or of ADD"),
    ConfigKey("dns", table(DNS), "DNS of the network", {}),
    ConfigKey("disableCheck", FLAG, "CHECK is not called", False),
    ConfigKey("disableGC", FLAG, "GC is not called", False),
    ConfigKey("loadOnlyInlinedPlugins", FLAG, "of the engine", False),
    ConfigKey(VALID, list_of(table(ATTACHMENT, True)), "what GC keeps (1.1.0)"),
    ConfigKey("cni.dev/attachments", list_of(table(ATTACHMENT, True)), "the same, of libcni 1.2"),
)


def identifier(text: Any) -> bool:
    """Return whether a text may name a network or a container: a letter or digit, then letters, digits, ``_``, ``.``, ``-``."""
    if type(text) is not str or not text or len(text) > MAX_NAME_BYTES or not text.isascii():
        return False
    return text[0].isalnum() and all(char.isalnum() or char in "_.-" for char in text)


def digest(*words: str) -> str:
    """Return 16 hexadecimal digits that depend on words, none of which has a NUL."""
    try:
        from _blake2 import blake2b  # `hashlib` loads OpenSSL
    except ImportError:
        from hashlib import blake2b  # type: ignore[assignment]
    return str(blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest())


class Attachment:
    """One interface of one container in one network: the key of everything that ADD makes.

    The names of what is on the node follow from it, so that DEL and GC find everything without a state of their own:
    ``host_link`` (a veth's end), ``table`` (nf_tables) and ``stamp`` (an alias, or a comment).
    """

    __slots__ = ("network", "container", "ifname", "token")

    def __init__(self, network: str, container: str, ifname: str) -> None:
        self.network, self.container, self.ifname = network, container, ifname
        self.token = digest(network, container, ifname)

    @property
    def host_link(self) -> str:
        """The name of the node's end of its cable."""
        return self.link("veth")

    def link(self, beginning: str) -> str:
        """Return a name for an interface of the node that belongs to it."""
        return beginning + self.token[: 15 - len(beginning)]

    @property
    def table(self) -> str:
        """The name of its tables in nf_tables."""
        return f"cni-{self.token}"

    def __str__(self) -> str:
        return f"{self.container} {self.ifname}"

    @property
    def stamp(self) -> str:
        """What says whose an interface or a table is; `belongs` finds the network in it."""
        return f"{network_mark(self.network)}{self.container} {self.ifname}"[:MAX_STAMP_BYTES]


def network_mark(network: str) -> str:
    """Return how the stamps of all attachments of a network begin."""
    return f"cni {network if len(network) <= MAX_LABEL else '%' + digest(network)} "


def random_mac() -> str:
    """Return a MAC address that is administered locally, at random."""
    octets = bytearray(os.urandom(6))
    octets[0] = octets[0] & 0xFC | 2
    return octets.hex(":")


class _Sockets:
    """What a call has open; the plugins of a chain share it."""

    host: Net | None = None
    pod: NetNS | None = None


class Call:
    """What a container engine asks for.

    ``config`` is the configuration as it was given; `keys` checks it against the keys of a plugin.  ``undo`` undoes what the
    call has done if it fails.  ``valid`` are the attachments that GC keeps.
    """

    def __init__(self, environment: Mapping[str, str], config: Any, undo: Rollback) -> None:
        self.undo = undo
        self.command = environment.get("CNI_COMMAND", "")
        if not isinstance(config, dict):
            raise CniError(INVALID_CONFIG, f"the network configuration is not an object, but {shown(config)}")
        self.config: dict[str, Any] = config
        self.version = check_version(config.get("cniVersion"))
        self.network = config.get("name")
        if not identifier(self.network):
            raise invalid("name", f"{shown(self.network)} cannot name a network: a letter or digit, then also _ . and -")
        if self.command in ("GC", "STATUS") and self.version != WITH_GC:
            raise CniError(1, f"{self.command} needs cniVersion {WITH_GC}, and the configuration has {self.version}")
        self._may_be_here = environment.get("CNI_NETNS_OVERRIDE", "").lower() in ("1", "true")
        self.netns_path = environment.get("CNI_NETNS", "")
        self.attachment = Attachment(str(self.network), "", "")
        self.arguments: dict[str, str] = {}
        if self.command in WITH_ATTACHMENT:
            self._read_attachment(environment)
        self._open_here = _Sockets()
        self.result: CniResult | None = None  # of the plugin before, in a chain
        self.removed_tables: set[int] = set()  # families of nf_tables
        self.valid: list[Attachment] = self._read_valid() if self.command == "GC" else []

    def of(self, config: dict[str, Any]) -> Call:
        """Return the same call for one plugin of a chain, with its configuration."""
        one = object.__new__(Call)
        vars(one).update(vars(self), config=config)
        return one

    # -- the environment ------------------------------------------------------------------------------------------

    def _read_attachment(self, environment: Mapping[str, str]) -> None:
        needed = ["CNI_CONTAINERID", "CNI_IFNAME", *(["CNI_NETNS"] if self.command != "DEL" else [])]
        missing = [name for name in needed if not environment.get(name)]
        if missing:
            raise CniError(
                INVALID_ENVIRONMENT,
                f"{self.command} needs the environment variable{'s' * (len(missing) > 1)} {', '.join(missing)}",
            )
        container, ifname = environment["CNI_CONTAINERID"], environment["CNI_IFNAME"]
        if not identifier(container):
            raise CniError(INVALID_ENVIRONMENT, f"CNI_CONTAINERID: {short_repr(container)} cannot be the id of a container")
        try:
            check_name(ifname)
        except InvalidValue as error:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_IFNAME: {error}") from None
        self.attachment = Attachment(str(self.network), container, ifname)
        if self.command != "DEL":  # which needs no arguments, and must not fail because of them
            self._read_arguments(environment)

    def _read_arguments(self, environment: Mapping[str, str]) -> None:
        for pair in filter(None, environment.get("CNI_ARGS", "").split(";")):
            name, equals, value = pair.partition("=")
            if not equals:
                raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: {short_repr(pair)} is not NAME=VALUE")
            self.arguments[name.upper()] = value
        unknown = [name for name in self.arguments if name not in ARGUMENTS and not name.startswith("K8S_")]
        if unknown and self.arguments.get("IGNOREUNKNOWN", "").lower() not in ("1", "true"):
            raise CniError(INVALID_ENVIRONMENT, f"CNI_ARGS: {short_repr(unknown[0])} is not known; IgnoreUnknown=1 lets it pass")

    def _read_valid(self) -> list[Attachment]:
        values = read(COMMON, self.config, lenient=True)
        valid = values[VALID] if values[VALID] is not None else values["cni.dev/attachments"]
        if valid is None:
            raise CniError(INVALID_CONFIG, f"GC needs the key {VALID}: the attachments that are kept")
        return [Attachment(str(self.network), one["containerID"], one["ifname"]) for one in valid]

    @property
    def ifname(self) -> str:
        """The name of the container's interface."""
        return self.attachment.ifname

    # -- the configuration ----------------------------------------------------------------------------------------

    def previous(self, required: bool = False) -> CniResult | None:
        """Return the ``prevResult``; None if there is none.

        Raises `CniError` if it is required and absent, or if the interface in it is one of another container.
        """
        if self.result is not None:
            return self.result
        data = self.config.get("prevResult")
        if data is None:
            if required:
                raise CniError(INVALID_CONFIG, f"{self.config.get('type')} needs the key prevResult")
            return None
        result = CniResult.parse(data)
        assert self.pod is not None  # code 3 if there is no such namespace
        result.number_of(self.netns_path, self.ifname)
        return result

    def capability(self, name: str) -> Any:
        """Return a value that the engine gave for a capability; None if there is none."""
        values = self.config.get("runtimeConfig")
        return values.get(name) if isinstance(values, dict) else None

    def conventional(self, name: str) -> Any:
        """Return ``args.cni.NAME``; None if there is none."""
        args = self.config.get("args")
        cni = args.get("cni") if isinstance(args, dict) else None
        return cni.get(name) if isinstance(cni, dict) else None

    def mac(self, given: str | None = None) -> str | None:
        """Return the MAC address that the configuration, CNI_ARGS, ``args.cni`` or the capability asks for; the last counts."""
        sources = (("CNI_ARGS: MAC", self.arguments.get("MAC")), ("args.cni.mac", self.conventional("mac")))
        found = given
        for place, value in (*sources, ("runtimeConfig.mac", self.capability("mac"))):
            if value:
                if type(value) is not str:
                    raise invalid(place, f"expected a MAC address, not {shown(value)}")
                try:
                    found = MAC_TYPE(value)
                except InvalidValue as error:
                    raise CniError(INVALID_ENVIRONMENT if "ARGS" in place else INVALID_CONFIG, f"{place}: {error}") from None
        return found

    # -- namespaces -------------------------------------------------------------------------------------------------

    @property
    def host(self) -> Net:
        """The network of the node: of the namespace that the plugin was started in."""
        if self._open_here.host is None:
            from ..net import Net
            from ..netlink import Netlink

            self._open_here.host = Net(Netlink())
        return self._open_here.host

    @property
    def pod(self) -> NetNS:
        """The network namespace of the container.  Raises `CniError` if there is none (code 3), or if it is the node's own."""
        if self._open_here.pod is None:
            self._open_here.pod = self._open()
        return self._open_here.pod

    def _open(self) -> NetNS:
        from ..net import NetNS

        try:
            found = NetNS.open(os.path.join(".", self.netns_path))
        except FileNotFoundError:
            raise CniError(UNKNOWN_CONTAINER, f"CNI_NETNS: there is no {self.netns_path}") from None
        except (RawnsError, ValueError) as error:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_NETNS: {error}") from None
        with NetNS.current() as here:
            if found == here and not self._may_be_here:
                raise CniError(INVALID_ENVIRONMENT, "CNI_NETNS is the node's own namespace; CNI_NETNS_OVERRIDE=1 allows that")
        return found

    @property
    def pod_if_any(self) -> NetNS | None:
        """The network namespace of the container; None if there is none any more (for DEL)."""
        if not self.netns_path:
            return None
        try:
            return self.pod
        except CniError:
            return None

    def close(self) -> None:
        """Close what is open."""
        if self._open_here.pod is not None:
            self._open_here.pod.close()
        if self._open_here.host is not None:
            self._open_here.host.close()


def stale(names: Iterable[tuple[str, str]], network: str, valid: Iterable[str]) -> list[str]:
    """Return the names, of pairs of a name and a stamp, that belong to a network and are not valid."""
    kept, beginning = set(valid), network_mark(network)
    return [name for name, stamp in names if stamp.startswith(beginning) and name not in kept]
