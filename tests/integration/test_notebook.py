"""The notebook of ``examples/notebook`` runs, and shows what it announces."""

from __future__ import annotations

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook" / "digits.ipynb"


@pytest.mark.slow
def test_every_cell_runs_and_shows_something(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # committed without outputs
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    assert [name for name, cell in cells.items() if not cell.outputs] == []
    kinds = {name: {kind for output in cell.outputs for kind in output.get("data", ())} for name, cell in cells.items()}
    assert "text/html" in kinds["evaluate"] & kinds["frame"] & kinds["own"]
    assert "image/png" in kinds["heatmap"] & kinds["classes"]
    assert (tmp_path / "reports/notebook/index.html").is_file()
