# SPDX-License-Identifier: GPL-2.0-or-later
"""Source and binary packages of any Debian suite, without touching /etc.

apt itself downloads and verifies, with a configuration and package lists of our own
in build/apt. The mirror, its keys, proxies and time limits are the machine's own,
read from its apt configuration. Each suite's source and binary lists are a folder of
their own, so that only the lists that a request needs are ever fetched.

Downloads are kept under their SHA-256 in the cache folder, where any checkout finds
them again. What was last fetched for a request is noted there as well: that is how
everything already fetched is found without a network.
"""

import fcntl
import functools
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import child_processes
import disk_space
from errors import SetupFailed
from paths import BUILD, CACHE
from progress import Step, say

APT = BUILD / "apt"
LISTS_STAY_FRESH = 24 * 3600


class PackageFile(NamedTuple):
    """A file of the archive."""

    name: str
    size: int
    sha256: str


class SourcePackage(NamedTuple):
    """A version of a source package in a suite; its first file is the .dsc."""

    package: str
    version: str
    suite: str
    files: tuple[PackageFile, ...]


class BinaryPackage(NamedTuple):
    """A version of a binary package in a suite."""

    package: str
    version: str
    suite: str
    architecture: str
    depends: str
    files: tuple[PackageFile, ...]


class NoNetwork(SetupFailed):
    """The mirror cannot be reached."""


class Superseded(SetupFailed):
    """The mirror no longer has a file that our package lists name."""


class NoSuite(SetupFailed):
    """The mirror does not have the suite."""


# Requests


def newest_source(
    package: str, suite: str | Sequence[str], series: str | None = None
) -> SourcePackage:
    """The newest version in the suites, of a series ('1:10.0.') if it is there."""
    return _sources(package, suite, series)[0]


def newest_deb(
    package: str,
    suite: str | Sequence[str],
    series: str | None = None,
    arch: str = "amd64",
) -> BinaryPackage:
    """The newest version in the suites, of a series if it is there."""
    return _debs(package, suite, series, arch)[0]


def fetch_source(
    package: str | SourcePackage,
    suite: str | Sequence[str] | None = None,
    series: str | None = None,
) -> Path:
    """Download a source package; the path of its .dsc, its files beside it."""
    if isinstance(package, SourcePackage):
        source = package
        _download_source(source)
    else:
        find = functools.partial(_sources, package, suite, series)
        request = ["source", package, _suite_names(suite), series or "any"]
        source = SourcePackage(*_fetch(request, find, _download_source))
    folder = APT / "source-packages" / source.files[0].sha256[:16]
    folder.mkdir(parents=True, exist_ok=True)
    for file in source.files:
        _link(_cached(file), folder / file.name)
    return folder / source.files[0].name


def fetch_deb(
    package: str,
    suite: str | Sequence[str],
    series: str | None = None,
    arch: str = "amd64",
) -> Path:
    """Download a binary package (nothing is installed); the path of the .deb."""
    return _cached(_fetched_deb(package, suite, series, arch).files[0])


def search(
    pattern: str, suite: str | Sequence[str], arch: str = "amd64"
) -> dict[str, str]:
    """Names of binary packages that a regular expression matches, with versions."""
    note = _note(["search", pattern, _suite_names(suite), arch])
    found: dict[str, str] = {}
    try:
        folders = _refreshed_lists(suite, arch)
    except NoNetwork as error:
        found = _read_note(note)
        if not found:
            raise
        say(f"no network: using what {_suite_names(suite)} had before ({error})")
        return found
    for apt in folders:
        names = apt.ask("apt-cache", "pkgnames").split()
        names = sorted(name for name in names if re.search(pattern, name))
        for stanza in apt.stanzas("show", names) if names else []:
            name, version = stanza["Package"], stanza["Version"]
            if name not in found or is_newer(version, found[name]):
                found[name] = version
    _write(note, json.dumps(found))
    return found


