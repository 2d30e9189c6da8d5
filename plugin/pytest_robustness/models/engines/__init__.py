"""Inference engines that are models themselves: a file run by ONNX Runtime or OpenVINO, as a PyTorch module."""
