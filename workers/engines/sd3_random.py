"""SD3 pipelines of the real classes with random weights, made here: tiny for tests and tables, true-size for timing.

They paint nothing that anyone would want to see. What they cost, and what happens to their numbers, is real.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, cast

import torch
import transformers
from tokenizers import Tokenizer, models

from workers.engines.sd3_load import make

POISON_WORD: Final = "q"
"""A word that `poison` can make the CLIP encoders of a pipeline choke on."""
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz0123456789!,.'\""
_TOKENS: Final = 256

_TINY: Final[dict[str, dict[str, Any]]] = {
    "transformer": {
        "sample_size": 32,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 4,
        "caption_projection_dim": 32,
        "joint_attention_dim": 64,
        "pooled_projection_dim": 64,
        "pos_embed_max_size": 96,
    },
    "vae": {"block_out_channels": (8, 8, 16, 16), "norm_num_groups": 4, "sample_size": 64},
    "clip_l": {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    },
    "clip_g": {
        "hidden_size": 32,
        "intermediate_size": 37,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 32,
    },
    "t5": {"d_model": 64, "d_kv": 8, "d_ff": 37, "num_layers": 2, "num_heads": 4},
}
_LARGE: Final[dict[str, dict[str, Any]]] = {
    "transformer": {
        "sample_size": 128,
        "num_layers": 38,
        "attention_head_dim": 64,
        "num_attention_heads": 38,
        "caption_projection_dim": 2432,
        "joint_attention_dim": 4096,
        "pooled_projection_dim": 2048,
        "pos_embed_max_size": 192,
        "qk_norm": "rms_norm",
    },
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 1024},
    "clip_l": {
        "vocab_size": 49408,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "projection_dim": 768,
        "hidden_act": "quick_gelu",
    },
    "clip_g": {
        "vocab_size": 49408,
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_hidden_layers": 32,
        "num_attention_heads": 20,
        "projection_dim": 1280,
        "hidden_act": "gelu",
    },
    "t5": {
        "vocab_size": 32128,
        "d_model": 4096,
        "d_kv": 64,
        "d_ff": 10240,
        "num_layers": 24,
        "num_heads": 64,
        "feed_forward_proj": "gated-gelu",
    },
}
"""SD3.5 Large as its repository describes it: transformer, VAE, CLIP ViT-L/14, OpenCLIP bigG/14, T5 v1.1 XXL."""
SIZES: Final = {"tiny": _TINY, "large": _LARGE}


def pipeline(size: str, folder: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Any:
    """A StableDiffusion3Pipeline of one of SIZES, its weights made on `device`; tokenizers are written to `folder`.

    The tokenizers know single letters, whatever the size of the encoders: they need no download. The same weights
    every time on one device.
    """
    parts = SIZES[size]
    words, pieces = _clip_tokenizer(folder / "words"), _t5_tokenizer(folder / "pieces")
    former = torch.get_default_dtype()
    cast(Any, torch).manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            made: dict[str, Any] = {
                "transformer": make.SD3Transformer2DModel(
                    **{"patch_size": 2, "in_channels": 16, "out_channels": 16, **parts["transformer"]}
                ),
                "vae": _vae(parts["vae"]),
                "text_encoder": _clip(words, parts["clip_l"]),
                "text_encoder_2": _clip(words, parts["clip_g"]),
                "text_encoder_3": transformers.T5EncoderModel(
                    cast(Any, transformers).T5Config(**{"vocab_size": len(pieces), **parts["t5"]})
                ),
            }
    finally:
        torch.set_default_dtype(former)
    for part in made.values():
        part.to(device, dtype).eval()
    return make.StableDiffusion3Pipeline(
        **made,
        scheduler=make.FlowMatchEulerDiscreteScheduler(shift=3.0),
        tokenizer=words,
        tokenizer_2=words,
        tokenizer_3=pieces,
    )


def poison(pipe: Any) -> None:
    """Make POISON_WORD an embedding that is not a number: a prompt with it ends in NaN latents."""
    bad = pipe.tokenizer.convert_tokens_to_ids(f"{POISON_WORD}</w>")
    with torch.no_grad():
        for clip in (pipe.text_encoder, pipe.text_encoder_2):
            clip.text_model.embeddings.token_embedding.weight[bad] = float("nan")


def _vae(given: dict[str, Any]) -> Any:
    return make.AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=16,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        **given,
    )


def _clip(words: Any, given: dict[str, Any]) -> Any:
    config = cast(Any, transformers).CLIPTextConfig(
        **{"vocab_size": len(words), **given},
        max_position_embeddings=77,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return transformers.CLIPTextModelWithProjection(config)


def _clip_tokenizer(folder: Path) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    names = [*_LETTERS, *(f"{c}</w>" for c in _LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({n: i for i, n in enumerate(names)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return cast(Any, transformers).CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


def _t5_tokenizer(folder: Path) -> Any:
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((c, -float(i)) for i, c in enumerate("▁" + _LETTERS))]
    made = Tokenizer(models.Unigram(scored, unk_id=2))
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    return cast(Any, transformers).T5TokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), extra_ids=0, model_max_length=_TOKENS
    )