def dependencies(
    package: str, suite: str | Sequence[str], arch: str = "amd64"
) -> list[str]:
    """Names of the packages that the newest version of a package depends on."""
    depends = _fetched_deb(package, suite, None, arch).depends
    groups = [group.split("|")[0].strip() for group in depends.split(",")]
    return [re.split(r"[\s:(]", group)[0] for group in groups if group]


def fetch_with_dependencies(package: str, suite: str | Sequence[str]) -> list[Path]:
    """Download a package for amd64 and all that it needs; the paths of the .debs.

    apt chooses as if nothing were installed, and leaves out what is recommended. The
    first suite says what is needed; of each package the newest version is taken.
    """
    note = _note(["needs", package, _suite_names(suite)])
    try:
        apt = _refreshed_lists(suite, "amd64")[0]
        chosen = apt.ask(
            *("apt-get", "install", "--print-uris", "-qq", "--yes"),
            *("--no-install-recommends", f"{package}:amd64"),
        )
        names = re.findall(r"^'\S+' (\S+?)_\S+_(amd64|all)\.deb ", chosen, re.MULTILINE)
        _write(note, json.dumps(names))
    except NoNetwork as error:
        names = _read_note(note)
        if not names:
            raise
        say(f"no network: using what {package} needed before ({error})")
    debs = []
    suites = _suite_names(suite)
    with Step(f"fetching {package} of {suites} with all that it needs") as step:
        for name, arch in names:
            debs.append(fetch_deb(name, suite, arch=arch))
            step.update(f"{len(debs)} of {len(names)} packages")
    return debs


def unpack_source(dsc: Path, target: Path) -> None:
    """Unpack a fetched source package with Debian's patches; all of it or nothing."""
    size = sum(file.stat().st_size for file in dsc.parent.iterdir())
    disk_space.require(target.parent, 20 * size, f"unpacking {dsc.name}")
    partial = _fresh_partial(target)
    # apt has verified the files against the signed package lists; the uploader's
    # signature in the .dsc would need yet another keyring and adds nothing.
    with Step(f"unpacking {dsc.name}"):
        status, lines = child_processes.run(
            ["dpkg-source", "--no-check", "--no-copy", "-x", dsc, partial]
        )
    if status:
        raise SetupFailed(f"cannot unpack {dsc.name}: {_last_complaint(lines)}")
    _replace_tree(partial, target)


def unpack_deb(deb: Path, target: Path) -> None:
    """Unpack a .deb's files into a folder of its own; all of them or nothing."""
    disk_space.require(target.parent, 8 * deb.stat().st_size, f"unpacking {deb.name}")
    partial = _fresh_partial(target)
    with Step(f"unpacking {deb.name}"):
        status, lines = child_processes.run(["dpkg-deb", "-x", deb, partial])
    if status:
        raise SetupFailed(f"cannot unpack {deb.name}: {_last_complaint(lines)}")
    _replace_tree(partial, target)


def unpack_over_one_another(debs: Collection[Path], target: Path, what: str) -> None:
    """Unpack the files of many .debs into one folder; all of them or nothing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        Step(what) as step,
        tempfile.TemporaryDirectory(dir=target.parent) as temporary,
    ):
        scratch = Path(temporary, "tree")
        for number, deb in enumerate(debs, 1):
            child_processes.output_of(["dpkg-deb", "-x", deb, scratch])
            step.update(f"{number} of {len(debs)} packages")
        scratch.rename(target)


def is_newer(one: str, other: str) -> bool:
    """Whether a Debian version is newer than another."""
    command = ["dpkg", "--compare-versions", one, "gt", other]
    return child_processes.run(command)[0] == 0


def architecture() -> str:
    """The machine's own Debian architecture."""
    return child_processes.output_of(["dpkg", "--print-architecture"]).strip()


def mirror() -> str:
    """The address of the machine's Debian mirror, for `./svm env`."""
    return _entry_for("")["URIs"]


# From a request to verified files in the cache


