//! What Redis has no command for: replacing or removing an entry that is still the same, giving an entry another TTL
//! without sending its value, and counting within bounds. Each is one round trip and atomic, as every script is.
//!
//! The scripts know three things about an envelope: how it begins, where its revision stands, and where its
//! lifetime and its key stand (`larder_core::envelope`).
//!
//! Whatever is no value is given to them as text, bytes in hexadecimal: a server that may not run scripts repeats
//! the beginning of the command in its refusal, and a line that is no UTF-8 would end the connection.

use std::sync::LazyLock;

use larder_core::envelope::{FIXED, LIFETIME, MAGIC, REVISION, VERSION};
use redis::Script;

/// How every envelope begins that this version can change.
const HEAD: [u8; 5] = [MAGIC[0], MAGIC[1], MAGIC[2], MAGIC[3], VERSION];

/// Ends a script with 0 if the key does not hold an envelope or, where `ARGV[1]` is not `''`, one of this revision. What is
/// no string, a list for example, is none. Other errors, of a right that is missing, are the script's.
static ONLY_THIS: LazyLock<String> = LazyLock::new(|| {
    let [a, b, c, d, version] = HEAD;
    let head = format!("\\{a:03}\\{b:03}\\{c:03}\\{d:03}\\{version:03}");
    let (head_end, start, end) = (HEAD.len() - 1, REVISION.start, REVISION.end - 1);
    format!(
        "local function bytes(hex)\n\
         return (string.gsub(hex, '..', function(pair) return string.char(tonumber(pair, 16)) end))\n\
         end\n\
         local head = redis.pcall('GETRANGE', KEYS[1], 0, {head_end})\n\
         if type(head) == 'table' and not string.find(head.err, 'WRONGTYPE', 1, true) then return head end\n\
         if head ~= '{head}' then return 0 end\n\
         if ARGV[1] ~= '' and redis.call('GETRANGE', KEYS[1], {start}, {end}) ~= bytes(ARGV[1]) then\n\
         return 0\n\
         end\n"
    )
});

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

/// `ARGV`: where to go on, a pattern. A line for where to go on next (0: there are no more), then one for each key.
pub(crate) static LIST: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(
        "local some = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)\n\
         return some[1] .. '\\n' .. table.concat(some[2], '\\n')"
            .to_owned(),
    )
});

/// `KEYS[1]`; `ARGV`: token, milliseconds to live (`''` for ever), envelope. 1 if it was replaced.
pub(crate) static REPLACE: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(format!(
        "{}\
         if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[3])\n\
         else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end\n\
         return 1",
        *ONLY_THIS
    ))
});

/// `KEYS[1]`; `ARGV`: token. 1 if it was removed.
pub(crate) static REMOVE: LazyLock<Lua> =
    LazyLock::new(|| Lua::new(format!("{}return redis.call('UNLINK', KEYS[1])", *ONLY_THIS)));

/// `KEYS[1]`; `ARGV`: token (`''` for any), milliseconds to live (`''` for ever), lifetime block. 1 if there was an entry
/// of this very key.
pub(crate) static TOUCH: LazyLock<Lua> = LazyLock::new(|| {
    let lifetime = LIFETIME.start;
    Lua::new(format!(
        "{}\
         if redis.call('GETRANGE', KEYS[1], {FIXED}, {FIXED} + #KEYS[1] - 1) ~= KEYS[1] then return 0 end\n\
         redis.call('SETRANGE', KEYS[1], {lifetime}, bytes(ARGV[3]))\n\
         if ARGV[2] == '' then redis.call('PERSIST', KEYS[1])\n\
         else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end\n\
         return 1",
        *ONLY_THIS
    ))
});

/// `KEYS[1]`; `ARGV`: what is added, the initial value (`''` for none), milliseconds to live (`''` for ever, `0` for not at
/// all). The new value; nil if there is none; [`OUT_OF_RANGE`] or [`NO_COUNTER`].
///
/// Numbers stay text: Lua's are exact up to 2⁵³ only.
pub(crate) static COUNT: LazyLock<Lua> = LazyLock::new(|| {
    Lua::new(format!(
        "local old = redis.pcall('GET', KEYS[1])\n\
         if type(old) == 'table' then\n\
         if string.find(old.err, 'WRONGTYPE', 1, true) then return '{NO_COUNTER}' end\n\
         return old\n\
         end\n\
         if not old then\n\
         if ARGV[2] == '' then return false end\n\
         if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])\n\
         elseif ARGV[3] ~= '0' then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end\n\
         return ARGV[2]\n\
         end\n\
         if not string.find(old, '^%d+$') then return '{NO_COUNTER}' end\n\
         local less = string.match(ARGV[1], '^%-(.*)')\n\
         if less and (#old < #less or #old == #less and old < less) then return '{OUT_OF_RANGE}' end\n\
         local new = redis.pcall('INCRBY', KEYS[1], ARGV[1])\n\
         if type(new) == 'table' then\n\
         if string.find(new.err, 'overflow', 1, true) then return '{OUT_OF_RANGE}' end\n\
         if string.find(new.err, 'not an integer', 1, true) then return '{NO_COUNTER}' end\n\
         return new\n\
         end\n\
         return redis.call('GET', KEYS[1])"
    ))
});

/// What [`COUNT`] answers instead of going below zero or above `i64::MAX`.
pub(crate) const OUT_OF_RANGE: &str = "-";
/// What [`COUNT`] answers where the key holds something else.
pub(crate) const NO_COUNTER: &str = "?";
