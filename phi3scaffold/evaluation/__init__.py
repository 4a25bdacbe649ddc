"""What ships is what was trained: every form answers the held-out rows, rung by rung, and a gate.

questions -> measure (a form, in a process of its own) -> ladder (its numbers) -> gate.
"""