def _fetched_deb(
    package: str, suite: str | Sequence[str], series: str | None, arch: str
) -> BinaryPackage:
    find = functools.partial(_debs, package, suite, series, arch)
    request = ["binary", package, _suite_names(suite), series or "any", arch]
    return BinaryPackage(*_fetch(request, find, _download_deb))


def _fetch(request: list[str], find, download) -> list:
    """Find and download what is asked for; without a network what it was last."""
    note = _note(request)
    try:
        try:
            found = find()[0]
            download(found)
        except Superseded:
            _AptFolder.refresh_at_once()
            found = _download_one_of(find(), download)
    except NoNetwork as error:
        last = _last_fetched(note)
        if last is None:
            raise
        say(f"no network: using {last[0]} {last[1]}, fetched before ({error})")
        return last
    _write(note, json.dumps(found))
    return list(found)


def _download_one_of(versions: list, download):
    """Download the first that the mirror really has; its lists may be ahead of it."""
    for version in versions:
        try:
            download(version)
            return version
        except Superseded as error:
            say(f"{error}: looking for an older version")
    raise SetupFailed(
        f"the mirror lists {versions[0].package} {versions[0].version} in "
        f"{versions[0].suite} but does not have it; try again later"
    )


def _note(request: list[str]) -> Path:
    """Where the answer to a request is noted, for when there is no network."""
    name = re.sub(r"[^\w.+-]", "-", "_".join(request))
    return CACHE / "requests" / f"{name}.json"


def _read_note(note: Path):
    try:
        return json.loads(note.read_text())
    except (OSError, ValueError):
        return None


def _last_fetched(note: Path) -> list | None:
    last = _read_note(note)
    if last is None:
        return None
    last[-1] = tuple(PackageFile(*file) for file in last[-1])
    return last if all(_is_cached(file) for file in last[-1]) else None


def _download_source(source: SourcePackage) -> None:
    def command(apt: _AptFolder) -> list[str]:
        name = f"{source.package}={source.version}"
        return ["apt-get", "source", "--download-only", "--only-source", name]

    _download(source, "source", command)


def _download_deb(deb: BinaryPackage) -> None:
    def command(apt: _AptFolder) -> list[str]:
        # A package for all architectures is named without one.
        arch = "" if deb.architecture == "all" else f":{deb.architecture}"
        return ["apt-get", "download", f"{deb.package}{arch}={deb.version}"]

    arch = "amd64" if deb.architecture == "all" else deb.architecture
    _download(deb, arch, command)


def _download(package: SourcePackage | BinaryPackage, kind: str, command) -> None:
    missing = [file for file in package.files if not _is_cached(file)]
    if not missing:
        return
    total = sum(file.size for file in missing)
    what = f"{package.package} {package.version} of {package.suite}"
    disk_space.require(CACHE, total + 10_000_000, f"the download of {what}")
    apt = _AptFolder(package.suite, kind)
    CACHE.mkdir(parents=True, exist_ok=True)
    _remove_abandoned_downloads()
    with (
        tempfile.TemporaryDirectory(prefix="download-", dir=CACHE) as name,
        Step(f"downloading {what}") as step,
    ):
        folder = Path(name)
        for file in package.files:
            if _is_cached(file):
                _link(_cached(file), folder / file.name)

        def show() -> None:
            so_far = sum(path.lstat().st_size for path in folder.rglob("*"))
            step.update(f"{so_far / 1e6:.1f} of {total / 1e6:.1f} MB")

        apt.run(command(apt), cwd=folder, on_tick=show)
        for file in missing:
            _keep(_downloaded(folder, file, package), file)


def _downloaded(folder: Path, file: PackageFile, package) -> Path:
    # `apt-get download` writes name_version_arch.deb with the epoch's colon as %3a;
    # the archive's own name leaves the epoch out.
    candidates = [folder / file.name, *folder.glob("*.deb")]
    for path in candidates:
        if path.is_file() and path.stat().st_size == file.size:
            return path
    raise SetupFailed(f"apt did not bring {file.name} of {package.package}")


