"""A Trainer class with early stopping, an averaged copy of the model and gradients accumulated by micro-batch.

Nothing is wrong here: the mode is set by a method, the averaged copy has a mode of its own, the gradients
are cleared after the step that used them, and one function serves training and validation.
"""

import copy

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def make_model():
    return nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))


def load_data():
    digits = load_digits()
    data = TensorDataset(torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target))
    train, val = random_split(data, [1400, len(data) - 1400], generator=torch.Generator().manual_seed(0))
    return DataLoader(train, batch_size=32, shuffle=True, drop_last=True), DataLoader(val, batch_size=128)


class Trainer:
    def __init__(self, model, accumulate=2, patience=3):
        self.model = model
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=3e-3)
        self.accumulate = accumulate
        self.patience = patience

    def fit(self, train_loader, val_loader, epochs):
        best, waited = float("inf"), 0
        for epoch in range(1, epochs + 1):
            self.set_mode(training=True)
            train_loss = self.run_epoch(train_loader, training=True)
            self.set_mode(training=False)
            val_loss = self.run_epoch(val_loader, training=False)
            print(f"epoch {epoch}: train {train_loss:.3f}, val {val_loss:.3f}, averaged {self.score(val_loader):.3f}")
            if val_loss < best:
                best, waited = val_loss, 0
            elif (waited := waited + 1) == self.patience:
                break

    def set_mode(self, training):
        self.model.train(training)

    def run_epoch(self, loader, training):
        total = 0.0
        for i, (x, y) in enumerate(loader, start=1):
            with torch.set_grad_enabled(training):
                loss = F.cross_entropy(self.model(x), y)
            if training:
                (loss / self.accumulate).backward()
                if i % self.accumulate == 0:
                    self.optimizer.step()
                    self.optimizer.zero_grad()
                    self.update_average()
            total += loss.item()
        return total / len(loader)

    @torch.no_grad()
    def update_average(self, decay=0.95):
        for mean, value in zip(self.average.state_dict().values(), self.model.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - decay)

    @torch.no_grad()
    def score(self, loader):
        self.average.eval()
        hits = sum((self.average(x).argmax(dim=1) == y).sum().item() for x, y in loader)
        return hits / len(loader.dataset)


def main():
    torch.manual_seed(0)
    train_loader, val_loader = load_data()
    Trainer(make_model()).fit(train_loader, val_loader, epochs=12)


if __name__ == "__main__":
    main()
