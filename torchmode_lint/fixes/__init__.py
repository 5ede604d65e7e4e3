"""Fixes: edits of the source text, in the author's own style, built from the nodes that events came from.

`syntax` reads what stands around a node, `draft` collects edits, and the other files know what is to be done about
each kind of broken move. They say whether a fix is safe; who applies it, and whether its result is any better, is
decided in `repair`.
"""
