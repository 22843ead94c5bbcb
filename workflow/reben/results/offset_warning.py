"""Warn of a dataset that mixes products with and without a reflectance offset.

In: the verdicts on all products. Out: a sentence for the log and the audit, or nothing.
"""

from collections.abc import Sequence

from reben.domain.verdict import Verdict


def offset_warnings(verdicts: Sequence[Verdict], harmonised: bool) -> list[str]:
    """Warn of a dataset that mixes products with and without a reflectance offset.

    Args:
        verdicts: verdicts on all products.
        harmonised: whether the offset was removed (``patches.harmonise_offset``).
    """
    accepted = [v for v in verdicts if v.accepted]
    shifted = sum(any(v.boa_add_offset.values()) for v in accepted)
    if not 0 < shifted < len(accepted):
        return []
    baselines = ", ".join(sorted({v.processing_baseline for v in accepted}))
    done = "was removed" if harmonised else "was kept, so their values are not comparable"
    return [
        f"{shifted} of {len(accepted)} products carry BOA_ADD_OFFSET and the others do not "
        f"(baselines {baselines}); the offset {done} (patches.harmonise_offset)"
    ]
