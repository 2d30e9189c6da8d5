"""One comment on a pull request is kept up to date, on a server that answers as GitHub does."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.command.main import main
from pytest_robustness.report import pull_request

COMMENTS = "/api/v3/repos/owner/project/issues/7/comments"


class GitHub(ThreadingHTTPServer):
    """The comments of one pull request, and what it was asked."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.comments, self.asked, self.may_write, self.faults, self.redirect = [], [], True, 0, ""

    def add(self, body, kind="User"):
        self.comments.append({"id": 100 + len(self.comments), "body": body, "user": {"type": kind}})


class Handler(BaseHTTPRequestHandler):
    """Answers as api.github.com documents it."""

    def log_message(self, *_):
        pass

    def answer(self, code, content, **headers):
        text = json.dumps(content).encode()
        self.send_response(code)
        for name, value in {"Content-Length": str(len(text)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def handle_one(self):
        github, url = self.server, urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        content = json.loads(self.rfile.read(length)) if length else {}
        github.asked.append((self.command, url.path, self.headers["Authorization"]))
        if github.redirect:
            return self.answer(302, {}, Location=github.redirect)
        if github.faults:
            github.faults -= 1
            return self.answer(502, {})
        if self.headers["Authorization"] != "Bearer secret":
            return self.answer(401, {})
        if self.command == "GET" and url.path == COMMENTS:
            query = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
            start = (query["page"] - 1) * query["per_page"]
            return self.answer(200, github.comments[start : start + query["per_page"]])
        if not github.may_write:
            return self.answer(403, {"message": "Resource not accessible by integration"})
        if len(content["body"]) > 65_536:
            return self.answer(422, {"message": "body is too long"})
        if self.command == "POST" and url.path == COMMENTS:
            github.add(content["body"], "Bot")
            return self.answer(201, github.comments[-1])
        number = re.fullmatch(r"/api/v3/repos/owner/project/issues/comments/(\d+)", url.path)
        if self.command == "PATCH" and number:
            comment = next(each for each in github.comments if each["id"] == int(number[1]))
            comment["body"] = content["body"]
            return self.answer(200, comment)
        return self.answer(404, {})

    do_GET = do_POST = do_PATCH = handle_one  # noqa: N815 (as the base class calls them)


@pytest.fixture
def github(tmp_path, monkeypatch):
    """Start the server, and put this process into a job of a pull request."""
    server = GitHub()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "event.json").write_text('{"pull_request": {"number": 7}}')
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    monkeypatch.setenv("GITHUB_API_URL", f"http://127.0.0.1:{server.server_port}/api/v3")
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/project")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def comment(text, *arguments):
    with open("summary.md", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    assert main(["comment", "summary.md", *arguments]) == 0


def test_the_first_run_comments_and_later_runs_keep_that_one_comment(github, capsys):
    github.add("What a nice change")
    comment("## Robustness: FAIL")
    assert [each["body"] for each in github.comments] == [
        "What a nice change",
        "<!-- pytest-robustness: robustness -->\n## Robustness: FAIL",
    ]
    comment("## Robustness: PASS")
    comment("## Robustness: PASS")
    assert [each["body"].splitlines()[-1] for each in github.comments] == ["What a nice change", "## Robustness: PASS"]
    assert [method for method, _, _ in github.asked] == ["GET", "POST", "GET", "PATCH", "GET"]
    assert capsys.readouterr().out.splitlines() == [
        "Commented on pull request 7.",
        "Updated the comment on pull request 7.",
        "The comment on pull request 7 is up to date.",
    ]


def test_each_name_has_a_comment_of_its_own(github):
    comment("one", "--name=cpu")
    comment("two", "--name=gpu")
    comment("three", "--name=cpu")
    assert [each["body"].splitlines()[-1] for each in github.comments] == ["three", "two"]


def test_the_comment_is_found_behind_hundreds_of_others(github):
    for number in range(250):
        github.add(f"comment {number}")
    comment("first")
    comment("second")
    assert len(github.comments) == 251
    assert github.comments[-1]["body"].endswith("second")


def test_a_person_who_copied_the_marker_keeps_their_comment(github):
    github.add("<!-- pytest-robustness: robustness -->\ncopied")
    github.add("<!-- pytest-robustness: robustness -->\nours", "Bot")
    comment("new")
    assert [each["body"].splitlines()[-1] for each in github.comments] == ["copied", "new"]


def test_a_token_that_may_not_write_leaves_the_summary_of_the_run(github, capsys):
    github.may_write = False
    comment("text")
    assert github.comments == []
    assert capsys.readouterr().out == (
        "No comment on pull request 7: this job's token may not write there (HTTP 403), as those of forks may not. The "
        "summary is on the page of the run.\n"
    )


def test_a_fault_of_the_server_is_tried_again(github, capsys):
    github.faults = 2
    comment("text")
    assert len(github.comments) == 1
    github.faults = 10
    comment("other")
    assert "No comment on pull request 7: GitHub answers with HTTP 502." in capsys.readouterr().out


def test_a_token_is_not_sent_to_where_a_redirect_leads(github):
    other = GitHub()
    thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    github.redirect = f"http://127.0.0.1:{other.server_port}{COMMENTS}"
    comment("text")
    other.shutdown()
    thread.join()
    other.server_close()
    assert other.asked == []


def test_a_server_that_is_not_there_is_no_failure(github, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:9")
    comment("text")
    shown = capsys.readouterr().out
    assert shown.startswith("No comment on pull request 7: URLError")
    assert "secret" not in shown


def test_a_long_summary_is_shortened_with_a_note_and_its_parts_are_closed(github):
    text = "# Head\n\n<details><summary>Tests</summary>\n\n" + "- a line of the summary\n" * 10_000 + "\n</details>\n"
    comment(text)
    (found,) = github.comments
    assert 60_000 < len(found["body"]) <= pull_request.LONGEST
    assert found["body"].endswith(
        "- a line of the summary\n\n</details>\n\n*Shortened: the summary of the run has all of it.*\n"
    )


@pytest.mark.parametrize("length", [65_000, 65_495, 65_496, 65_497, 65_498, 65_600, 200_000])
def test_no_comment_is_longer_than_github_takes(length):
    for text in ("x" * length, "x\n" * (length // 2), "<details>\n" * (length // 10)):
        assert len(pull_request.body(text, "robustness")) <= pull_request.LONGEST


def test_names_in_a_summary_notify_nobody(github):
    comment("class @octocat and @org/team, not a@ b")
    assert re.findall(r"@[A-Za-z]", github.comments[0]["body"]) == []


def test_a_run_without_a_summary_replaces_a_former_pass(github):
    comment("## Robustness: PASS")
    assert main(["comment", "nowhere.md"]) == 0
    assert "no result" in github.comments[0]["body"]


def test_outside_of_a_pull_request_nothing_is_asked(github, tmp_path, capsys):
    (tmp_path / "event.json").write_text('{"ref": "refs/heads/main"}')
    comment("text")
    assert github.asked == []
    assert capsys.readouterr().out == "This is no job of a pull request: there is nothing to comment on.\n"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("GITHUB_TOKEN", "", "GITHUB_TOKEN is not set."),
        ("GITHUB_REPOSITORY", "owner/project/../../x", "GITHUB_REPOSITORY 'owner/project/../../x'"),
        ("GITHUB_API_URL", "file:///etc/passwd", "GITHUB_API_URL is 'file:///etc/passwd'"),
    ],
)
def test_a_job_that_is_set_up_wrongly_is_refused(github, monkeypatch, capsys, name, value, text):
    monkeypatch.setenv(name, value)
    assert main(["comment"]) == pytest.ExitCode.USAGE_ERROR
    assert text in capsys.readouterr().err
    assert github.asked == []


@pytest.mark.parametrize("name", ["", "a b", "a-->b", "x" * 61])
def test_a_name_that_a_marker_cannot_hold_is_refused(name):
    with pytest.raises(OptionError, match="names no comment"):
        pull_request.marker(name)
