"""The LMDBs, by the name that scripts of the first version import: see `reben.storage`."""

from reben.storage.lmdb_store import content_digest, read_lmdb, shared_lmdb, write_lmdb

__all__ = ["content_digest", "read_lmdb", "shared_lmdb", "write_lmdb"]


if __name__ == "__main__":
    from reben.runtime.library import answer

    answer(__doc__)
