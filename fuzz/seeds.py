#!/usr/bin/env python3
"""Writes the inputs that fuzzing starts from, and the dictionary of the trace readers, into fuzz/corpus.

Without them the fuzzer begins with a few bytes and takes minutes to reach a sequence that fills a cache.
"""

import gzip
import random
import struct
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
TARGETS = [path.stem for path in (Path(__file__).parent / "fuzz_targets").glob("*.rs")]
DICTIONARY = ["get", "gets", "set", "add", "cas", "key", "size", "object", "time", "id", "*", ",", ";", "\\x0a",
              "18446744073709551615", "4294967295", "\\x28\\xb5\\x2f\\xfd", "\\x1f\\x8b", "\\x00\\x00\\x00\\x00"]

TRACES = {
    "lis": b"0 8 0 0\n64 4 0 1\n0 8 0 2\n",
    "lirs": b"1\n2\n*\n1\n",
    "text": b"# comment\nabc 12\n7,3\nabc\n",
    "csv": b"time,key,size\n1,a,100\n2,b,200\n3,a,150\n",
    "twitter": b"0,k1,4,100,1,get,0\n1,k1,4,90,1,set,10\n2,k2,4,1,2,gets,0\n",
    "tollgate": b"".join(struct.pack("<QI", key % 3, 10 + key) for key in range(6)),
    "oracle": b"".join(struct.pack("<IQIq", time, time % 3, 20, -1) for time in range(4)),
    "gzip": gzip.compress(b"1\n2\n1\n", mtime=0),
}


def main():
    for target in TARGETS:
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        dice = random.Random(target)
        for length in (16, 100, 600, 1500, 4000):
            (folder / f"seed-{length}").write_bytes(dice.randbytes(length))
    for number, (name, content) in enumerate(TRACES.items()):
        (CORPUS / "trace_parsers" / f"seed-{name}").write_bytes(bytes([255, 0]) + content)
        for form in range(9):
            (CORPUS / "trace_parsers" / f"seed-{name}-{form}").write_bytes(bytes([form, number]) + content)
    (CORPUS / "traces.dict").write_text("".join(f'"{word}"\n' for word in DICTIONARY))


if __name__ == "__main__":
    main()
