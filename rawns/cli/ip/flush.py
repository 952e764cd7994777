"""Deleting in rounds: what one round deletes may bring something else forth."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .hints import Body, Callable, IpContext

NOTHING = "Nothing to flush.\n"


def in_rounds(
    ip: IpContext,
    rounds: int,
    find: Callable[[], list[Body]],
    show: Callable[[list[Body]], None],
    delete: Callable[[Body], None],
    what: str = "entries",
    nothing: str = NOTHING,
    once: bool = False,
) -> bool:
    """Delete what ``find`` returns until it returns nothing; return False if so many rounds (0: any number) do not suffice.

    With ``-statistics`` the rounds are reported, with two of them what each round deletes, by ``show``; ``nothing`` is said if
    there was nothing.  ``once``: one round is enough.
    """
    done = 0
    while not rounds or done < rounds:
        found = find()
        if found:
            done += 1
            if ip.stats > 1:
                show(found)
            for one in found:
                delete(one)
            if ip.stats:
                ip.write([f"\n*** Round {done}, deleting {len(found)} {what} ***\n"])
        if not found or once:
            if ip.stats:
                ip.write([f"*** Flush is complete after {done} round{'s' if done > 1 else ''} ***\n" if done else nothing])
            return True
    return False
