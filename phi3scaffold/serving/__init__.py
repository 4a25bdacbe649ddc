"""HTTP requests in OpenAI's format come in; the answers of a project's models go out.

Two processes: the server (`server`, `endpoints`), and the engine with the models
(`engine_process`), which holds Python's lock while it answers. `engine_client` is between them.
"""
