"""Files of rows and dataset.yaml come in; conversations, token ids, splits and a report go out."""
