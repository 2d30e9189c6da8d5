def test_own(project):
    project.write("test_own.py", '''
import pytest
from pytest_robustness import assert_robust

@pytest.fixture
def cell(): return 5

@pytest.fixture
def condition(): return "fine"

def test_alone(cell, condition): assert cell == 5 and condition == "fine"
def test_with(robustness, cell): assert cell == 5
''')
    project.write("test_par.py", '''
import pytest
from pytest_robustness import assert_robust
@pytest.mark.parametrize("cell", [1, 2])
def test_par(robustness, cell): assert cell in (1, 2)
''')
    project.run("-v", "test_own.py")
    project.run("-v", "test_par.py")
    assert 0
def test_toml(project):
    (project.path / "pytest.ini").unlink()
    project.write("pyproject.toml", '''
[tool.pytest]
robustness_data = "folder:photos"
robustness_models = ["python:nets.py:slope"]
robustness_transforms = ["vflip"]
robustness_alpha = 0.1
robustness_seed = 3
robustness_download = true
''')
    project.judge("-v")
    assert 0
def test_toml2(project):
    (project.path / "pytest.ini").unlink()
    project.write("pyproject.toml", '''
[tool.pytest.ini_options]
robustness_data = "folder:photos"
robustness_models = ["python:nets.py:slope"]
robustness_transforms = ["vflip"]
robustness_alpha = 0.1
robustness_seed = 3
robustness_download = true
''')
    project.judge("-v")
    assert 0
def test_dist(project):
    project.judge_apart("-n2", "--robustness-models=nope")
    project.judge_apart("-n2", "--robustness-data=folder:nope")
    project.judge_apart("-n2", "--robustness-alpha=3")
    project.judge_apart("-n2")
    assert 0
