"""What is done to ONNX graphs after ModelBuilder has made them."""
