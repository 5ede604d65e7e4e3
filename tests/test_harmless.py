"""Files of models: what they say of grad modes and dropout is told from what may lead to a diagnostic."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from torchmode_lint.screen import screened

HEADER = "import torch\nimport torch.nn.functional as F\nfrom torch import nn\n\n"
NET = """\
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Dropout()

    def forward(self, x):
        return self.head(x)

"""
HARMLESS = {
    "weights initialised": NET + "    @torch.no_grad()\n    def init(self, layer):\n        layer.weight.fill_(0)\n",
    "generation": NET + "    @torch.inference_mode()\n    def generate(self, x):\n        return self(x)\n",
    "a base class without forward": "class Base(nn.Module):\n    @torch.no_grad()\n    def init(self, m):\n"
    "        for p in m.parameters():\n            p.zero_()\n\n\n" + NET.replace("nn.Module", "Base"),
    "tensors in a function": "@torch.no_grad()\ndef fill(x):\n    return torch.empty(3).copy_(x).fill_(0)\n",
    "a part in the mode of the whole": NET
    + "    def reset(self):\n        self.head = nn.Dropout()\n        self.head.train(self.training)\n",
    "dropout that asks": "class Net(nn.Module):\n    def forward(self, x):\n"
    "        return F.dropout(x, p=0.1, training=self.training)\n",
    "dropout that asks on several lines": "class Net(nn.Module):\n    def forward(self, x, attend):\n"
    "        return F.dropout(\n            attend(x, (1, 2)),\n            p=0.1,\n"
    "            training=self.training,\n        )\n",
    "a generic model": NET.replace("Net(", "Net[T](") + "    def targets(self, x):\n        return self(x).detach()\n"
    if sys.version_info >= (3, 12)
    else NET,
    "attention without dropout": "def attend(q, k, v):\n    return F.scaled_dot_product_attention(q, k, v)\n",
    "dropout of what was given": "def drop(layer, x):\n    return layer.dropout(x)\n",
    "in comments and strings": '"""model.eval() and then loss.backward()"""\n# optimizer.zero_grad()\nX = "no_grad"\n'
    + NET,
    "numbers that are loaded": "import json\nimport numpy as np\n\nx = json.load(open('a')), np.load('b')\n",
    "a tokenizer that is loaded": "from transformers import AutoTokenizer\n\nx = AutoTokenizer.from_pretrained('a')\n",
    "a method of the name": "class Words:\n    @classmethod\n    def from_pretrained(cls, path):\n"
    "        return super().from_pretrained(path)\n",
    "numbers of a tensor": "def lengths(mask):\n    return mask.sum(-1).detach().tolist()\n",
    "words that hold a code's letters": "class LSTML2(nn.Module):\n    pass\n",
    "a model that is only built": "def build():\n    return Net()\n\n\n"
    + NET
    + "    @torch.no_grad()\n    def init(self, layer):\n        layer.weight.fill_(0)\n",
}
DOUBTFUL = {
    "a module of its own": "def sample(x):\n    net = nn.Dropout()\n    with torch.no_grad():\n        return net(x)\n",
    "a module that is given": "@torch.no_grad()\ndef sample(net, x):\n    return net(x)\n",
    "a module that is held": "class Sampler:\n    @torch.no_grad()\n    def of(self, x):\n        return self.net(x)\n",
    "the model is used": NET
    + "    @torch.no_grad()\n    def sample(self, x):\n        return self(x)\n\n\n"
    + "def build():\n    return Net()\n\n\ndef main(x):\n    print(build().sample(x))\n",
    "at the top": NET
    + "    @torch.no_grad()\n    def sample(self, x):\n        return self(x)\n\n\nprint(Net().sample(1))\n",
    "nobody enters it": "def off():\n    torch.no_grad()\n",
    "nobody calls it": "@torch.no_grad\ndef off(x):\n    return x + 1\n",
    "a tensor that is not moved": "def move(x, device):\n    x.to(device)\n    return x\n",
    "a new tensor that is not moved": "def warm_up():\n    torch.ones((1, 1)).cuda()\n",
    "dropout that does not ask": "class Net(nn.Module):\n    def forward(self, x):\n        return F.dropout(x, 0.1)\n",
    "dropout of what asks": "class Net(nn.Module):\n    def forward(self, x):\n"
    "        return F.dropout(self.body(x, training=self.training))\n",
    "dropout after what asks": "class Net(nn.Module):\n    def forward(self, x):\n"
    "        return F.dropout(F.dropout(x, training=self.training), 0.1)\n",
    "dropout that is told": "def drop(x, training=True):\n    return F.dropout(x, 0.1, training)\n",
    "attention with dropout": "def attend(q, p):\n    return F.scaled_dot_product_attention(q, q, q, dropout_p=p)\n",
    "a layer made and called": "class Net(nn.Module):\n    def forward(self, x):\n        return nn.Dropout(0.5)(x)\n",
    "a layer made and named": "class Net(nn.Module):\n    def forward(self, x):\n"
    "        drop = nn.Dropout()\n        return drop(x)\n",
    "numbers of what was made": "def predict(build, x):\n    net = build()\n    return net(x).detach()\n",
    "numbers of what is made right there": "from nets import Net\n\n\ndef predict(x):\n"
    "    y = Net().forward(x)\n    return y.detach()\n",
    "weights that are loaded": "def load(net, path):\n    return net.use(torch.load(path))\n",
    "a model that is loaded": "from nets import Net\n\nnet = Net.from_pretrained('a')\n",
    "a mode that is chosen": NET + "    def reset(self):\n        self.train()\n",
    "a suppression": NET + "x = 1  # torchmode: ignore[missing-eval] nothing\n",
}


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_every_end_of_line_counts(end: str) -> None:
    text = (HEADER + NET + "\n" + DOUBTFUL["a tensor that is not moved"]).replace("\n", end)
    assert screened(text.encode(), Path("a.py")) is None


@pytest.mark.parametrize("text", HARMLESS.values(), ids=HARMLESS)
def test_left_out(text: str) -> None:
    assert screened((HEADER + text).encode(), Path("a.py")) is not None


@pytest.mark.parametrize("text", DOUBTFUL.values(), ids=DOUBTFUL)
def test_looked_into(text: str) -> None:
    assert screened((HEADER + text).encode(), Path("a.py")) is None
