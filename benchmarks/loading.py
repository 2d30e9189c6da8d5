"""Loading torchvision's models from their files, against what one would write: make the model, fill it.

Run ``python benchmarks/loading.py``. Weights are random, and written to a temporary folder first: 1.2 GB. Ours also
computes the fingerprint of what it loaded. The last line is the ratio, as a median over ``--pairs``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from paired import compare
from safetensors.torch import load_file, save_file
from torchvision.models import get_model, get_model_weights

from pytest_robustness.models import ModelZoo


def main() -> None:
    """Print each pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["vgg16", "vgg19_bn", "resnet50", "mobilenet_v2"])
    parser.add_argument("--pairs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = {name: _write(name, Path(folder)) for name in options.models}

        def plain() -> None:
            for name, file in files.items():
                get_model(name, weights=None).load_state_dict(load_file(file))

        def ours() -> None:
            zoo = ModelZoo(weights_dir=Path(folder))
            for name in files:
                zoo.load(name)

        plain(), ours()  # the first ones read the files into memory
        ratio = compare(options.pairs, ("make and fill", plain), ("ours", ours))
    print(f"ratio: {ratio:.2f}")


def _write(name: str, folder: Path) -> Path:
    published = get_model_weights(name)["IMAGENET1K_V1"].url.rpartition("/")[2]
    file = (folder / published).with_suffix(".safetensors")
    save_file(get_model(name, weights=None).state_dict(), file)
    return file


if __name__ == "__main__":
    main()
