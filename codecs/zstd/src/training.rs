//! Training a dictionary.

use larder_core::error::{Error, ErrorKind, Operation, Result};

use crate::dictionary::MAX_DICTIONARY;

/// The smallest dictionary that can be trained, in bytes.
pub const MIN_DICTIONARY: usize = 256;

/// Trains a dictionary of at most so many bytes on samples of what is going to be compressed, and returns what
/// belongs into the file. Its id is in it: another training gives another id.
///
/// # Samples
/// - Each is the bytes of one value *before* compression, in the format the cache writes: what
///   `Cache::get_encoded(…)` and `Encoded::decompressed()` give for keys that are in use, or what the loader's
///   values serialize to.
/// - Take them at random from real traffic, a thousand and more, about a hundred times as many bytes together
///   as the dictionary shall have. Values of different caches can be mixed; a dictionary for each serves better.
/// - Only values up to some 100 KiB gain. 16 KiB of dictionary serve values of 1 KiB, 64 KiB those of 10 KiB.
/// - Nothing that must not leave the samples' owner: pieces of them are in the dictionary, word by word.
///
/// It takes about a second for 10 MB of samples, and as much memory again as the samples.
///
/// # Errors
/// [`ErrorKind::Config`] when the size is not between [`MIN_DICTIONARY`] and [`MAX_DICTIONARY`], and when the
/// samples are too few, too short or too unlike each other to find anything that they share.
///
/// ```
/// let samples: Vec<String> =
///     (0..2000).map(|n| format!(r#"{{"id":{n},"name":"item {}","price":{}}}"#, n * 7, n % 90)).collect();
/// let dictionary = larder_zstd::train(&samples, 4096)?;
/// assert!(dictionary.len() <= 4096);
/// # Ok::<(), larder_core::Error>(())
/// ```
pub fn train<S: AsRef<[u8]>>(samples: &[S], max_size: usize) -> Result<Vec<u8>> {
    let refuse = |why: String| Error::new(ErrorKind::Config, Operation::Build, why);
    if !(MIN_DICTIONARY..=MAX_DICTIONARY).contains(&max_size) {
        let why = format!(
            "a dictionary cannot have {max_size} bytes; {MIN_DICTIONARY} to {MAX_DICTIONARY} are allowed"
        );
        return Err(refuse(why));
    }
    zstd::dict::from_samples(samples, max_size).map_err(|why| {
        let count = samples.len();
        refuse(format!(
            "no dictionary can be made of these {count} samples: {why}; give more, or longer ones"
        ))
    })
}
