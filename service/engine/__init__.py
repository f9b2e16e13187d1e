"""Decoding, windows, inference and caching: the only place that runs ONNX Runtime."""
