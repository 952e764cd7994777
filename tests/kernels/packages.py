"""Debian packages by name: found, downloaded and unpacked by an apt of its own, which does not touch the machine's.

Each `Archive` has one architecture, its own list of suites, its own lists and packages, and an empty database of installed
packages, so that the answer to "what does python3 need" is the whole set.  All of it is in a cache directory.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rawns-kernels"
MIRROR = "http://deb.debian.org"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
REFRESH = 7 * 24 * 3600  # seconds after which the lists are fetched again
ATTEMPTS = 3  # a mirror that is being written refuses a list for some minutes


def natural(text: str) -> list[tuple[int, str]]:
    """Return a key that sorts numbers inside names as numbers."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]


class Archive:
    """The packages of one suite for one architecture."""

    def __init__(self, suite: str, architecture: str, offline: bool = False) -> None:
        self.suite, self.architecture = suite, architecture
        self.root = CACHE / "apt" / f"{suite}-{architecture}"
        self._write()
        lists = list((self.root / "state/lists").glob("*Packages*"))
        if not lists or (not offline and time.time() - (self.root / "refreshed").stat().st_mtime > REFRESH):
            self._refresh(bool(lists))

    def _write(self) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "unpacked"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        (self.root / "status").touch()
        path = "debian-security" if self.suite.endswith("-security") else "debian"
        line = f"deb [signed-by={KEYRING} arch={self.architecture}] {MIRROR}/{path} {self.suite} main\n"
        (self.root / "sources.list").write_text(line)
        options = {
            "Dir::Etc::SourceList": self.root / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Dir::Etc::Preferences": "/dev/null",
            "Dir::Etc::PreferencesParts": "/dev/null",
            "Dir::State": self.root / "state",
            "Dir::State::status": self.root / "status",
            "Dir::Cache": self.root / "cache",
            "APT::Architecture": self.architecture,
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",  # suites that are no longer updated
            "APT::Sandbox::User": "",
        }
        text = "".join(f'{name} "{value}";\n' for name, value in options.items())
        (self.root / "apt.conf").write_text(f'{text}APT::Architectures {{ "{self.architecture}"; }};\n')

    def _apt(self, *words: str) -> str:
        environment = {**os.environ, "APT_CONFIG": str(self.root / "apt.conf"), "LC_ALL": "C"}
        done = subprocess.run(words, env=environment, stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, text=True, cwd=self.root)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ({self.suite}, {self.architecture}): {done.stderr.strip()[-600:]}")
        return done.stdout

    def _refresh(self, have_old: bool) -> None:
        for attempt in range(ATTEMPTS):
            try:
                self._apt("apt-get", "update", "-qq", "--error-on=any")
                break
            except SystemExit:
                if attempt + 1 == ATTEMPTS and not have_old:
                    raise
        (self.root / "refreshed").touch()

    def names(self, pattern: str) -> list[str]:
        """Return the names of packages that match a regular expression as a whole, the newest last."""
        prefix = re.match(r"[\w-]*", pattern)
        assert prefix
        every = self._apt("apt-cache", "pkgnames", prefix[0]).split()
        return sorted((name for name in every if re.fullmatch(pattern, name)), key=natural)

    def unpack(self, name: str, keep: str = ".*") -> Path:
        """Return a directory with the files of a package, but not of those that it needs, whose paths match ``keep``."""
        for rest in self.root.glob("*.deb"):  # of a run that was interrupted: apt would not name it
            rest.unlink()
        (file,) = re.findall(r"^'\S+' (\S+\.deb) ", self._apt("apt-get", "download", "--print-uris", name), re.MULTILINE)
        target: Path = self.root / "unpacked" / file.removesuffix(".deb")
        if not target.is_dir():
            self._apt("apt-get", "download", "-qq", name)
            self._extract(self.root / file, target, keep)
            (self.root / file).unlink()
        return target

    def closure(self, *names: str) -> list[Path]:
        """Return directories with the files of these packages and of all that they need, one for each package."""
        words = ["apt-get", "install", "-y", "--no-install-recommends", *names]
        files = re.findall(r"^'\S+' (\S+\.deb) ", self._apt(*words, "--print-uris"), re.MULTILINE)
        targets: list[Path] = [self.root / "unpacked" / file.removesuffix(".deb") for file in files]
        if not all(target.is_dir() for target in targets):
            self._apt(*words, "--download-only", "-qq")
            for file, target in zip(files, targets):
                package = self.root / "cache/archives" / file
                if not target.is_dir():
                    self._extract(package, target, ".*")
                package.unlink(missing_ok=True)
        return targets

    @staticmethod
    def _extract(package: Path, target: Path, keep: str) -> None:
        """Unpack a package; the directory has its name only when it is complete."""
        partial = target.with_suffix(f".{os.getpid()}")
        subprocess.run(["dpkg-deb", "-x", str(package), str(partial)], check=True)
        for path in partial.rglob("*"):
            if not path.is_dir() and not re.search(keep, str(path.relative_to(partial))):
                path.unlink()
        try:
            partial.rename(target)
        except OSError:  # another run was faster
            shutil.rmtree(partial)
