"""The user's rows, from files to conversations: what the generator guesses and the runtime trains.

No tokenizer and nothing heavy: the light installation reads every usual file.
"""
