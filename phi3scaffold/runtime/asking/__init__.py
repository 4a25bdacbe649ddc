"""Asking a form from the terminal: one prompt, a conversation, thousands of prompts.

What a request means is the server's: the same engine answers, in this process.
"""
