//! Keys, entries, formats, codecs, the Backend trait and the cache engine of Larder.
