"""The networks that learn to draw: a small CLIP text encoder and a small UVit2DModel, in their own classes."""

import torch
from diffusers import UVit2DModel
from diffusers.models.attention_processor import AttnProcessor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from codes import COUNT, GRID
from scenes import SIDE

MASK = COUNT
TEXT_WIDTH = 128
WIDTH = 128
HEADS = 4
RES_BLOCKS = 2
LAYERS = 4


def text_encoder(tokenizer):
    """Three causal layers; the second one's output is what the transformer attends to."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.model_max_length,
            hidden_act="quick_gelu",
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def transformer():
    """A 16 x 16 grid of codes, halved to 8 x 8 positions for the layers in the middle."""
    return UVit2DModel(
        hidden_size=WIDTH,
        use_bias=False,
        cond_embed_dim=TEXT_WIDTH,
        micro_cond_encode_dim=16,
        micro_cond_embed_dim=80,
        encoder_hidden_size=TEXT_WIDTH,
        vocab_size=COUNT + 1,
        codebook_size=COUNT,
        in_channels=128,
        block_out_channels=WIDTH,
        # No positional embeddings: a place is known only by its distance to the zero padding of the depthwise
        # convolutions, which travels one position a block. 8 x 8 positions need two blocks on each side of the
        # layers; with one, the 4 x 4 positions in the middle could not be told apart and nothing could be placed.
        num_res_blocks=RES_BLOCKS,
        downsample=True,
        upsample=True,
        block_num_heads=HEADS,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * WIDTH,
        sample_size=GRID,
    )


class Painter(torch.nn.Module):
    """Text encoder and transformer together: logits of every position, as AmusedPipeline computes them."""

    def __init__(self, encoder, painter):
        super().__init__()
        self.encoder = encoder
        self.painter = painter
        # At 64 positions, attention spelt out is several times faster in training than the fused kernel on a CPU.
        self.encoder.set_attn_implementation("eager")
        self.painter.set_attn_processor(AttnProcessor())
        self.register_buffer("micro", torch.tensor([[SIDE, SIDE, 0.0, 0.0, 6.0]]), persistent=False)

    def logits_where(self, grid, texts, masked):
        """Logits [m, codes] of the m masked codes only: the last layer skips the others."""
        head = self.painter.mlm_layer
        kept = {}
        hook = head.layer_norm.register_forward_hook(lambda _, __, output: kept.update(rows=output[masked]))
        skip = head.conv2.register_forward_pre_hook(lambda _, inputs: (inputs[0][:1, :, :1, :1],))
        try:
            self(grid, texts)
        finally:
            hook.remove()
            skip.remove()
        return torch.nn.functional.linear(kept["rows"], head.conv2.weight.flatten(1))

    def forward(self, grid, texts):
        """Logits [n, codes, 16, 16] of a partly masked grid [n, 16, 16] and token ids [n, 32]."""
        text = self.encoder(texts, output_hidden_states=True)
        return self.painter(
            grid,
            encoder_hidden_states=text.hidden_states[-2],
            pooled_text_emb=text.text_embeds,
            micro_conds=self.micro.expand(len(grid), -1),
        )
