//! The two things that Redis has no command for: replacing an entry that is still the same, and giving an entry
//! another life without sending its value. Each is one round trip and atomic, as every script is.
//!
//! The scripts know three things about an envelope: how it begins, where its revision stands, and where its
//! lifetime and its key stand (`larder_core::envelope`).

use std::sync::LazyLock;

use larder_core::envelope::{FIXED, LIFETIME, MAGIC, REVISION, VERSION};
use redis::Script;

/// How every envelope begins that this version can change.
pub(crate) const HEAD: [u8; 5] = [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], VERSION];

/// Ends a script with 0 if the key does not hold an envelope, a list for example. Other errors, of a right that
/// is missing, are the script's.
const ONLY_ENVELOPES: &str = "\
local head = redis.pcall('GETRANGE', KEYS[1], 0, 4)
if type(head) == 'table' and not string.find(head.err, 'WRONGTYPE', 1, true) then return head end
if head ~= ARGV[1] then return 0 end
";

/// A script, sent by its hash once the server knows it.
#[derive(Debug)]
pub(crate) struct Lua {
    pub(crate) body: String,
    pub(crate) hash: String,
}

impl Lua {
    fn new(body: String) -> Self {
        let hash = Script::new(&body).get_hash().to_owned();
        Self { body, hash }
    }
}

/// `KEYS[1]`; `ARGV`: head, revision, envelope, milliseconds to live (`''` for ever). 1 if it was replaced.
pub(crate) static REPLACE: LazyLock<Lua> = LazyLock::new(|| {
    let (start, end) = (REVISION.start, REVISION.end - 1);
    Lua::new(format!(
        "{ONLY_ENVELOPES}\
         if redis.call('GETRANGE', KEYS[1], {start}, {end}) ~= ARGV[2] then return 0 end\n\
         if ARGV[4] == '' then redis.call('SET', KEYS[1], ARGV[3])\n\
         else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end\n\
         return 1"
    ))
});

/// `KEYS[1]`; `ARGV`: head, lifetime block, milliseconds to live (`''` for ever). 1 if there was an entry of this
/// very key.
pub(crate) static TOUCH: LazyLock<Lua> = LazyLock::new(|| {
    let lifetime = LIFETIME.start;
    Lua::new(format!(
        "{ONLY_ENVELOPES}\
         if redis.call('GETRANGE', KEYS[1], {FIXED}, {FIXED} + #KEYS[1] - 1) ~= KEYS[1] then return 0 end\n\
         redis.call('SETRANGE', KEYS[1], {lifetime}, ARGV[2])\n\
         if ARGV[3] == '' then redis.call('PERSIST', KEYS[1])\n\
         else redis.call('PEXPIRE', KEYS[1], ARGV[3]) end\n\
         return 1"
    ))
});
