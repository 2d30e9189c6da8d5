"""Whatever is written in place of an option's value is read, or refused by an error that names it: no traceback."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from pytest_robustness import data
from pytest_robustness.core.errors import OptionError, RobustnessError
from pytest_robustness.frontends.plugin.configuration import resolve_options
from pytest_robustness.frontends.session.options.table import SPECS
from pytest_robustness.frontends.session.requests import Requests
from pytest_robustness.inference.device import resolve_device
from pytest_robustness.models import ModelZoo
from pytest_robustness.transforms import builtin

MALFORMED = 400
ODD = (
    *("", " ", "\t", "\x00", "a\x00b", "\x1b[2J", "\u202egnp", "\udcff", "a\udce9/b", "\ud800", "\n", "x\ny", "\r"),
    *("1e400", "-1e400", "nan", "inf", "9" * 5000, "-1", "+1", "1_0", "٣", "²", "0x10", "1.5", "1e3", "00", "−1"),
    *("1,5", "1.", ".5", "9" * 19, "-0", "5e-324", "100.0000001", "1/2", "50%"),
    *("a" * 300, "a" * 5000, "a/" * 3000, "../" * 50, "/", "~", "~no-one-9/x", "~\x00", "/dev/zero", "/proc/self/mem"),
    *("cuda:99999999999999999999", "cuda:128", "cuda:-1", "cuda:01", "cuda:٣", "cuda:", "cpu:0", "CPU", "meta"),
    *("folder:", "folder:~no-one-9/x", "folder:\x00", "folder:" + "a" * 300, "folder:/dev/null"),
    *("imagenet:~no-one-9/x", "cifar10:~no-one-9/x", "imagenette:~no-one-9", "imagenet::", "folder:a:b:c"),
    *("python:", "python::", "python:a", "python:a.py:", "python:~no-one-9/a.py:f", "python:a\x00.py:f"),
    *("onnx:", "onnx:~no-one-9/x.onnx", "onnx:/dev/zero", "timm:", "openvino:x", "digits:", ":", "::", "a:b@c", "@"),
    *("=", "a=b", "maxFailures=", "maxFailures=" + "9" * 500, "successRate=1e9", "maxFailures=1,,", "maxFailures=٣"),
    *("+", "vflip+", "+vflip", "vflip++zoom", "vflip+" * 200 + "vflip", ",", ",,,", "1-", "-1-5", "5-1", "1-9-2", "0"),
    *("true", "false", "maybe", "::error::x", "##[error]x", "=1+1", "|", "`x`", "<b>", "%s", "{0.__class__}", "\\"),
)  # fmt: skip


class Config:
    """What the options read of pytest's configuration."""

    inipath = Path("/project/pytest.ini")
    rootpath = Path("/project")
    invocation_params = SimpleNamespace(dir=Path("/project"))

    def __init__(self, typed: dict[str, str], configured: dict[str, object]) -> None:
        self._typed, self._configured = typed, configured
        self.stash = pytest.Stash()

    def getoption(self, flag: str) -> str | None:
        """Return what was typed."""
        return self._typed.get(flag)

    def getini(self, key: str) -> object:
        """Return what is configured."""
        return self._configured.get(key)


def mutated(rng: random.Random) -> str:
    """Return an odd text, or two of them around a good one."""
    return rng.choice([lambda: rng.choice(ODD), lambda: rng.choice(ODD)[:500] + "vflip" + rng.choice(ODD)[:500]])()


def use(options) -> None:
    """Use the options as a run does before any test."""
    data.check(options.data)
    zoo, registry = ModelZoo(weights_dir=options.weights_dir), builtin()
    Requests(options, zoo, registry)
    resolve_device(options.device)
    if not options.data.startswith(("digits", "cifar10", "imagenette")):
        data.open_source(options.data)


