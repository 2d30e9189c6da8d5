"""Where the hub cannot be reached its client reads its cache alone, and only as long as that is asked for."""

from __future__ import annotations

import pytest

huggingface_hub = pytest.importorskip("huggingface_hub")
errors = pytest.importorskip("huggingface_hub.errors")

from pytest_robustness.models.hub import asked_once  # noqa: E402 (after what may be absent)


class RefusedError(errors.HfHubHTTPError):
    """What the hub answers where it has no such repository."""

    def __init__(self):
        OSError.__init__(self, "404")


@pytest.mark.parametrize(
    ("failure", "before", "offline"),
    [
        (None, False, False),
        (RefusedError, False, False),
        (ConnectionError, False, True),
        (TimeoutError, False, True),
        (None, True, True),
    ],
)
def test_the_hub_is_asked_once(monkeypatch, failure, before, offline):
    asked = []

    def model_info(self, name, *, timeout):
        asked.append((name, timeout <= 10))
        if failure is not None:
            raise failure

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", before)
    with asked_once("timm/net"):
        assert huggingface_hub.constants.HF_HUB_OFFLINE is offline
    assert huggingface_hub.constants.HF_HUB_OFFLINE is before
    assert asked == ([] if before else [("timm/net", True)])
