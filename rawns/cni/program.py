"""Run one call of a container engine: one plugin, or a whole chain in this process; the answer is JSON on standard output."""

from __future__ import annotations

from ..errors import InvalidValue, KernelError, RawnsError, SyscallError
from ..json_text import RepeatedKey, parse, shown, write
from ..rollback import Rollback
from ..terminal import printable, short_repr
from .call import COMMANDS, COMMON, Call
from .failure import DECODE_FAILURE, INVALID_CONFIG, INVALID_ENVIRONMENT, IO_FAILURE, NOT_AVAILABLE, REFUSED, CniError
from .keys import ConfigKey, invalid, list_of, read, scalar
from .result import VERSIONS, WITH_CHECK, CniResult

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .plugin import CniPlugin

MAX_INPUT_BYTES = 16 << 20
MAX_SENTENCE = 2000  # characters of an error: values that are very long are cut off
CHAIN = "rawns"  # the type whose key ``plugins`` is a chain
PLUGINS = {  # the module and class of each; modules are imported when they are called
    "bridge": ("bridge", "BridgePlugin"),
    "host-local": ("ipam", "HostLocalPlugin"),
    "loopback": ("loopback", "LoopbackPlugin"),
    "portmap": ("portmap", "PortmapPlugin"),
    "static": ("ipam", "StaticPlugin"),
    "ptp": ("ptp", "PtpPlugin"),
    "tuning": ("tuning", "TuningPlugin"),
    "bandwidth": ("bandwidth", "BandwidthPlugin"),
    "macvlan": ("lower_links", "MacvlanPlugin"),
    "ipvlan": ("lower_links", "IpvlanPlugin"),
    "host-device": ("host_device", "HostDevicePlugin"),
}
FIREWALL = "firewall is left out: an accept in one table of nf_tables cannot override the drop of another"
KEPT = ("prevResult", "cni.dev/valid-attachments", "cni.dev/attachments")  # what each plugin of a chain gets as well
CHAIN_KEYS = (
    ConfigKey("plugins", list_of(scalar("an object", dict)), "the configurations of the plugins, in their order", required=True),
)


def run(name: str, environment: Mapping[str, str], data: bytes) -> tuple[int, str]:
    """Carry out the call that the environment and the configuration describe; return the exit status and the output."""
    version = VERSIONS[-1]
    try:
        command = environment.get("CNI_COMMAND", "")
        if command not in COMMANDS:
            raise CniError(INVALID_ENVIRONMENT, f"CNI_COMMAND: expected one of {', '.join(COMMANDS)}, not {short_repr(command)}")
        config = _parsed(data, command)
        given = config.get("cniVersion") if isinstance(config, dict) else None
        version = given if given in VERSIONS else version
        if command == "VERSION":
            return 0, write({"cniVersion": version, "supportedVersions": [*VERSIONS]}) + "\n"
        answer = _carried_out(name, environment, config)
        return 0, "" if answer is None else write(answer.render(version)) + "\n"
    except Exception as error:
        failure = explained(error)
        if failure is None:
            raise
        told = {"cniVersion": version, "code": failure.code, "msg": printable(str(failure))[:MAX_SENTENCE]}
        return 1, write({**told, **({"details": printable(failure.details)} if failure.details else {})}) + "\n"


def fault(error: Exception) -> str:
    """Return the output for a fault of this program, which is none of the errors of the specification."""
    sentence = printable(f"this is a fault of rawns: {type(error).__name__}: {error}")[:MAX_SENTENCE]
    return write({"cniVersion": VERSIONS[-1], "code": REFUSED, "msg": sentence}) + "\n"


def explained(error: Exception) -> CniError | None:
    """Return an error as one of the specification; None for a fault of this program."""
    if isinstance(error, CniError):
        return error
    if isinstance(error, InvalidValue):
        return CniError(INVALID_CONFIG, str(error))
    if isinstance(error, UnicodeEncodeError):  # JSON can have half a surrogate pair, which no file name can
        return CniError(INVALID_CONFIG, f"{short_repr(error.object)} is not a Unicode text")
    if isinstance(error, KernelError):
        return CniError(REFUSED, str(error))
    if isinstance(error, (SyscallError, OSError)):
        return CniError(IO_FAILURE, str(error))
    return CniError(REFUSED, str(error)) if isinstance(error, RawnsError) else None


def _parsed(data: bytes, command: str) -> Any:
    if command == "VERSION" and not data.strip():
        return {}
    try:
        if len(data) > MAX_INPUT_BYTES:
            raise ValueError(f"it has more than {MAX_INPUT_BYTES} bytes")
        return parse(data.decode())
    except RepeatedKey as error:
        raise CniError(INVALID_CONFIG, f"the key {short_repr(str(error))} is there twice in one object") from None
    except ValueError as error:
        raise CniError(DECODE_FAILURE, f"standard input is not JSON: {error}") from None


