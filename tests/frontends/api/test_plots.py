"""The charts show the figures of the tables."""

from __future__ import annotations

import builtins

import pytest

from pytest_robustness import evaluate
from pytest_robustness.core.errors import OptionError

pyplot = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def without_a_screen():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


@pytest.fixture
def evaluation(folder):
    names = ["python:nets.py:slope", "python:nets.py:colour"]
    return evaluate(names, "folder:photos", ["vflip", "brightness"], severity=[1, 3], workers=0, progress=False)


def test_the_heatmap_has_the_change_of_each_model_and_condition(evaluation):
    axes = evaluation.plot.heatmap()
    frame = evaluation.to_frame("models")
    changes = (frame.accuracy - frame.control_accuracy).to_numpy().reshape(3, 2)  # by condition, then model
    assert axes.images[0].get_array().filled().tolist() == changes.T.tolist()
    assert [label.get_text() for label in axes.get_xticklabels()] == ["vflip", "brightness-s1", "brightness-s3"]
    assert [text.get_text()[:6] for text in axes.texts[:1]] == ["-100.0"]


def test_the_bars_count_the_sensitive_classes(evaluation):
    axes = evaluation.plot.sensitive_classes()
    widths = [bar.get_width() for bar in axes.containers[0]]
    assert widths == [len(test.sensitive) for test in evaluation.class_tests]


@pytest.mark.parametrize("models", [1, 2])
def test_the_scale_of_colours_can_be_read_and_the_legend_covers_no_bar(folder, models):
    names = ["python:nets.py:slope", "python:nets.py:colour"][:models]
    found = evaluate(names, "folder:photos", "vflip", workers=0, progress=False, chance_check="warn")
    figure = found.plot.heatmap().figure
    figure.canvas.draw()
    assert [axes.get_window_extent().height / figure.dpi >= 1 for axes in figure.axes] == [True, True]
    axes = found.plot.sensitive_classes()
    axes.figure.canvas.draw()
    legend = axes.get_legend().get_window_extent()
    drawn = [bar.get_window_extent() for bars in axes.containers for bar in bars]
    drawn += [text.get_window_extent() for text in axes.texts]
    assert not [extent for extent in drawn if legend.overlaps(extent) and extent.width]
    assert axes.figure.bbox.contains(legend.x0, legend.y0)
    assert axes.figure.bbox.contains(legend.x1, legend.y1)
    assert ("McNemar" in axes.get_title()) is (models == 1)


def test_a_curve_goes_over_the_severities_of_a_transform(evaluation):
    (line,) = evaluation.plot.curves().get_lines()[:1]
    frame = evaluation.to_frame("models")
    bright = frame[frame["transform"] == "brightness"].groupby("severity")[["accuracy", "control_accuracy"]].mean()
    assert line.get_xdata().tolist() == [1, 3]
    assert line.get_ydata().tolist() == pytest.approx((bright.accuracy - bright.control_accuracy).tolist())


def test_a_chart_goes_on_axes_that_are_given(evaluation):
    figure, axes = pyplot.subplots()
    assert evaluation.plot.sensitive_classes(axes) is axes
    assert pyplot.get_fignums() == [figure.number]


def test_curves_need_several_severities(folder):
    found = evaluate("python:nets.py:colour", "folder:photos", "vflip", progress=False, workers=0)
    with pytest.raises(OptionError, match="at more than one severity"):
        found.plot.curves()


def test_without_matplotlib_the_error_names_the_extra(evaluation, monkeypatch):
    original = builtins.__import__

    def without(name, *rest, **more):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OptionError, match="pip install matplotlib"):
        evaluation.plot.heatmap()
