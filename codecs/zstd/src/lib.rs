//! zstd codec of Larder, with optional trained dictionaries.
