"""What of a prompt the text encoders of sd3 never see, measured with the pipeline's own tokenizers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.events import PromptCut

T5_TOKENS: Final = 256
"""What diffusers gives to the T5 encoder unless told otherwise; the profile may say up to 512."""
_LOST_CHARS: Final = 2000


def t5_limit(limits: Mapping[str, int]) -> int:
    """Tokens that the T5 encoder is given."""
    return limits.get("t5", T5_TOKENS)


def cuts(pipe: Any, limits: Mapping[str, int], prompt: str) -> tuple[PromptCut, ...]:
    """Encoders that see only the beginning of a prompt. `limits` are a profile's prompt_limits.

    A CLIP encoder has room for what its tokenizer says, whatever the profile allows. Tokens are counted with the
    marks that the tokenizer adds; the lost words are spelled as the tokenizer spells them.
    """
    clip: int = pipe.tokenizer_max_length
    encoders = (
        ("clip_l", pipe.tokenizer, pipe.text_encoder, min(clip, limits.get("clip_l", clip))),
        ("clip_g", pipe.tokenizer_2, pipe.text_encoder_2, min(clip, limits.get("clip_g", clip))),
        ("t5", pipe.tokenizer_3, pipe.text_encoder_3, t5_limit(limits)),
    )
    found: list[PromptCut] = []
    for name, tokenizer, encoder, limit in encoders:
        if encoder is None:
            continue
        ids: list[int] = tokenizer(prompt, truncation=False, verbose=False).input_ids
        if len(ids) > limit:
            # The last place is the end mark's, so one token more is lost than lies beyond the limit.
            lost: str = tokenizer.decode(ids[limit - 1 : -1], skip_special_tokens=True)
            found.append(PromptCut(encoder=name, tokens=len(ids), limit=limit, lost=lost.strip()[:_LOST_CHARS]))
    return tuple(found)