def _keep(path: Path, file: PackageFile) -> None:
    kept = _cached(file)
    kept.parent.mkdir(parents=True, exist_ok=True)
    path.chmod(0o644)
    path.rename(kept)


def _cached(file: PackageFile) -> Path:
    return CACHE / "sha256" / file.sha256 / file.name


def _is_cached(file: PackageFile) -> bool:
    path = _cached(file)
    return path.is_file() and path.stat().st_size == file.size


def _remove_abandoned_downloads() -> None:
    # Only a killed ./svm leaves one.
    for folder in CACHE.glob("download-*"):
        if time.time() - folder.stat().st_mtime > 24 * 3600:
            shutil.rmtree(folder, ignore_errors=True)


# From package lists to versions


def _refreshed_lists(suite: str | Sequence[str], kind: str) -> list["_AptFolder"]:
    """The private apt of each suite, its lists fetched."""
    folders = []
    for one in _suites(suite):
        apt = _AptFolder(one, kind)
        try:
            apt.refresh()
        except NoSuite as error:
            # A security suite comes and goes with its release's support.
            if not one.endswith("-security") or len(_suites(suite)) == 1:
                raise
            say(f"{error}: going on without")
        else:
            folders.append(apt)
    return folders


def _sources(
    package: str, suite: str | Sequence[str], series: str | None
) -> list[SourcePackage]:
    found = [
        _source_package(stanza, apt.suite)
        for apt in _refreshed_lists(suite, "source")
        for stanza in apt.stanzas("showsrc", ["--only-source", package])
    ]
    return _newest_first(found, f"source package {package}", suite, series)


def _debs(
    package: str, suite: str | Sequence[str], series: str | None, arch: str
) -> list[BinaryPackage]:
    found = [
        _binary_package(stanza, apt.suite)
        for apt in _refreshed_lists(suite, arch)
        for stanza in apt.stanzas(
            "show", [package if arch == "all" else f"{package}:{arch}"]
        )
    ]
    return _newest_first(found, f"package {package}", suite, series)


def _source_package(stanza: dict[str, str], suite: str) -> SourcePackage:
    files = []
    for line in stanza["Checksums-Sha256"].strip().splitlines():
        sha256, size, name = line.split()
        files.append(PackageFile(name, int(size), sha256))
    files.sort(key=lambda file: not file.name.endswith(".dsc"))
    return SourcePackage(stanza["Package"], stanza["Version"], suite, tuple(files))


def _binary_package(stanza: dict[str, str], suite: str) -> BinaryPackage:
    name = stanza["Filename"].rpartition("/")[2]
    return BinaryPackage(
        stanza["Package"],
        stanza["Version"],
        suite,
        stanza["Architecture"],
        stanza.get("Depends", ""),
        (PackageFile(name, int(stanza["Size"]), stanza["SHA256"]),),
    )


def _newest_first(found: list, what: str, suite, series: str | None) -> list:
    suites = " or ".join(_suites(suite))
    if not found:
        raise SetupFailed(f"the mirror's {suites} has no {what}")

    def compare(one, other) -> int:
        return is_newer(one.version, other.version) - is_newer(
            other.version, one.version
        )

    found = sorted(found, key=functools.cmp_to_key(compare), reverse=True)
    of_series = [one for one in found if one.version.startswith(series or "")]
    if not of_series:
        say(
            f"{suites} no longer has {what} {series}x: "
            f"taking the nearest, {found[0].version}"
        )
    return of_series or found


def _suites(suite: str | Sequence[str]) -> tuple[str, ...]:
    return (suite,) if isinstance(suite, str) else tuple(suite)


def _suite_names(suite: str | Sequence[str]) -> str:
    return "+".join(_suites(suite))


# A private apt


