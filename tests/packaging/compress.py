"""Packs programs as small as deflate allows: compress.py ZIP...

Each archive holds one executable, `bootstrap`, which Lambda fetches at every cold start. The archive depends on that file alone.
"""

import os
import stat
import sys
import zipfile

import zopfli

# The beginning of time in zip files: the day of the build must not change the archive.
EPOCH = (1980, 1, 1, 0, 0, 0)


def compress(archive: str) -> None:
    with zipfile.ZipFile(archive) as loose:
        program = loose.read("bootstrap")
    entry = zipfile.ZipInfo("bootstrap", EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = (stat.S_IFREG | 0o755) << 16
    # More rounds take as long again for each thousandth that they save; the default of 15 blocks is meant for small files.
    with zopfli.ZipFile(archive + ".new", "w", iterations=1, block_splitting_max=100) as tight:
        tight.writestr(entry, program)
    os.replace(archive + ".new", archive)


for each in sys.argv[1:]:
    compress(each)
