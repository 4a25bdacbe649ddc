"""A form of the model and a request come in; tokens, texts and scores go out."""