class _AptFolder:
    """apt with the lists of one suite: its sources, or an architecture's packages."""

    # Suites whose lists this process has refreshed, or found impossible to refresh.
    _looked_after: set[str] = set()
    _older_than_now_is_stale = False
    _unreachable: NoNetwork | None = None

    def __init__(self, suite: str, kind: str):
        self.suite = suite
        self.kind = "amd64" if kind == "all" else kind
        self.folder = APT / f"{suite}-{self.kind}"
        self._refreshed = self.folder / "refreshed"

    @classmethod
    def refresh_at_once(cls) -> None:
        """From now on take no list for fresh that was there before."""
        cls._looked_after.clear()
        cls._older_than_now_is_stale = True

    def refresh(self) -> None:
        """Fetch the package lists unless there are fresh ones."""
        if self.folder.name in self._looked_after:
            return
        with _locked(APT / "lock"):
            if self._is_stale():
                self._update()
        self._looked_after.add(self.folder.name)

    def _is_stale(self) -> bool:
        if not self._refreshed.exists() or self._older_than_now_is_stale:
            return True
        return time.time() - self._refreshed.stat().st_mtime > LISTS_STAY_FRESH

    def _update(self) -> None:
        disk_space.require(APT, 200_000_000, f"the package lists of {self.suite}")
        try:
            # Once is enough to find out that there is no network.
            if self._unreachable:
                raise self._unreachable
            self._write_configuration()
            with Step(f"fetching the {self.kind} package lists of {self.suite}"):
                self.run(["apt-get", "update"])
        except NoNetwork as error:
            _AptFolder._unreachable = error
            if not self._refreshed.exists():
                raise
            day = time.localtime(self._refreshed.stat().st_mtime)
            say(
                f"no network: using the package lists of {self.suite} from "
                f"{time.strftime('%Y-%m-%d', day)} ({error})"
            )
            return
        self._refreshed.touch()

    def ask(self, *command: str) -> str:
        """The answer of an apt program."""
        return child_processes.output_of(
            command, env=os.environ | {"APT_CONFIG": str(self.folder / "apt.conf")}
        )

    def stanzas(self, question: str, names: Sequence[str]) -> list[dict[str, str]]:
        """The stanzas that `apt-cache show` or `showsrc` prints; none is no error."""
        try:
            text = self.ask("apt-cache", question, *names)
        except SetupFailed as error:
            if "No packages found" in str(error) or "Unable to locate" in str(error):
                return []
            raise
        return list(_stanzas(text))

    def run(self, command: list[str], **keywords) -> None:
        """Run an apt program that downloads; its failure becomes one line."""
        environment = os.environ | {"APT_CONFIG": str(self.folder / "apt.conf")}
        status, lines = child_processes.run(command, env=environment, **keywords)
        if status:
            raise self._failure(lines)

    def _failure(self, lines: list[str]) -> SetupFailed:
        text = "\n".join(line for line in lines if line.startswith(("E:", "W:", "Err")))
        detail = _last_complaint(lines)
        if "No space left on device" in text or "don't have enough free space" in text:
            return SetupFailed(f"no disk space for the downloads of {self.suite}")
        if looks_unreachable(text):
            return NoNetwork(f"the mirror {mirror()} cannot be reached")
        if "NO_PUBKEY" in text or "is not signed" in text or "Missing key" in text:
            return SetupFailed(
                f"this machine has no key for Debian's {self.suite}; as root: apt-get "
                "update && apt-get install --only-upgrade debian-archive-keyring"
            )
        if "does not have a Release file" in text:
            return NoSuite(f"the mirror {mirror()} has no suite {self.suite}")
        if "is expired" in text or "is not valid yet" in text:
            return SetupFailed(
                f"the mirror's {self.suite} is out of date, or this machine's clock is "
                f"wrong: {detail}"
            )
        if " 404 " in text:
            file = re.search(r"(\S+)  404 ", text)
            return Superseded(f"the mirror has no {file[1] if file else detail}")
        return SetupFailed(f"apt could not fetch from {self.suite}: {detail}")

    def _write_configuration(self) -> None:
        for name in ("state/lists/partial", "cache/archives/partial", "no-parts"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "no-packages").touch()
        entry = _entry_for(self.suite)
        fields = {
            "Types": "deb-src" if self.kind == "source" else "deb",
            "URIs": entry["URIs"],
            "Suites": self.suite,
            "Components": "main",
        }
        if self.kind != "source":
            fields["Architectures"] = self.kind
        # Keys and the owner's own word that the mirror is to be trusted.
        fields |= {k: entry[k] for k in ("Signed-By", "Trusted") if k in entry}
        text = "".join(f"{name}: {value}\n" for name, value in fields.items())
        _write(self.folder / "suite.sources", text)
        _write(self.folder / "apt.conf", self._configuration())

    def _configuration(self) -> str:
        architectures = {architecture(), "amd64"}
        if self.kind != "source":
            architectures.add(self.kind)
        names = "; ".join(f'"{name}"' for name in sorted(architectures))
        folder = self.folder
        return "\n".join(
            [
                *_machine_network_settings(),
                f'Dir::State "{folder}/state";',
                f'Dir::State::status "{folder}/no-packages";',
                f'Dir::Cache "{folder}/cache";',
                'Dir::Cache::pkgcache "pkgcache.bin";',
                'Dir::Cache::srcpkgcache "srcpkgcache.bin";',
                # The machine's hooks and options for installing are none of ours.
                'Dir::Etc::main "/dev/null";',
                f'Dir::Etc::parts "{folder}/no-parts";',
                f'Dir::Etc::sourcelist "{folder}/suite.sources";',
                f'Dir::Etc::sourceparts "{folder}/no-parts";',
                f'Dir::Etc::preferencesparts "{folder}/no-parts";',
                'Dir::Etc::preferences "/dev/null";',
                f"APT::Architectures {{ {names}; }};",
                # Root's downloads otherwise run as a user who cannot write here.
                'APT::Sandbox::User "root";',
                'APT::Update::Error-Mode "any";',
                'Acquire::Languages "none";',
                'Acquire::PDiffs "false";',
                'Acquire::Retries "2";',
                "",
            ]
        )


