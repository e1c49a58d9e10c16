"""The R² network from CLIP tokens to scores, boundaries and saliency, in the order in which it runs.

Letters: W windows, B queries, T frames, K CLIP layers (index 0 shallowest), P tokens of a picture (0 is the class
token), C their channels, L words, D channels inside, N points over all pyramid levels.

Rows of a batch do not see each other: everything that depends on a length uses the row's own. Published training code
lets padding take part instead; `published_padding` reproduces that.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from r2model.config import R2Config
from r2model.heads import ConvHead, Pyramid, QueryPooling, make_points, spread_over_frames
from r2model.outputs import HeadOutput, R2Output
from r2model.r2_block import R2Block, position_encoding, temporal_endpoints


class R2Tuning(nn.Module):
    """R²-Tuning on frozen CLIP tokens. Initialised as published; weights come from `r2model.checkpoint`."""

    def __init__(self, config: R2Config) -> None:
        super().__init__()
        self.config = config
        self.adapter = R2Block(config)
        self.pyramid = Pyramid(config.hidden, config.strides)
        self.pooling = QueryPooling(config.hidden)
        self.class_head = ConvHead(config.hidden, 1)
        self.coord_head = ConvHead(config.hidden, 2) if config.regress else None
        self.coef = nn.Parameter(torch.ones(len(config.strides)))

    def forward(
        self,
        video: Tensor,
        query: Tensor,
        video_mask: Tensor,
        query_mask: Tensor,
        *,
        window_of_query: Tensor | None = None,
        published_padding: bool = False,
    ) -> R2Output:
        """Ground each query in its window.

        Args:
            video: `[W,T,N,P,C]` CLIP tokens; of N layers the last K are read.
            query: `[B,L,N,C]` CLIP words.
            video_mask: `[W,T]` bool, True on the frames a window has (a prefix of each row, at least one).
            query_mask: `[B,L]` bool, True on the words a query has (a prefix of each row, at least one).
            window_of_query: `[B]` int64, the window each query looks at; None: W equals B and query b looks at b.
            published_padding: let padded words take part in the pooling and padded frames count in the length.
        """
        frames = video.shape[1]
        if frames > self.config.max_frames:
            raise ValueError(f"a window of {frames} frames is longer than this model's {self.config.max_frames}")
        lengths = torch.full_like(video_mask.sum(1), frames) if published_padding else video_mask.sum(1)  # [W]
        v = self.embed_video(video, lengths)
        q = self.embed_query(query)
        pooled = self.pool(v, q, None if published_padding else query_mask, window_of_query)
        v_class = v[:, :, :, 0]  # [W, T, K, D]
        if window_of_query is not None:
            v_class, video_mask = v_class[window_of_query], video_mask[window_of_query]
        heads = self.temporal(pooled, q, video_mask, query_mask, published_padding=published_padding)
        return R2Output(
            **vars(heads),
            layer_video=v_class.permute(2, 0, 1, 3),
            layer_query=self.pooling(q, query_mask).transpose(0, 1),
        )

    def embed_video(self, video: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Query-independent stage: `video [...,N,P,C]` -> `[...,K,P,D]`, N >= K.

        Weights with TEF need whole windows, `[W,T,N,P,C]` with their `lengths [W]`; others take any leading axes.
        """
        video = video[..., -self.config.layers :, :, :]
        if self.config.use_tef:
            if lengths is None:
                raise ValueError("weights with TEF embed whole windows: give their lengths")
            tef = temporal_endpoints(lengths, video.shape[1], video.dtype)  # [W, T, 2]
            video = torch.cat([video, tef[:, :, None, None].expand(*video.shape[:-1], 2)], -1)
        v: Tensor = self.adapter.video_map(video)
        return v

    def embed_query(self, query: Tensor) -> Tensor:
        """`query [...,L,N,C]` -> `[...,L,K,D]`, N >= K."""
        q: Tensor = self.adapter.query_map(query[..., -self.config.layers :, :])
        return q

    def pool(
        self, v: Tensor, q: Tensor, query_mask: Tensor | None = None, window_of_query: Tensor | None = None
    ) -> Tensor:
        """Frame by frame, what the query sees: `v [W,T,K,P,D]`, `q [B,L,K,D]` -> `[B,T,K,D]`; see `R2Block.pool`."""
        return self.adapter.pool(v, q, query_mask, window_of_query)

    def temporal(
        self, pooled: Tensor, q: Tensor, video_mask: Tensor, query_mask: Tensor, *, published_padding: bool = False
    ) -> HeadOutput:
        """What needs the whole window: `pooled [B,T,K,D]`, `q [B,L,K,D]`; masks of each query `[B,T]`, `[B,L]`."""
        frames, d = pooled.shape[1], pooled.shape[-1]
        own = video_mask.sum(1)  # [B]
        lengths = torch.full_like(own, frames) if published_padding else own
        position = position_encoding(lengths, frames, d, pooled.dtype)
        x = self.adapter.refine(pooled, q, position, video_mask, query_mask)
        if not published_padding:
            x = x * video_mask[:, :, None]
        return self._read_out(x, self.pooling(q[:, :, 0], query_mask), own, lengths)

    def _read_out(self, x: Tensor, query_embedding: Tensor, own: Tensor, lengths: Tensor) -> HeadOutput:
        """Pyramid and heads on `x [B,T,D]`. `own [B]` frames are real, `lengths [B]` frames count."""
        levels = self.pyramid(x)
        strides = self.config.strides
        sees, real = [], []  # [B, T // stride] bool per level: what the convolutions see, which points exist
        for level, stride in zip(levels, strides, strict=False):
            start = torch.arange(level.shape[1], device=x.device) * stride
            sees.append(start + stride <= lengths[:, None])
            # Where lengths are the batch's, a point exists if it touches a real frame; else if it covers real ones.
            real.append((start < own[:, None]) & sees[-1])
        logits = [self.class_head(level, mask)[..., 0] for level, mask in zip(levels, sees, strict=True)]
        embedding = levels[0]
        saliency = spread_over_frames([level.sigmoid() for level in logits], strides, lengths, x.shape[1])
        if self.config.merge_saliency:
            saliency = saliency * F.cosine_similarity(embedding, query_embedding[:, None], dim=-1)
        return HeadOutput(
            class_logits=torch.cat(logits, 1),
            offsets=self._offsets(levels, sees),
            saliency=saliency.masked_fill(torch.arange(x.shape[1], device=x.device) >= own[:, None], 0),
            points=make_points([level.shape[1] for level in levels], strides, x),
            point_mask=torch.cat(real, 1),
            video_embedding=embedding,
            query_embedding=query_embedding,
        )

    def _offsets(self, levels: list[Tensor], sees: list[Tensor]) -> Tensor | None:
        if self.coord_head is None:
            return None
        raw = zip(levels, sees, self.coef, strict=False)
        return torch.cat([self.coord_head(level, mask).exp() * coef for level, mask, coef in raw], 1)
