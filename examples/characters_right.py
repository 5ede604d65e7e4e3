"""A character model (an LSTM) on the Zen of Python, which writes a line of text every few hundred steps.

Nothing is wrong here: the recurrent state is detached between windows, and generate() runs in eval mode,
without gradients, and puts back the mode it found.
"""

import codecs
import contextlib
import io

import torch
import torch.nn.functional as F
from torch import nn

with contextlib.redirect_stdout(io.StringIO()):
    import this

TEXT = codecs.decode(this.s, "rot13")
ALPHABET = sorted(set(TEXT))


class CharacterModel(nn.Module):
    def __init__(self, size=64):
        super().__init__()
        self.embed = nn.Embedding(len(ALPHABET), size)
        self.rnn = nn.LSTM(size, size, batch_first=True)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(size, len(ALPHABET))

    def forward(self, tokens, state=None):
        features, state = self.rnn(self.drop(self.embed(tokens)), state)
        return self.out(self.drop(features)), state


def encode(text):
    return torch.tensor([[ALPHABET.index(character) for character in text]])


@torch.no_grad()
def generate(model, start, length=60):
    was_training = model.training
    model.eval()
    text, state = start, None
    tokens = encode(start)
    for _ in range(length):
        logits, state = model(tokens, state)
        tokens = torch.multinomial(logits[:, -1].div(0.7).softmax(dim=1), 1)
        text += ALPHABET[tokens.item()]
    model.train(was_training)
    return text


def windows(streams=8, length=25):
    """The text cut into parallel streams, and these into inputs and the characters that follow them."""
    tokens = encode(TEXT).squeeze(0)
    rows = tokens[: len(tokens) // streams * streams].view(streams, -1)
    for start in range(0, rows.size(1) - 1 - length, length):
        yield rows[:, start : start + length], rows[:, start + 1 : start + length + 1]


def main():
    torch.manual_seed(0)
    model = CharacterModel()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(60):
        state = None
        for inputs, targets in windows():
            logits, state = model(inputs, state)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            state = tuple(part.detach() for part in state)
        if epoch % 20 == 19:
            print(f"epoch {epoch + 1}: loss {loss.item():.2f}: {generate(model, 'Beautiful')!r}")


if __name__ == "__main__":
    main()
