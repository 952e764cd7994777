"""`rawns doctor`: what would make rawns fail or be slow on this machine, and the remedy for each."""

from __future__ import annotations

from ..terminal import printable
from .options import Command, Option

COMMAND = Command(
    "doctor",
    "Try what rawns needs on this machine, and report what is missing or slow, each with its remedy.",
    options=[Option("-j", "--json", help="print the findings as JSON")],
    details="Exit status: 0 if two namespaces can be created and connected here, 1 if not, 2 if the command line is wrong.",
)


def main(argv: list[str]) -> int:
    """Run ``rawns doctor``; return the exit status."""
    options = COMMAND.parse(argv)
    from ..doctor import can_run_article, examine

    findings = []
    for finding in examine():
        findings.append(finding)
        if not options["--json"]:
            print(f"{finding.level:<7} {finding.subject}: {printable(finding.text)}")
            if finding.remedy:
                print(f"        remedy: {printable(finding.remedy)}")
    if options["--json"]:
        import json

        print(json.dumps([finding.as_dict() for finding in findings], indent=2))
    return 0 if can_run_article(findings) else 1
