"""Export of checkpoints to verified bundles: torch to ONNX, quantization, comparison with torch."""

import os

# onnxruntime reads this variable when it is imported; without the variable it reports to Microsoft
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
