"""The R² block: pools the patches of each CLIP layer for a query and refines the result over time, deepest layer first.

Letters: W windows, B queries, T frames, K CLIP layers (index 0 shallowest), P tokens of a picture (0 is the class
token), C their channels, L words, D channels inside. Formulas: R²-Tuning, arXiv 2404.00801, section 3.
Attributes carry the names of the published checkpoints.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2model.config import R2Config


class R2Block(nn.Module):
    """Turns tokens and words into one vector per frame, in three stages that can be computed at different times."""

    def __init__(self, config: R2Config) -> None:
        super().__init__()
        d, k = config.hidden, config.layers
        self.video_map = token_map(config.video_width + 2 * config.use_tef, d, config.map_dropout)
        self.query_map = token_map(config.query_width, d, config.map_dropout)
        self.q_map = nn.Linear(d, d)
        self.v_map = nn.Linear(d, d)
        self.scale = nn.Parameter(torch.zeros(k))
        if k > 1:
            self.gate = nn.Parameter(torch.zeros(k - 1))
        self.tem = TemporalLayer(d, config.heads, config.drop_path)

    def pool(self, v: Tensor, q: Tensor, query_mask: Tensor | None, window_of_query: Tensor | None) -> Tensor:
        """Pool each frame's tokens for each query: `v [W,T,K,P,D]`, `q [B,L,K,D]` -> `[B,T,K,D]`.

        Words outside `query_mask [B,L]` take no part (None: all do). Query b looks at window `window_of_query[b]`
        (None: at window b); queries of one window share its tokens without copying them.
        """
        windows, d = v.shape[0], v.shape[-1]
        if window_of_query is None:
            window_of_query = torch.arange(windows, device=v.device)
        slot, slots = _rank_within_window(window_of_query, windows)
        # v_map is folded into the query side: its bias is constant over P and cancels in the softmax. It stays in the
        # graph (times 0) so that an optimiser sees its true gradient, zero, and decays it as published.
        key = F.linear(self.q_map(q), self.v_map.weight.T) * d**-0.5 + 0.0 * self.v_map.bias.sum()
        residual = q if query_mask is None else q.masked_fill(~query_mask[:, :, None, None], -math.inf)
        key, residual = (_by_window(x, window_of_query, slot, windows, slots) for x in (key, residual))
        attention = (key @ v.transpose(-1, -2)).softmax(-1)  # [W, T, K, slots * L, P]
        words = attention @ v + residual  # [W, T, K, slots * L, D]
        strongest = words.reshape(*words.shape[:3], slots, -1, d).max(4).values  # [W, T, K, slots, D]
        strongest = strongest.permute(0, 3, 1, 2, 4)[window_of_query, slot]  # [B, T, K, D]
        pooled: Tensor = v[window_of_query, :, :, 0] + self.scale.tanh()[:, None] * strongest
        return pooled

    def refine(self, pooled: Tensor, q: Tensor, position: Tensor, video_mask: Tensor, query_mask: Tensor) -> Tensor:
        """Fuse the layers, deepest first: `pooled [B,T,K,D]`, `q [B,L,K,D]`, `position [B or 1,T,D]` -> `[B,T,D]`."""
        frames, words = video_mask[:, None, None, :], query_mask[:, None, None, :]
        last = pooled[:, :, -1]
        for i in reversed(range(pooled.shape[2])):
            x = pooled[:, :, i]
            if i < pooled.shape[2] - 1:
                gate = self.gate[i].sigmoid()
                x = gate * x + (1 - gate) * last
            last = self.tem(x, q[:, :, i], position, frames, words)
        return last


class TemporalLayer(nn.Module):
    """Transformer decoder layer, normalised after each branch: words, then the other frames, then a two-layer map."""

    def __init__(self, d: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.cross_att, self.cross_att_norm = Attention(d, heads), nn.LayerNorm(d)
        self.self_att, self.self_att_norm = Attention(d, heads), nn.LayerNorm(d)
        self.ffn, self.ffn_norm = FeedForward(d), nn.LayerNorm(d)
        self.drop = DropPath(drop_path)

    def forward(self, x: Tensor, words: Tensor, position: Tensor, frame_mask: Tensor, word_mask: Tensor) -> Tensor:
        x = self.cross_att_norm(x + self.drop(self.cross_att(x + position, words, words, word_mask)))
        placed = x + position
        x = self.self_att_norm(x + self.drop(self.self_att(placed, placed, x, frame_mask)))
        out: Tensor = self.ffn_norm(x + self.drop(self.ffn(x)))
        return out


class Attention(nn.Module):
    """Multi-head attention with separate projections q, k, v and an output projection m."""

    def __init__(self, d: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v, self.m = (nn.Linear(d, d) for _ in range(4))
        for projection in (self.q, self.k, self.v, self.m):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        """`query [B,T,D]`, `key` and `value [B,S,D]`, `mask` broadcastable to `[B,heads,T,S]`, True where to look."""
        q, k, v = (
            linear(x).reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for linear, x in ((self.q, query), (self.k, key), (self.v, value))
        )
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        merged: Tensor = self.m(out.transpose(1, 2).flatten(2))
        return merged


class FeedForward(nn.Module):
    """Linear to 4 D, ReLU, Linear back."""

    def __init__(self, d: int) -> None:
        super().__init__()
        up, down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)
        self.mapping = nn.Sequential(up, nn.ReLU(), down)
        for linear in (up, down):
            nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mapping(x)
        return out


class DropPath(nn.Module):
    """While training, zeroes a branch for whole samples with probability `p` and scales the others up."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = torch.rand(x.shape[0], 1, 1, dtype=x.dtype, device=x.device) >= self.p
        return x * keep / (1 - self.p)


