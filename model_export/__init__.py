"""Checkpoint to verified bundle: torch to ONNX, parity, quantization."""

import os

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read when onnxruntime is imported, which then reports to Microsoft
