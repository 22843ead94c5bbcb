"""Ways to damage a file: in, its bytes and a generator of numbers; out, other bytes."""

import random

_NUMBERS = (b"0", b"-1", b"1e400", b"nan", b"99999999999999999999", b"1.5", b"\xd9\xa3", b"")


def of_bytes(data: bytes, rng: random.Random) -> bytes:
    """Bits, words, runs, cuts, copies of parts elsewhere."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 3, 20])):
        at = rng.choice([rng.randrange(len(changed)), rng.randrange(min(512, len(changed)))])
        what = rng.randrange(6)
        if what == 0:
            changed[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            changed[at : at + 8] = rng.choice([bytes(8), b"\xff" * 8, rng.randbytes(8)])
        elif what == 2:
            changed[at : at + rng.randint(1, 4096)] = b""
        elif what == 3:
            start = rng.randrange(len(changed))
            changed[at:at] = changed[start : start + rng.randint(1, 64)]
        elif what == 4:
            length = rng.randint(1, 4096)
            changed[at : at + length] = bytes(min(length, len(changed) - at))
        elif rng.random() < 0.2:
            del changed[at:]
        if not changed:
            break
    return bytes(changed)


def of_text(data: bytes, rng: random.Random) -> bytes:
    """Of XML also elements that are gone, doubled or swapped, and other numbers."""
    if rng.random() < 0.4:
        return of_bytes(data, rng)
    lines = data.split(b"\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        what = rng.randrange(4)
        if what == 0 and len(lines) > 1:
            del lines[at]
        elif what == 1:
            lines.insert(at, rng.choice(lines))
        elif what == 2:
            start = lines[at].find(b">") + 1
            stop = lines[at].find(b"<", start)
            if 0 < start < stop:
                lines[at] = lines[at][:start] + rng.choice(_NUMBERS) + lines[at][stop:]
        else:
            start = lines[at].find(b'="') + 2
            stop = lines[at].find(b'"', start)
            if 1 < start < stop:
                lines[at] = lines[at][:start] + rng.choice(_NUMBERS) + lines[at][stop:]
    return b"\n".join(lines)


def of_pages(data: bytes, rng: random.Random) -> bytes:
    """Words of the pages that LMDB follows."""
    changed = bytearray(data)
    pages = [
        page
        for page in range(len(data) // 4096)
        if page < 2 or int.from_bytes(data[page * 4096 + 10 : page * 4096 + 12], "little") in (1, 2)
    ]
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.choice(pages) * 4096 + rng.choice([rng.randrange(160), rng.randrange(4096)])
        word = rng.choice([b"\0", b"\xff", b"\xff\xff", bytes(8), b"\xff" * 8, rng.randbytes(8)])
        changed[at : at + len(word)] = word
    if rng.random() < 0.1:
        del changed[rng.randrange(len(changed)) :]
    return bytes(changed)
