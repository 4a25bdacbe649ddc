"""HTTP requests in OpenAI's format come in; the answers of a project's models go out.

Two processes: the server (`server`, `endpoints`), and the engine with the models
(`engine_process`), which holds Python's lock while it reads and answers. `engine_client` is the
server's side of the engine: the queue, and its restart. It needs the extra [serve] and one ONNX
Runtime; the ONNX forms need neither torch nor transformers.
"""
