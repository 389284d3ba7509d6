"""A tiny SD3 pipeline of the real classes, with random weights, built on this machine without a download."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import diffusers
import torch
import transformers
from tokenizers import Tokenizer, models

POISON_WORD = "q"
"""A word whose embedding is not a number: a prompt with it ends in NaN latents."""


def build(folder: Path) -> Path:
    """Write the pipeline to a folder, as from_pretrained wants it."""
    torch.set_num_threads(1)  # models this small only wait for each other
    cast(Any, torch).manual_seed(0)
    words = _clip_tokenizer(folder / "words")
    pieces = _t5_tokenizer(folder / "pieces")
    clips = [_clip(words) for _ in range(2)]
    with torch.no_grad():
        bad = words.convert_tokens_to_ids(f"{POISON_WORD}</w>")
        for clip in clips:
            clip.text_model.embeddings.token_embedding.weight[bad] = float("nan")
    make = cast(Any, diffusers)
    pipe = make.StableDiffusion3Pipeline(
        transformer=make.SD3Transformer2DModel(
            sample_size=32,
            patch_size=2,
            in_channels=16,
            num_layers=2,
            attention_head_dim=8,
            num_attention_heads=4,
            caption_projection_dim=32,
            joint_attention_dim=64,
            pooled_projection_dim=64,
            out_channels=16,
            pos_embed_max_size=96,
        ),
        scheduler=make.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=make.AutoencoderKL(
            in_channels=3,
            out_channels=3,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(8, 8, 16, 16),
            norm_num_groups=4,
            latent_channels=16,
            sample_size=64,
            use_quant_conv=False,
            use_post_quant_conv=False,
            shift_factor=0.0609,
            scaling_factor=1.5035,
        ),
        text_encoder=clips[0],
        tokenizer=words,
        text_encoder_2=clips[1],
        tokenizer_2=words,
        text_encoder_3=transformers.T5EncoderModel(
            transformers.T5Config(vocab_size=len(pieces), d_model=64, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
        ),
        tokenizer_3=pieces,
    )
    pipe.save_pretrained(str(folder / "pipeline"))
    return folder / "pipeline"


def _clip(words: Any) -> Any:
    config = transformers.CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        max_position_embeddings=77,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    return transformers.CLIPTextModelWithProjection(config)


def _clip_tokenizer(folder: Path) -> Any:
    folder.mkdir(parents=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789!,.'\""
    names = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({n: i for i, n in enumerate(names)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", encoding="utf-8")
    return cast(Any, transformers).CLIPTokenizer.from_pretrained(str(folder), model_max_length=77)


def _t5_tokenizer(folder: Path) -> Any:
    letters = "▁abcdefghijklmnopqrstuvwxyz0123456789!,.'\""
    scored = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((c, -float(i)) for i, c in enumerate(letters))]
    made = Tokenizer(models.Unigram(scored, unk_id=2))
    folder.mkdir(parents=True)
    made.save(str(folder / "tokenizer.json"))
    return cast(Any, transformers).T5TokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), extra_ids=0, model_max_length=256
    )
