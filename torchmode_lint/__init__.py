"""torchmode-lint: finds broken train/eval, grad mode, gradient and graph protocols in PyTorch programs.

The package's root imports nothing, so that `torchmode-lint --version` and flake8's start stay fast.
"""

__version__ = "0.1.0"
