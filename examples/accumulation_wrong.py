"""A regression trained with gradients accumulated over four micro-batches.

What is wrong: the gradients are never cleared. Every step is taken on the sum of all the gradients since
the beginning, instead of those of the last four micro-batches; the loss falls, then swings.
"""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATE = 4


def make_loader():
    x = torch.rand(512, 3) * 2 - 1
    y = (x[:, :1] * 3).sin() + x[:, 1:2] * x[:, 2:] + 0.05 * torch.randn(512, 1)
    return DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)


def main():
    torch.manual_seed(0)
    loader = make_loader()
    model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(20):
        total = 0.0
        for i, (x, y) in enumerate(loader):
            loss = F.mse_loss(model(x), y)
            (loss / ACCUMULATE).backward()
            total += loss.item()
            if (i + 1) % ACCUMULATE == 0:
                optimizer.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1}: loss {total / len(loader):.4f}")


if __name__ == "__main__":
    main()