def checked(error: RobustnessError, text: str) -> None:
    """Expect one text that can be shown, of some lines, and that names the value or its beginning."""
    shown = str(error)
    assert len(shown) < 5000
    shown.encode("utf-8")
    assert shown.replace("\n", "").isprintable()


@pytest.mark.parametrize("part", range(8))
def test_malformed_options_are_read_or_refused(part, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in range(part, MALFORMED, 8):
        rng = random.Random(seed)
        spec, text = rng.choice(SPECS), mutated(rng)
        given = ({spec.flag: text}, {}) if rng.random() < 0.7 else ({}, {spec.key: rng.choice([text, text + " "])})
        try:
            use(resolve_options(Config(*given)))
        except RobustnessError as error:
            checked(error, text)


@pytest.mark.parametrize("text", ODD)
def test_each_odd_value_is_read_or_refused_by_each_option(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for spec in SPECS:
        try:
            use(resolve_options(Config({spec.flag: text}, {})))
        except RobustnessError as error:
            checked(error, text)


@pytest.mark.parametrize(
    ("flag", "text", "said"),
    [
        ("limit", "1e400", "'1e400' is not valid. Valid: a whole number from 1, or all."),
        ("limit", "9" * 5000,
         f"'{'9' * 198}… is not valid. Valid: a whole number from 1, or all, and at most {2**63 - 1}."),
        ("workers", "1025", "'1025' is not valid. Valid: a whole number from 0, or auto, and at most 1024."),
        ("device", "cuda:99999999999999999999",
         "'cuda:99999999999999999999' is not valid. Valid: auto, cpu, cuda, cuda:1 (and so on), mps."),
        ("data", "", "'' is not valid. Valid: a name."),
        ("data", "folder:a\x00b",
         "'folder:a\\x00b' is not valid. Valid: a text without control characters, in Unicode."),
        ("data", "folder:\udcff",
         "'folder:\\udcff' is not valid. Valid: a text without control characters, in Unicode."),
        ("report", "a" * 300, f"'{'a' * 198}… is not valid. Valid: names and parts of paths of at most 255 bytes."),
        ("store", "a/" * 3000, f"'{'a/' * 99}… is not valid. Valid: names and paths of at most 4,095 bytes."),
        ("report", "~no-one-9/x", "'~no-one-9/x' is not valid. Valid: a path; this machine knows no such user."),
    ],
)  # fmt: skip
def test_the_error_names_the_value(flag, text, said):
    with pytest.raises(OptionError) as caught:
        resolve_options(Config({f"--robustness-{flag}": text}, {}))
    assert str(caught.value) == f"--robustness-{flag}: {said}"


@pytest.mark.parametrize(
    "spec", ["folder:~no-one-9/x", "imagenet:~no-one-9/x", "cifar10:~no-one-9/x", "python:~no-one-9/x.py:f"]
)
def test_the_home_of_a_user_who_is_not_there_is_refused_by_name(spec):
    with pytest.raises(OptionError, match=r"'~no-one-9/x.*': this machine knows no such user\. Write"):
        data.open_source(spec)


def test_blanks_around_a_configured_value_are_no_part_of_it():
    configured = {"robustness_device": "cpu ", "robustness_data": " folder:photos\t", "robustness_limit": " "}
    configured["robustness_report"] = "out "
    found = resolve_options(Config({}, configured))
    assert (found.device, found.data, found.limit, found.report) == ("cpu", "folder:photos", None, Path("/project/out"))


def test_a_blank_within_a_path_is_a_part_of_it():
    assert resolve_options(Config({"--robustness-data": "folder:my photos"}, {})).data == "folder:my photos"


@pytest.mark.parametrize("names", [["a\x1b"], ["\udcff"], [None], [7], ["vflip", "a\nb"]])
def test_a_marker_that_names_what_cannot_be_shown_is_refused(names):
    zoo, registry = ModelZoo(), builtin()
    requests = Requests(resolve_options(Config({}, {})), zoo, registry)
    with pytest.raises(OptionError, match="Valid: a text without control characters, in Unicode"):
        requests.expand_conditions(names)
    with pytest.raises(OptionError, match="Valid: a text without control characters, in Unicode"):
        requests.expand_models(names)


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("--robustness-lmit=3", "Did you mean --robustness-limit?"),
        ("--robustness-batchsize", "Did you mean --robustness-batch-size?"),
        ("--robustness-q=1", "pytest --help lists those there are, under robustness."),
    ],
)
def test_an_option_that_is_misspelled_is_named_with_the_closest(project, typed, hint):
    result = project.judge(typed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"ERROR: {typed.partition('=')[0]} is no option. {hint}" in result.errlines


_ALONE = "is no option of a configuration. Give --robustness-{} on the command line."
_NO_KEYS = [
    ("robustness_plan", _ALONE.format("plan")),
    ("robustness_list", _ALONE.format("list")),
    ("robustness_lmit", "is no option of a configuration. Did you mean robustness_limit?"),
    ("robustness-limit", "is no option of a configuration. Did you mean robustness_limit?"),
    ("robustness_class-margin", "is no option of a configuration. Did you mean robustness_class_margin?"),
    ("Robustness_Limit", "is no option of a configuration. Did you mean robustness_limit?"),
    (
        "robustness_q",
        "is no option of a configuration. pytest --help lists those there are, under robustness.",
    ),
]


@pytest.mark.parametrize(("key", "said"), _NO_KEYS)
@pytest.mark.parametrize("place", ["tox.ini", "pyproject.toml", "-o"])
def test_a_key_that_is_no_option_is_refused_where_pytest_would_warn(pytester, place, key, said):
    pytester.makepyfile("def test_nothing(): pass")
    typed = ("-o", f"{key}=true") if place == "-o" else ()
    if place == "tox.ini":
        pytester.makeini(f"[pytest]\n{key} = true")
    elif place == "pyproject.toml":
        pytester.makepyprojecttoml(f"[tool.pytest.ini_options]\n{key} = 'true'")
    result = pytester.runpytest(*typed)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    where = f"-o {key}" if typed else f"{key} in {pytester.path / place}"
    assert f"ERROR: {where} {said}" in result.errlines


def test_a_key_that_a_project_declares_is_its_own(pytester):
    pytester.makeconftest("def pytest_addoption(parser): parser.addini('robustness_owner', 'who reads the report')")
    pytester.makeini("[pytest]\nrobustness_owner = me")
    pytester.makepyfile("def test_owner(pytestconfig): assert pytestconfig.getini('robustness_owner') == 'me'")
    assert pytester.runpytest().ret == pytest.ExitCode.OK


_PYPROJECT = '[tool.pytest.ini_options]\naddopts = "-q"\n{}'


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ('robustness_margin = "3"', "robustness_margin"),
        ('"robustness_models" = ["a", "b"]', "robustness_models"),
        ('testpaths = ["tests"]', ""),
        ('# robustness_margin = "3"', ""),
        ('[tool.other]\nrobustness_owner = "3"', ""),
    ],
)
@pytest.mark.skipif(pytest.version_tuple < (9,), reason="this pytest does not say which files it passes over")
def test_a_key_in_a_file_that_pytest_passes_over_is_refused(pytester, key, said):
    pytester.makepyfile("def test_nothing(): pass")
    pytester.makepyprojecttoml(_PYPROJECT.format(key))
    assert pytester.runpytest().ret == pytest.ExitCode.OK
    ini = pytester.path / "pytest.ini"
    ini.write_text("[pytest]\n", encoding="utf-8")
    result = pytester.runpytest("-q")
    assert result.ret == (pytest.ExitCode.USAGE_ERROR if said else pytest.ExitCode.OK)
    text = (
        f"ERROR: pyproject.toml sets {said}, and pytest does not read it: beside {ini} it passes over it. Keep all "
        "that configures pytest in one of the two."
    )
    assert (text in result.errlines) == bool(said)
