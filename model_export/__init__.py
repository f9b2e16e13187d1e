"""Export of checkpoints to verified bundles: torch to ONNX, quantization, comparison with torch."""

import os

os.environ.setdefault(
    "ORT_DISABLE_TELEMETRY", "1"
)  # read when onnxruntime is imported, which then reports to Microsoft
