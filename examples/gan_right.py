"""A small GAN that learns points on a ring.

Nothing is wrong here, though much of it looks like a bug to a tool that counts calls: three backwards and
two steps an iteration, gradients that the generator's loss leaves in the critic, and samples drawn in train
mode, as is the custom for GANs.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn


class Generator(nn.Module):
    def __init__(self, noise=8):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(noise, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
        )

    def forward(self, noise):
        return self.body(noise)


class Critic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(64, 1))

    def forward(self, points):
        return self.body(points).squeeze(1)


def points_on_a_ring(count):
    angle = 2 * math.pi * torch.rand(count)
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.05 * torch.randn(count, 2)


def main(steps=600, batch=128):
    torch.manual_seed(0)
    generator, critic = Generator(), Critic()
    optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    optimizer_d = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.5, 0.999))
    fixed_noise = torch.randn(500, 8)
    for step in range(1, steps + 1):
        real = points_on_a_ring(batch)
        fake = generator(torch.randn(batch, 8))

        optimizer_d.zero_grad()
        F.softplus(-critic(real)).mean().backward()
        F.softplus(critic(fake.detach())).mean().backward()
        optimizer_d.step()

        optimizer_g.zero_grad()
        F.softplus(-critic(fake)).mean().backward()
        optimizer_g.step()

        if step % 150 == 0:
            with torch.no_grad():
                radius = generator(fixed_noise).norm(dim=1)
            print(f"step {step}: radius {radius.mean():.2f} ± {radius.std():.2f}")


if __name__ == "__main__":
    main()