def _carried_out(name: str, environment: Mapping[str, str], config: Any) -> CniResult | None:
    command = environment["CNI_COMMAND"]
    with Rollback() as undo:
        call = Call(environment, config, undo)
        try:
            plugins = _chain(name, call, environment)
            return getattr(Verbs, command.lower())(plugins)  # type: ignore[no-any-return]
        except BaseException:
            undo.undo()  # while the sockets are open
            raise
        finally:
            call.close()


def plugin_class(name: str) -> type[CniPlugin]:
    """Return the class of a plugin.  Raises `CniError` if there is none of this name."""
    if name == "firewall":
        raise CniError(INVALID_CONFIG, FIREWALL)
    if name not in PLUGINS:
        raise CniError(INVALID_CONFIG, f"type: there is no plugin {short_repr(name)}; there are {', '.join(PLUGINS)}")
    module, found = PLUGINS[name]
    kind: type[CniPlugin] = getattr(__import__(f"rawns.cni.{module}", fromlist=[found]), found)
    return kind


def _chain(name: str, call: Call, environment: Mapping[str, str]) -> list[CniPlugin]:
    """Return the plugins that are called, in the order of ADD; all configurations are checked before anything is done."""
    if "plugins" in call.config and "type" not in call.config:
        raise invalid("", "this is a conflist; a plugin takes one entry of it, with cniVersion and name of the list added")
    if name != CHAIN:
        return [plugin_class(name)(call)]
    if call.config.get("type") in PLUGINS:
        raise invalid("type", f"{CHAIN} is called, whose key plugins has a chain; {call.config['type']} is a plugin of its own")
    values = read((*COMMON, *CHAIN_KEYS), call.config)
    if not values["plugins"]:
        raise invalid("plugins", "a chain without plugins")
    made: list[CniPlugin] = []
    for number, one in enumerate(values["plugins"]):
        if type(one.get("type")) is not str:
            raise invalid(f"plugins[{number}].type", f"expected the name of a plugin, not {shown(one.get('type'))}")
        kind = plugin_class(one["type"])
        if kind.chained and not made and call.config.get("prevResult") is None:
            raise invalid(f"plugins[{number}]", f"{kind.name} needs another plugin before it")
        given = {key: value for key, value in values["runtimeConfig"].items() if key in kind.capabilities}
        shared = {"cniVersion": call.version, "name": call.network, "args": values["args"], "runtimeConfig": given}
        kept: dict[str, Any] = {key: call.config[key] for key in KEPT if key in call.config}
        made.append(kind(call.of({**one, **shared, **kept})))
    return made


class Verbs:
    """The verbs of the specification, each for the plugins of a chain."""

    @staticmethod
    def add(plugins: list[CniPlugin]) -> CniResult:
        """Connect a container: each plugin gets the result of the one before."""
        result = None
        for plugin in plugins:
            if result is not None:
                plugin.call.result = result
            result = plugin.add()
        assert result is not None
        return result

    @staticmethod
    def check(plugins: list[CniPlugin]) -> None:
        """Check what ADD has made."""
        for plugin in plugins:
            if plugin.call.version < WITH_CHECK:
                raise CniError(1, f"CHECK needs cniVersion {WITH_CHECK} or later")
            plugin.check()

    @staticmethod
    def delete(plugins: list[CniPlugin]) -> None:
        """Disconnect a container: all plugins are called, the last one first, and the first error is raised at the end."""
        _all([plugin.delete for plugin in reversed(plugins)])

    @staticmethod
    def gc(plugins: list[CniPlugin]) -> None:
        """Remove what belongs to no valid attachment."""
        _all([plugin.collect for plugin in reversed(plugins)])

    @staticmethod
    def status(plugins: list[CniPlugin]) -> None:
        """Raise `CniError` with code 50 and what is missing if ADD would fail."""
        from .probe import missing

        for plugin in plugins:
            try:
                plugin.status()
                lacking = missing(plugin)
            except RawnsError as error:
                raise CniError(NOT_AVAILABLE, f"{plugin.name}: {error}") from None
            if lacking:
                raise CniError(NOT_AVAILABLE, f"{plugin.name}: {lacking}")


setattr(Verbs, "del", Verbs.delete)


def _all(functions: list[Any]) -> None:
    first: Exception | None = None
    for function in functions:
        try:
            function()
        except (RawnsError, OSError) as error:
            first = first or error
    if first is not None:
        raise first