def looks_unreachable(text: str) -> bool:
    """Whether apt's messages say that it did not reach a mirror."""
    messages = (
        r"Temporary failure resolving|Could not resolve|Network is unreachable|"
        r"Could not connect|[Cc]onnection timed out|Connection refused|"
        r"Connection failed|No route to host|Cannot initiate the connection|"
        r"Unable to connect"
    )
    return bool(re.search(messages, text))


def _machine_network_settings() -> list[str]:
    """The machine's own settings for fetching: proxies, time limits and so on."""
    skip = re.compile(
        r"Acquire::(IndexTargets|Languages|GzipIndexes|CompressionTypes|PDiffs|"
        r"Changelogs|Retries|Allow)"
    )
    lines = child_processes.output_of(["apt-config", "dump"]).splitlines()
    return [
        line
        for line in lines
        if line.startswith("Acquire::")
        and not line.endswith(' "";')
        and not skip.match(line)
    ]


# The machine's own mirror


def _entry_for(suite: str) -> dict[str, str]:
    """URIs, Signed-By and Trusted for a suite, from the machine's own entries."""
    entries = _debian_entries()
    if not suite.endswith("-security"):
        return entries[0]
    for entry in entries:
        if any(re.search(r"-security$|/updates$", s) for s in entry["Suites"].split()):
            return entry
    main = entries[0]
    uris = [re.sub(r"/debian/?$", "/debian-security", u) for u in main["URIs"].split()]
    return main | {"URIs": " ".join(uris)}


