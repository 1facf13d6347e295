//! Trained dictionaries: read from files, checked, and prepared for use.

use std::{fs::File, io::Read as _, path::Path};

use larder_core::error::{Error, ErrorKind, Operation, Result};
use zstd::zstd_safe::{CDict, DDict, get_dict_id_from_dict};

/// The largest dictionary, in bytes. More than some 100 KiB rarely helps; it is all read into the processor's
/// caches for every value.
pub const MAX_DICTIONARY: usize = 1 << 20;

/// How a trained dictionary begins. Anything else is used as mere content by zstd, and has no id to find it by.
const MAGIC: [u8; 4] = 0xEC30_A437_u32.to_le_bytes();

/// A dictionary that was trained, and checked.
pub(crate) struct Dictionary {
    /// As it stands in the dictionary; never zero.
    pub(crate) id: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) decode: DDict<'static>,
}

impl Dictionary {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let refuse = |why: &str| {
            let message = format!("dictionary \"{}\" {why}", path.display());
            Error::new(ErrorKind::Config, Operation::Build, message)
        };
        let cannot = |why| refuse("cannot be read").with_source(why);
        let mut bytes = Vec::new();
        // One byte more than is allowed, to see whether there is one.
        let limit = MAX_DICTIONARY as u64 + 1;
        File::open(path).map_err(cannot)?.take(limit).read_to_end(&mut bytes).map_err(cannot)?;
        Self::new(bytes).map_err(refuse)
    }

    fn new(bytes: Vec<u8>) -> Result<Self, &'static str> {
        if bytes.len() > MAX_DICTIONARY {
            return Err("is larger than 1 MiB");
        }
        if !bytes.starts_with(&MAGIC) {
            return Err("was not trained: it does not begin like a zstd dictionary");
        }
        let id = get_dict_id_from_dict(&bytes).ok_or("has no id; train it again")?.get();
        let decode = DDict::try_create(&bytes).ok_or("is damaged: zstd does not accept it")?;
        Ok(Self { id, bytes, decode })
    }

    /// Prepares it for writing.
    pub(crate) fn for_writing(&self, level: i32) -> Result<CDict<'static>> {
        CDict::try_create(&self.bytes, level).ok_or_else(|| {
            let why = format!("zstd does not accept dictionary {} for writing", self.id);
            Error::new(ErrorKind::Config, Operation::Build, why)
        })
    }
}
