"""The classifier of `digits_right.py`, evaluated in train mode.

What is wrong: evaluate() never calls eval(). It measures the network with half of its features dropped at
random and normalised by batches of sixteen, so three evaluations of one model give three accuracies, all of
them lower than the model's own; and each evaluation moves the running statistics of the batch norm.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


class DigitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.classify = nn.Sequential(nn.Dropout(0.5), nn.Linear(16 * 4 * 4, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, images):
        return self.classify(self.features(images))


def load_data():
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    data = TensorDataset(images, torch.tensor(digits.target))
    train, test = random_split(data, [1400, len(data) - 1400], generator=torch.Generator().manual_seed(0))
    return DataLoader(train, batch_size=64, shuffle=True), DataLoader(test, batch_size=16)


def train_one_epoch(model, loader, optimizer, criterion):
    model.train()
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(loader.dataset)


@torch.no_grad()
def evaluate(model, loader):
    correct = 0
    for images, labels in loader:
        correct += (model(images).argmax(dim=1) == labels).sum().item()
    return correct / len(loader.dataset)


def main():
    torch.manual_seed(0)
    train_loader, test_loader = load_data()
    model = DigitNet()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(10):
        loss = train_one_epoch(model, train_loader, optimizer, criterion)
        print(f"epoch {epoch + 1}: loss {loss:.3f}")
    for _ in range(3):
        print(f"test accuracy {evaluate(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
