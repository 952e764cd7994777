"""What `rawns onefile` leaves out of a module's source: what is there for readers and for type checkers.

These are comments, docstrings, blocks under ``if TYPE_CHECKING:``, and annotations.  Annotations of a class's attributes stay,
because programs may read them.  All lines keep their numbers, which tracebacks show.
"""

from __future__ import annotations

import ast
import io
import tokenize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Place = tuple[int, int]  # of a byte: the number of the line from 1, and of the byte in it from 0
    Cut = tuple[Place, Place, bytes]  # from, to, and what replaces it

CHECKING = "TYPE_CHECKING"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def strip(source: bytes) -> bytes:
    """Return the source of a module without what Python does not need to run it.  Each statement stays on its line."""
    tree = ast.parse(source)
    lines = source.split(b"\n")
    nodes = list(ast.walk(tree))
    cuts = [*_type_checking(tree, nodes), *_docstrings(nodes), *_annotations(nodes, lines), *_comments(source.decode())]
    for start, end, replacement in sorted(_outermost(cuts), reverse=True):
        _cut(lines, start, end, replacement)
    return b"\n".join(lines)


def _outermost(cuts: list[Cut]) -> Iterator[Cut]:
    """Yield the cuts that are not inside another."""
    reached = (0, 0)
    for cut in sorted(cuts, key=lambda cut: (cut[0], (-cut[1][0], -cut[1][1]))):
        if cut[0] >= reached:
            yield cut
            reached = cut[1]


def _cut(lines: list[bytes], start: Place, end: Place, replacement: bytes) -> None:
    """Replace a part of the source; the lines that it covered stay, and are empty."""
    (row, column), (last, after) = start, end
    rest = lines[last - 1][after:]
    kept = lines[row - 1][:column] + replacement
    lines[row - 1 : last] = [kept, *[b""] * (last - row)]
    lines[last - 1] += rest
    if not rest.strip():
        lines[last - 1] = lines[last - 1].rstrip()


def _whole(node: ast.AST, replacement: bytes = b"") -> Cut:
    start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
    return start, end, replacement


def _comments(text: str) -> Iterator[Cut]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            start = len(token.line[:column].encode())
            yield (row, start), (row, start + len(token.string.encode())), b""


def _docstrings(nodes: list[ast.AST]) -> Iterator[Cut]:
    for node in nodes:
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)) and ast.get_docstring(node, clean=False) is not None:
            yield _whole(node.body[0], b'""' if len(node.body) == 1 else b"")


def _type_checking(tree: ast.Module, nodes: list[ast.AST]) -> Iterator[Cut]:
    """Yield the blocks that only type checkers read, and the constant, if nothing else needs it."""
    blocks = [one for one in tree.body if isinstance(one, ast.If) and _named(one.test) and not one.orelse]
    yield from map(_whole, blocks)
    if sum(map(_named, nodes)) == 1 + len(blocks):
        yield from (_whole(one) for one in tree.body if isinstance(one, ast.Assign) and _named(one.targets[0]))


def _named(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == CHECKING


def _annotations(nodes: list[ast.AST], lines: list[bytes]) -> Iterator[Cut]:
    """Yield the annotations of parameters, results and variables, but those of the attributes of classes."""
    in_classes = {one for node in nodes if isinstance(node, ast.ClassDef) for one in node.body}
    for node in nodes:
        if isinstance(node, ast.arg) and node.annotation is not None:
            name_end = node.lineno, node.col_offset + len(node.arg.encode())
            yield name_end, (node.annotation.end_lineno or 0, node.annotation.end_col_offset or 0), b""
        elif isinstance(node, FUNCTIONS) and node.returns is not None:
            row, column = node.returns.lineno, node.returns.col_offset
            arrow = lines[row - 1].rindex(b"->", 0, column)
            start = len(lines[row - 1][:arrow].rstrip())
            yield (row, start), (node.returns.end_lineno or 0, node.returns.end_col_offset or 0), b""
        elif isinstance(node, ast.AnnAssign) and node not in in_classes:
            if node.value is None:
                yield _whole(node, b"pass")
            else:
                end = node.annotation.end_lineno or 0, node.annotation.end_col_offset or 0
                yield (node.target.end_lineno or 0, node.target.end_col_offset or 0), end, b""
