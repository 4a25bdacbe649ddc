"""An OpenAI-compatible server over the ONNX forms; what `phi3scaffold serve` runs.

Two processes: the server (`server`, `api`), and the engine with the model (`engine`), which holds
Python's lock while it reads and answers. `worker` is the server's side of the engine: the queue,
and its restart. Needs the extra [serve] and one ONNX Runtime; neither torch nor transformers.
"""
