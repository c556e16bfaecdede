"""ONNX graphs as workload specs: read with bounds, shapes by our own rules, samples told from batches, patterns named."""
