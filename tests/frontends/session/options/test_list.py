"""``--robustness-list``: the known models, transforms and datasets, and no test."""

from __future__ import annotations

import pytest


def test_it_lists_what_the_options_accept_and_runs_nothing(project):
    project.write("test_mine.py", "raise RuntimeError('collected')\n")
    result = project.run("--robustness-list")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "Models (--robustness-models)",
            "*presets *digits12, imagenet12*",
            "*hf *path/to/folder, owner/name, *",
            "*clip *architecture:tag, *",
            "*digits *alexnet, squeezenet1_0, *",
            "Transforms (--robustness-transforms)",
            "*vflip *Mirror top to bottom.*",
            "Transforms on request*",
            "*turn90 *Turn by a quarter, *",
            "*exif *Turn and mirror each image *",
            "*worst(rotation+translate,k=10) *",
            "Data (--robustness-data)",
            "*folder:path *images in path/<class>/<image>, *",
        ]
    )
    result.stdout.no_fnmatch_line("*collected*")


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", "\\xb1"), ("cp437", "±"), ("cp1252", "±")])
def test_it_can_be_read_in_every_encoding(project, encoding, sign):
    found = project.print_in(encoding, "--robustness-list")
    assert found.ret == 0
    assert f"Rotate about the centre by {sign}" in found.stdout.str()


def test_it_takes_no_value(project):
    result = project.run("--robustness-list=models")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*argument --robustness-list: ignored explicit argument 'models'*"])
