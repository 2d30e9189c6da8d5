"""Keep one comment on a pull request up to date with the summary of the last run, by GitHub's REST API.

A marker that nobody sees finds the comment again. Tokens of forks may not write: then nothing is, and the page of the
run has the summary all the same.
"""

from __future__ import annotations

import json
import logging
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_robustness.core.errors import OptionError
from pytest_robustness.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)

LONGEST: Final = 65_536
"""Characters of a comment that GitHub takes."""

_CUT: Final = "\n\n*Shortened: the summary of the run has all of it.*\n"
_PAGE: Final = 100
_MOST_PAGES: Final = 50
_TRIES: Final = 3
_TIMEOUT: Final = 30
_MOST_BYTES: Final = 64 * 2**20
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,60}")


class PullRequest(NamedTuple):
    """A pull request, and how to reach it: the API's address, the repository, the number, and a token."""

    api: str
    repository: str
    number: int
    token: str


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is for the API alone."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER: Final = urllib.request.build_opener(_NoRedirect)


def pull_request(environment: Mapping[str, str]) -> PullRequest | None:
    """Return the pull request that this job of GitHub Actions is about; ``None`` where it is about none.

    Raises
    ------
    OptionError
        On a job of a pull request without a token or an address.
    """
    try:
        event = json.loads(Path(environment.get("GITHUB_EVENT_PATH", "")).read_text(encoding="utf-8"))
        number = event["pull_request"]["number"]
    except (OSError, ValueError, KeyError, TypeError):
        _log.debug("this is no job of a pull request", exc_info=True)
        return None
    api = environment.get("GITHUB_API_URL", "https://api.github.com")
    repository, token = environment.get("GITHUB_REPOSITORY", ""), environment.get("GITHUB_TOKEN", "")
    if not token:
        raise OptionError("GITHUB_TOKEN is not set. A workflow gives it as `${{ github.token }}`.")
    if not re.fullmatch(r"https?://[^\s/]+(/\S*)?", api) or not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise OptionError(
            f"GITHUB_API_URL is {api!r} and GITHUB_REPOSITORY {repository!r}. Valid: those of a job of GitHub Actions."
        )
    if type(number) is not int:
        raise OptionError(f"The event of this job names the pull request {number!r}. Valid: a whole number.")
    return PullRequest(api.rstrip("/"), repository, number, token)


def body(summary: str, name: str) -> str:
    """Return the comment: a marker, and the summary, shortened to what GitHub takes.

    Names in it notify nobody.

    Raises
    ------
    OptionError
        On a name that a marker cannot hold.
    """
    text = f"{marker(name)}\n{re.sub(r'@(?=[A-Za-z0-9])', '@' + chr(0x200B), summary)}"
    if len(text) <= LONGEST:
        return text
    # A closing tag for each part that may be open where the text is cut.
    kept = text[: LONGEST - len(_CUT) - 12 * 20]
    kept = kept[: kept.rfind("\n")]
    unclosed = min(kept.count("<details>") - kept.count("</details>"), 20)
    return kept + "\n\n</details>" * max(unclosed, 0) + _CUT


def marker(name: str) -> str:
    """Return the line by which a comment is known.

    Raises
    ------
    OptionError
        On a name that cannot stand in it.
    """
    if not _NAME.fullmatch(name) or "--" in name:
        raise OptionError(f"{name!r} names no comment. Valid: letters, digits, dots, underscores and single hyphens.")
    return f"<!-- pytest-robustness: {name} -->"


def publish(found: PullRequest, text: str, name: str) -> str:
    """Write the comment called ``name``, over the former one if there is one; return in a sentence what was done.

    Nothing that GitHub answers is an error: the gate's result does not depend on a comment.
    """
    try:
        former = _former(found, marker(name))
        if former is not None and _text(former) == text:
            return f"The comment on pull request {found.number} is up to date."
        if former is None:
            _ask(found, "POST", f"issues/{found.number}/comments", {"body": text})
            return f"Commented on pull request {found.number}."
        _ask(found, "PATCH", f"issues/comments/{int(former['id'])}", {"body": text})
    except urllib.error.HTTPError as error:
        _log.debug("GitHub refuses", exc_info=True)
        if error.code in (401, 403, 404):
            return (
                f"No comment on pull request {found.number}: this job's token may not write there (HTTP {error.code}), "
                f"as those of forks may not. The summary is on the page of the run."
            )
        return f"No comment on pull request {found.number}: GitHub answers with HTTP {error.code}."
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.debug("GitHub cannot be reached", exc_info=True)
        return f"No comment on pull request {found.number}: {printable(f'{type(error).__name__}: {error}', 200)}."
    return f"Updated the comment on pull request {found.number}."


def _former(found: PullRequest, sign: str) -> Mapping[str, Any] | None:
    """Return the comment that begins with the marker; a bot's rather than a person's, who may have copied it."""
    marked = []
    for page in range(1, _MOST_PAGES + 1):
        comments = _ask(found, "GET", f"issues/{found.number}/comments?per_page={_PAGE}&page={page}")
        marked += [comment for comment in comments if _text(comment).startswith(sign)]
        if len(comments) < _PAGE:
            break
    bots = [comment for comment in marked if (comment.get("user") or {}).get("type") == "Bot"]
    return next(iter([*bots, *marked]), None)


def _text(comment: Mapping[str, Any]) -> str:
    # GitHub may give line ends back as it got them from a form.
    return (comment.get("body") or "").replace("\r\n", "\n")


def _ask(found: PullRequest, method: str, path: str, content: Mapping[str, str] | None = None) -> Any:
    """Send a request and return the answer; what GitHub answers with a fault of its own is tried again."""
    request = urllib.request.Request(  # noqa: S310 (the address is checked)
        f"{found.api}/repos/{found.repository}/{path}",
        None if content is None else json.dumps(content).encode(),
        {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {found.token}",
            "Content-Type": "application/json",
            "User-Agent": "pytest-robustness",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        method=method,
    )
    for tried in range(_TRIES):
        try:
            with _OPENER.open(request, timeout=_TIMEOUT) as answer:
                return json.loads(answer.read(_MOST_BYTES))
        except urllib.error.HTTPError as error:
            if error.code < 500 or tried == _TRIES - 1:
                raise
            _log.debug("GitHub answers with a fault", exc_info=True)
    raise AssertionError("unreachable")