@functools.cache
def _debian_entries() -> list[dict[str, str]]:
    """The machine's entries for Debian itself; the main mirror's comes first."""
    release = dict(
        line.split("=", 1)
        for line in Path("/etc/os-release").read_text().splitlines()
        if "=" in line
    )
    codename = release.get("VERSION_CODENAME", "").strip('"')
    names = {codename, "stable", "oldstable", "testing", "unstable", "sid", "trixie"}

    def rank(entry: dict[str, str]) -> tuple[bool, bool]:
        main_suite = bool(names & set(entry["Suites"].split()))
        # Other vendors have suites named after Debian's as well.
        debian = "debian-archive" in entry.get("Signed-By", "") or bool(
            re.search(r"/debian(-security)?/?$|debian\S*\.list$", entry["URIs"])
        )
        return (not main_suite, not debian)

    entries = [e for e in _all_entries() if "main" in e["Components"].split()]
    entries.sort(key=rank)
    if not entries or not names & set(entries[0]["Suites"].split()):
        raise SetupFailed(
            "this machine's apt configuration names no Debian mirror: add one to "
            "/etc/apt/sources.list"
        )
    return entries


def _all_entries() -> Iterator[dict[str, str]]:
    shown = child_processes.output_of(
        ["apt-config", "shell", "LIST", "Dir::Etc::sourcelist/f"]
        + ["PARTS", "Dir::Etc::sourceparts/d"]
    )
    found = dict(re.findall(r"^(\w+)='(.*)'$", shown, re.MULTILINE))
    files = [Path(found.get("LIST", "/etc/apt/sources.list"))]
    parts = Path(found.get("PARTS", "/etc/apt/sources.list.d"))
    if parts.is_dir():
        files += sorted(parts.iterdir())
    for file in files:
        try:
            text = file.read_text()
        except OSError:
            continue
        if file.suffix == ".sources":
            entries = _deb822_entries(text)
        elif file.suffix == ".list":
            entries = _one_line_entries(text)
        else:
            continue
        for entry in entries:
            if not entry["URIs"].startswith("cdrom:"):
                yield entry


def _deb822_entries(text: str) -> Iterator[dict[str, str]]:
    for stanza in _stanzas(re.sub(r"(?m)^#.*\n?", "", text)):
        fields = {name.lower(): value for name, value in stanza.items()}
        if fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        entry = {
            name: fields[name.lower()]
            for name in ("URIs", "Suites", "Components", "Signed-By", "Trusted")
            if name.lower() in fields
        }
        if {"URIs", "Suites", "Components"} <= set(entry):
            entry["URIs"] = " ".join(entry["URIs"].split())
            yield entry


def _one_line_entries(text: str) -> Iterator[dict[str, str]]:
    form = re.compile(r"^\s*deb(?:-src)?\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)")
    for line in text.splitlines():
        match = form.match(line)
        if not match:
            continue
        options, uri, suite, components = match.groups()
        entry = {"URIs": uri, "Suites": suite, "Components": components.strip()}
        given = dict(o.split("=", 1) for o in (options or "").split() if "=" in o)
        for name in ("Signed-By", "Trusted"):
            if name.lower() in given:
                entry[name] = given[name.lower()].replace(",", " ")
        yield entry


# Small things


def _stanzas(text: str) -> Iterator[dict[str, str]]:
    """Stanzas of Debian's control format; a value keeps its continuation lines."""
    for block in re.split(r"\n[ \t]*\n", text):
        stanza: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if line[:1] in (" ", "\t") and name:
                stanza[name] += "\n" + line
            elif ":" in line:
                name, _, value = line.partition(":")
                stanza[name] = value.strip()
        if stanza:
            yield stanza


def _last_complaint(lines: list[str]) -> str:
    errors = [line for line in lines if re.match(r"E:|\S*error:|dpkg-\w+: ", line)]
    return (errors or [line for line in lines if line.strip()] or ["no message"])[-1]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.rename(path)


def _link(path: Path, link: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(path)


def _fresh_partial(target: Path) -> Path:
    partial = target.with_name(target.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    return partial


def _replace_tree(partial: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
