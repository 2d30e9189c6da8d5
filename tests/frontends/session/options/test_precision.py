"""``--robustness-precision``: the number format that models run in."""

from __future__ import annotations

import torch

COUNTED = "    def forward(self, images):\n        with open("
WEIGHT = """
    def __init__(self):
        super().__init__()
        self.register_buffer("ten", torch.tensor(10.0))

"""


def give_weights(project):
    """Let `Slope` have a weight, and write the format of each batch: code without weights stays in the one it has."""
    text = (project.path / "nets.py").read_text()
    for old, new in (
        (COUNTED, WEIGHT + COUNTED),
        ("up = 10 * (top", "up = self.ten * (top"),
        ("print(len(images),", "print(images.dtype,"),
    ):
        assert old in text
        text = text.replace(old, new)
    project.write("nets.py", text)


def test_models_run_in_it_and_its_results_are_kept_apart(project):
    give_weights(project)
    seen = project.path / "forwards.txt"
    project.configure(robustness_precision="fp16")
    project.judge("-k", "vflip-slope").assert_outcomes(failed=1, deselected=5)
    # The first answers, in four batches, are in fp32 in every precision, and so are those that the format is compared
    # with; then come the comparison and two conditions.
    assert seen.read_text().split() == ["torch.float32"] * 5 + ["torch.float16"] * 3
    seen.unlink()
    result = project.judge("-k", "vflip-slope", "--robustness-precision=bf16")
    result.assert_outcomes(failed=1, deselected=5)
    assert seen.read_text().split() == ["torch.float32"] * 5 + ["torch.bfloat16"] * 3


def test_a_model_without_weights_runs_in_fp32_and_the_report_says_so(project):
    project.judge("-k", "vflip-slope", "--robustness-precision=fp16").assert_outcomes(failed=1, deselected=5)
    engines = [engine for cell in project.results()["cells"] for engine in cell["engines"]]
    assert engines == [{"runtime": "eager", "precision": "fp32", "layout": ""}] * 2


def test_auto_is_what_the_machine_computes_in(project):
    give_weights(project)
    project.configure(robustness_precision="auto")
    project.judge("-k", "vflip-slope").assert_outcomes(failed=1, deselected=5)
    features = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    expected = "bf16" if features.get("amx_bf16") or features.get("avx512_bf16") else "fp32"
    engines = [engine for cell in project.results()["cells"] for engine in cell["engines"]]
    assert engines == [{"runtime": "eager", "precision": expected, "layout": ""}] * 2


def test_tf32_is_refused_where_there_is_no_cuda(project):
    result = project.judge("--robustness-precision=tf32", "--robustness-device=cpu")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: --robustness-precision=tf32: only CUDA devices compute in it, not cpu. Choose fp32."]
    )
