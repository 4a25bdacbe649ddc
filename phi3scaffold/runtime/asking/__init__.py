"""Asking a form from the terminal: one prompt, a conversation, thousands of prompts.

The server builds on it: `engine` answers the same there and here.
"""
