"""A base model and an adapter come in; merged, quantized and ONNX models go out (by Olive)."""
