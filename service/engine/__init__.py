"""The engine: decodes clips, embeds windows and queries, caches embeddings. No other package runs ONNX Runtime."""
