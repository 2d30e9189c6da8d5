"""The embedded zoo: twelve small classifiers of handwritten digits, named after the article's twelve.

The whole pipeline runs on it without a network, as a demonstration and a self-test; it does not replace ImageNet.

Provenance of ``weights.safetensors``: written by ``python -m pytest_robustness.models.digits.train`` with its defaults
(seed 0, 80 epochs), torch 2.14.1, torchvision 0.29.1, scikit-learn 1.9.1; the file's metadata says the same.

The data are the 1,797 digits of 8 x 8 pixels that scikit-learn ships (``sklearn.datasets.load_digits``). Trained on
the 899 at even indices, judged on the 898 at odd indices. The digits are ordered by writer, so neighbours, one in each
half, may share a writer; and width, epochs and learning rate were chosen by the accuracy on the judged half. On other
writers' digits the accuracies would therefore be a little lower than below. No augmentation was used in training.

============= ==========
model         accuracy %
============= ==========
alexnet       98.22
squeezenet1_0 97.10
squeezenet1_1 94.88
vgg16         97.44
vgg16_bn      98.33
vgg19         97.22
vgg19_bn      98.00
mobilenet_v2  97.77
resnet18      98.00
resnet34      98.22
resnet50      97.44
resnet101     97.88
============= ==========
"""

from __future__ import annotations

from pathlib import Path

from pytest_robustness.core import Preprocess
from pytest_robustness.models.presets import ARTICLE_MODELS

NAMES = ARTICLE_MODELS
CLASSES = tuple("0123456789")
WEIGHTS = Path(__file__).with_name("weights.safetensors")

PREPROCESS = Preprocess(resize=16, mean=(0.306,) * 3, std=(0.319,) * 3)
"""Twice the digits' size, so that a rotation or a perspective has pixels to work with; mean and standard deviation of
the training half."""
