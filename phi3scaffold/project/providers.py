"""ONNX Runtime's execution providers, as Olive's configuration names them."""

CPU, CUDA, DIRECTML = "CPUExecutionProvider", "CUDAExecutionProvider", "DmlExecutionProvider"
