"""The second interpreter of the protocol: live torch objects are stepped through its tables while a program runs.

The only part that imports torch (the extra `[runtime]`), with `torchmode_lint.experiments`.
"""
