"""Every option is read from the command line, else from the configuration file, else it has its default."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_robustness.analysis.studies import STUDIES
from pytest_robustness.core.errors import OptionError
from pytest_robustness.frontends.plugin.configuration import resolve_options
from pytest_robustness.frontends.session.options import Options, RunMode
from pytest_robustness.frontends.session.options.table import SPECS

PAGE = Path(__file__).parents[3] / "docs/options.md"
needs_pytest_9 = pytest.mark.skipif(
    pytest.version_tuple < (9,), reason="pytest reads the table [tool.pytest] from version 9 on"
)

DEFAULTS = {
    "models": None,
    "data": "digits",
    "transforms": None,
    "severity": None,
    "alpha": 0.05,
    "test": "independent",
    "correction": "none",
    "max_sensitive": "chance",
    "limit": None,
    "seed": 0,
    "on_bad_image": "error",
    "batch_size": None,
    "device": "auto",
    "precision": "fp32",
    "workers": None,
    "weights_dir": None,
    "trust_pickle": False,
    "download": False,
    "list": False,
}
# The option, a text, its value, another text, its value.
TEXTS = [
    ("models", "a,digits:b", ("a", "digits:b"), "python:f.py:m", ("python:f.py:m",)),
    ("data", "folder:photos", "folder:photos", "digits", "digits"),
    ("transforms", "vflip,equalize+zoom", ("vflip", "equalize+zoom"), "hflip", ("hflip",)),
    ("severity", "1-3", (1, 2, 3), "5,1", (1, 5)),
    ("alpha", "0.01", 0.01, "1e-3", 0.001),
    ("test", "welch", "welch", "paired", "paired"),
    ("correction", "bh", "bh", "holm", "holm"),
    ("max-sensitive", "3", 3, "0.1", 0.1),
    ("margin", "15", 15.0, "50", 50.0),
    ("limit", "7", 7, "all", None),
    ("seed", "4", 4, "0", 0),
    ("on-bad-image", "skip", "skip", "error", "error"),
    ("batch-size", "16", 16, "auto", None),
    ("device", "cpu", "cpu", "cuda:1", "cuda:1"),
    ("precision", "bf16", "bf16", "fp16", "fp16"),
    ("workers", "0", 0, "auto", None),
]
SWITCHES = ["trust-pickle", "download"]


def read(pytester: pytest.Pytester, *arguments: str) -> dict[str, object]:
    return dataclasses.asdict(resolve_options(pytester.parseconfig(*arguments)))


def field(option: str) -> str:
    return option.replace("-", "_")


def test_without_a_word_every_option_has_its_default(pytester):
    found = read(pytester)
    assert {name: found[name] for name in DEFAULTS} == DEFAULTS
    assert found["store"] == pytester.path / ".robustness" / "store.sqlite"
    assert found["report"] == pytester.path / "reports" / "latest"


@pytest.mark.parametrize(("option", "first", "value", "second", "other"), TEXTS)
def test_the_command_line_wins_over_the_configuration_file_which_wins_over_the_default(
    pytester, option, first, value, second, other
):
    assert read(pytester, f"--robustness-{option}", first)[field(option)] == value
    pytester.makeini(
        f"[pytest]\nrobustness_{field(option)} = {first.replace(',', ' ' if option.endswith('s') else ',')}"
    )
    assert read(pytester)[field(option)] == value
    assert read(pytester, f"--robustness-{option}={second}")[field(option)] == other


@pytest.mark.parametrize("table", ["tool.pytest.ini_options", pytest.param("tool.pytest", marks=needs_pytest_9)])
def test_every_option_is_a_key_of_pyproject_toml(pytester, table):
    keys = [f"robustness_{field(option)} = '{text}'" for option, text, *_ in TEXTS if not option.endswith("s")]
    keys += ["robustness_models = ['a', 'digits:b']", "robustness_transforms = ['vflip', 'equalize+zoom']"]
    keys += ["robustness_workers = '0'"]
    keys += [f"robustness_{field(switch)} = true" for switch in SWITCHES]
    pytester.makepyprojecttoml("\n".join([f"[{table}]", *keys]))
    found = read(pytester)
    for option, _, value, *_ in TEXTS:
        assert found[field(option)] == value
    assert found["trust_pickle"] is True
    assert found["download"] is True


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_is_on_where_it_is_named_or_configured(pytester, switch):
    assert read(pytester, f"--robustness-{switch}")[field(switch)] is True
    for text, value in {"true": True, "1": True, "false": False, "no": False}.items():
        pytester.makeini(f"[pytest]\nrobustness_{field(switch)} = {text}")
        assert read(pytester)[field(switch)] is value
    assert read(pytester, f"--robustness-{switch}")[field(switch)] is True


@pytest.mark.parametrize(
    ("option", "text", "valid"),
    [
        ("models", ",", "at least one name, separated by commas"),
        ("transforms", " ", "at least one name, separated by commas"),
        *(
            ("severity", text, "levels from 1, such as 3, 1-5 or 1,3,5")
            for text in ("0", "x", "5-1", "1,,3", "10", "", "1-")
        ),
        *(
            ("alpha", text, "a number above 0 and below 1, such as 0.05")
            for text in ("0", "1", "-0.1", "5%", "nan", "inf")
        ),
        ("test", "Welch", "independent, welch, paired"),
        ("correction", "bonferroni", "none, bh, holm"),
        *(
            ("max-sensitive", text, "chance, a count of classes such as 5, or a fraction of them such as 0.1")
            for text in ("-1", "1.5", "some", "nan")
        ),
        *(("limit", text, "a whole number from 1, or all") for text in ("0", "-3", "1.5", "many")),
        *(("seed", text, "a whole number from 0") for text in ("-1", "auto", "0x10")),
        ("on-bad-image", "ignore", "error, skip"),
        ("batch-size", "0", "a whole number from 1, or auto"),
        *(("device", text, "auto, cpu, cuda, cuda:1 (and so on), mps") for text in ("gpu", "cuda:", "cpu:0")),
        ("precision", "int8", "auto, fp32, tf32, bf16, fp16"),
        *(("workers", text, "a whole number from 0, or auto") for text in ("-1", "many")),
        *(
            (option, text, "points of accuracy above 0, up to 100, such as 1.5")
            for option in ("margin", "class-margin", "class-tolerance")
            for text in ("0", "101", "two")
        ),
        *(
            ("timeout", text, "seconds above 0, up to 86400, such as 60")
            for text in ["0", "-1", "soon", "nan", "inf", "1e9"]
        ),
        ("chance-check", "never", "error, warn, off"),
        ("verdict", "lenient", "strict, article, margin"),
        ("studies", "detectable,foo", f"{', '.join(STUDIES)}, all, separated by commas; or none"),
        ("suspects", "0", "a whole number from 1, or none"),
        ("runtime", "tensorrt", "auto, eager, compile, onnxruntime, openvino"),
        ("executor", "dask", "local, ray"),
        ("ray-address", "", "a name"),
        ("store", " ", "a path"),
        ("report", "", "a path"),
        ("weights-dir", "", "a path"),
    ],
)
def test_a_bad_value_is_refused_with_the_valid_ones(pytester, option, text, valid):
    config = pytester.parseconfig(f"--robustness-{option}={text}")
    with pytest.raises(OptionError) as caught:
        resolve_options(config)
    assert str(caught.value) == f"--robustness-{option}: {text!r} is not valid. Valid: {valid}."


def test_a_bad_value_in_the_configuration_file_is_refused_with_the_file(pytester):
    path = pytester.makeini("[pytest]\nrobustness_alpha = 2")
    with pytest.raises(OptionError) as caught:
        read(pytester)
    assert str(caught.value) == (
        f"robustness_alpha in {path}: '2' is not valid. Valid: a number above 0 and below 1, such as 0.05."
    )


def test_a_switch_that_is_neither_on_nor_off_is_refused_with_the_file(pytester):
    path = pytester.makeini("[pytest]\nrobustness_download = maybe")
    with pytest.raises(OptionError) as caught:
        read(pytester)
    assert str(caught.value) == f"robustness_download in {path}: invalid truth value 'maybe'. Valid: true, false."


@needs_pytest_9
def test_a_text_in_toml_where_several_are_due_is_refused_with_what_is_valid(pytester):
    pytester.makepyprojecttoml('[tool.pytest]\nrobustness_models = "digits:resnet18"')
    with pytest.raises(OptionError, match=r"Valid: a list of strings\.$"):
        read(pytester)


def test_a_list_in_toml_where_a_text_is_due_is_refused_with_what_is_valid(pytester):
    path = pytester.makepyprojecttoml("[tool.pytest.ini_options]\nrobustness_severity = [1, 2]")
    with pytest.raises(OptionError) as caught:
        read(pytester)
    assert str(caught.value) == (
        f"robustness_severity in {path}: [1, 2] is not a string. Valid: a string, which TOML writes in quotes."
    )


@pytest.mark.parametrize(
    ("option", "text", "needed"),
    [
        ("allure-gate", "maxFailures=3", "allure-report"),
        ("baseline-model", "resnet18", "candidate"),
        ("ray-address", "auto", "executor=ray"),
        ("parity-margin", "2", "reference"),
        ("tolerance", "2", "baseline"),
        ("class-tolerance", "2", "baseline"),
        ("gate-correction", "bh", "baseline"),
        ("inconclusive", "fail", "baseline"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(pytester, option, text, needed):
    with pytest.raises(OptionError) as caught:
        read(pytester, f"--robustness-{option}={text}")
    assert str(caught.value) == (
        f"--robustness-{option} does nothing without --robustness-{needed}. Give both, or neither."
    )


@pytest.mark.parametrize(
    ("option", "there", "valid"),
    [
        ("weights-dir", "folder", "a folder that is there"),
        ("clip-templates", "file.txt", "single, simple, openai, or a text file that is there"),
    ],
)
def test_an_option_that_names_what_is_not_there_is_refused(pytester, option, there, valid):
    pytester.mkdir("folder")
    pytester.maketxtfile(file="a {}")
    other = {"folder": "file.txt", "file.txt": "folder"}[there]
    for wrong in ("nope", other):
        with pytest.raises(OptionError) as caught:
            read(pytester, f"--robustness-{option}={wrong}")
        shown = str(pytester.path / wrong) if option == "weights-dir" else wrong
        assert str(caught.value) == f"--robustness-{option}: '{shown}' is not valid. Valid: {valid}."
        pytester.makeini(f"[pytest]\nrobustness_{option.replace('-', '_')} = {wrong}")
        read(pytester)  # configured, it may wait for a model that needs it
        pytester.makeini("[pytest]\n")
    read(pytester, f"--robustness-{option}={there}")


def test_words_for_templates_and_an_address_for_ray_are_taken(pytester):
    for word in ("single", "simple", "openai"):
        assert read(pytester, f"--robustness-clip-templates={word}")["clip_templates"] == word
    assert read(pytester, "--robustness-executor=ray", "--robustness-ray-address=auto")["ray_address"] == "auto"


def test_an_option_that_is_configured_may_wait_for_the_one_that_it_needs(pytester):
    pytester.makeini("[pytest]\nrobustness_allure_gate = maxFailures=3\nrobustness_baseline_model = resnet18")
    assert read(pytester)["allure_gate"] == (("maxFailures", 3.0),)


def test_a_rate_of_more_than_one_is_refused(pytester):
    with pytest.raises(OptionError, match=r"successRate=F \(0 to 1\)"):
        read(pytester, "--robustness-allure-report", "--robustness-allure-gate=successRate=5")


@needs_pytest_9
def test_a_number_in_toml_that_is_not_quoted_is_refused_with_the_file(pytester):
    path = pytester.makepyprojecttoml("[tool.pytest]\nrobustness_alpha = 0.1")
    with pytest.raises(OptionError, match=r"^robustness_alpha in .* expects a string, got float: 0\.1\. ") as caught:
        read(pytester)
    assert str(caught.value).endswith(". Valid: a string, which TOML writes in quotes.")
    assert str(path) in str(caught.value)


def test_a_typed_path_starts_in_the_current_folder_and_a_configured_one_in_the_root(pytester, monkeypatch):
    pytester.makeini("[pytest]\nrobustness_store = kept/s.sqlite\nrobustness_report = ~/out")
    monkeypatch.setenv("HOME", "/home/somebody")
    below = pytester.mkdir("below")
    (below / "nets").mkdir()
    monkeypatch.chdir(below)
    found = read(pytester, "--robustness-weights-dir=nets")
    assert found["store"] == pytester.path / "kept" / "s.sqlite"
    assert found["report"] == Path("/home/somebody/out")
    assert found["weights_dir"] == below / "nets"
    assert read(pytester, "--robustness-store=s.sqlite")["store"] == below / "s.sqlite"


def test_options_cannot_be_changed(pytester):
    options = resolve_options(pytester.parseconfig())
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.alpha = 0.1


def test_an_allure_report_without_a_folder_goes_next_to_the_report_and_any_folder_can_be_named(pytester):
    assert read(pytester)["allure_report"] is None
    found = read(pytester, "--robustness-report=out", "--robustness-allure-report")
    assert found["allure_report"] == pytester.path / "out" / "allure"
    assert read(pytester, "--robustness-allure-report=auto")["allure_report"] == pytester.path / "auto"
    pytester.makeini("[pytest]\nrobustness_allure_report = auto")
    assert read(pytester)["allure_report"] == pytester.path / "auto"


@pytest.mark.parametrize(
    ("arguments", "mode"),
    [
        ([], RunMode.JUDGE),
        (["--robustness-baseline=b.json"], RunMode.COMPARE),
        (["--robustness-baseline=b.json", "--robustness-candidate=a"], RunMode.CANDIDATE),
        (["--robustness-candidate=a"], RunMode.CANDIDATE),
        (["--robustness-update-baseline"], RunMode.WRITE),
        (["--robustness-update-baseline", "--robustness-baseline=b.json"], RunMode.WRITE),
    ],
)
def test_the_mode_of_a_run_follows_from_what_is_named(pytester, arguments, mode):
    assert resolve_options(pytester.parseconfig(*arguments)).mode is mode


def test_the_help_shows_every_option_with_its_choices_and_its_default(pytester):
    result = pytester.runpytest_inprocess("--help")
    text = " ".join(result.stdout.str().split())
    shown = text.partition("robustness of image classifiers")[2]
    for spec in SPECS:
        assert f" {spec.flag}" in shown
    assert "number format of the models;" in shown
    assert "(auto, fp32, tf32, bf16, fp16; default: fp32)" in shown
    assert "images per class, drawn at random (default: all)" in shown


def test_the_documentation_shows_the_table_of_options():
    command = [sys.executable, "-m", "pytest_robustness.frontends.session.options"]
    table = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    start, end = f"<!-- options: {' '.join(['python', *command[1:]])} -->\n", "<!-- end of options -->"
    shown = PAGE.read_text(encoding="utf-8").partition(start)[2].partition(end)[0]
    assert shown == table, f"put the output of {' '.join(command)} between the two comments of docs/options.md"
    options = [line.split("|")[2].strip(" `") for line in table.splitlines()[2:]]
    assert sorted(options) == sorted(field.name.replace("_", "-") for field in dataclasses.fields(Options))


def test_a_value_given_with_o_is_said_to_be_there(project):
    project.path.joinpath("test_mine.py").write_text("def test_mine(): pass")
    for arguments in (("-o", "robustness_limit=x"), ("-orobustness_limit=x",), ("--override-ini=robustness_limit=x",)):
        for file in ((), ("-c", "/dev/null")):
            result = project.run("test_mine.py", *arguments, *file)
            assert result.ret == pytest.ExitCode.USAGE_ERROR
            result.stderr.fnmatch_lines(["ERROR: -o robustness_limit: 'x' is not valid. Valid: *"])
    project.configure(robustness_limit="x")
    project.run("test_mine.py").stderr.fnmatch_lines(
        [f"ERROR: robustness_limit in {project.path}/pytest.ini: 'x' is not*"]
    )


def test_what_a_conftest_changes_counts_and_is_read_once(project):
    project.write(
        "conftest.py",
        """
        from pytest_robustness.frontends.plugin.configuration import resolve_options

        def pytest_configure(config):
            before = resolve_options(config)
            assert resolve_options(config) is before
            config.option.robustness_seed = "7"
            assert resolve_options(config).seed == 7
        """,
    )
    assert project.judge("--collect-only").ret == 0