def token_map(width: int, d: int, dropout: float) -> nn.Sequential:
    """Two normalised linear maps from a CLIP token to D channels."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, d), nn.ReLU(),
        nn.LayerNorm(d), nn.Dropout(dropout), nn.Linear(d, d),
    )  # fmt: skip


def position_encoding(lengths: Tensor, frames: int, d: int, dtype: torch.dtype) -> Tensor:
    """Sines and cosines of a frame's place in its own window: `lengths [B]` -> `[B,T,D]`, `[1,T,D]` if all agree.

    The wave lengths are relative to the window: position 1..T becomes an angle in (0, 2 pi].
    """
    lengths, which = torch.unique(lengths, return_inverse=True)
    exact = torch.float64 if dtype == torch.float64 else torch.float32
    place = torch.arange(1, frames + 1, device=lengths.device, dtype=exact)
    channel = torch.arange(d, device=lengths.device, dtype=exact)
    angle = place / (lengths[:, None].to(exact) + 1e-6) * (2 * math.pi)  # [U, T]
    angle = angle[:, :, None] / 10000 ** (channel.div(2, rounding_mode="floor") * 2 / d)  # [U, T, D]
    encoding = torch.where(channel % 2 == 0, angle.sin(), angle.cos()).to(dtype)
    return encoding if len(lengths) == 1 else encoding[which]


def temporal_endpoints(lengths: Tensor, frames: int, dtype: torch.dtype) -> Tensor:
    """Where each frame starts and ends, as fractions of its own window (TEF): `lengths [W]` -> `[W,T,2]`."""
    step = 1.0 / lengths[:, None].to(torch.float64)
    start = torch.arange(frames, device=lengths.device) * step
    return torch.stack([start, start + step], -1).to(dtype)


def _rank_within_window(window_of_query: Tensor, windows: int) -> tuple[Tensor, int]:
    """Number the queries of each window: (`slot [B]`, how many slots the fullest window needs)."""
    in_order, order = window_of_query.sort(stable=True)
    first = torch.searchsorted(in_order, torch.arange(windows, device=in_order.device))
    slot = torch.empty_like(order)
    slot[order] = torch.arange(len(order), device=order.device) - first[in_order]
    return slot, int(slot.max()) + 1


def _by_window(x: Tensor, window_of_query: Tensor, slot: Tensor, windows: int, slots: int) -> Tensor:
    """Lay the queries of a window side by side: `[B,L,K,D]` -> `[W,1,K,slots*L,D]`, empty slots zero."""
    table = x.new_zeros(windows, slots, *x.shape[1:]).index_put((window_of_query, slot), x)
    return table.flatten(1, 2).transpose(1, 2)[:, None]
