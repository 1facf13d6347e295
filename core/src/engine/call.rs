//! What a call says beyond its key.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    loader::Slot,
    stamps::{MAX_TAG_LEN, MAX_TAGS, tag_scopes},
};
use crate::{
    backend::Capabilities,
    entry::{Meta, RESERVED, Scope},
    envelope::MAX_HEADER,
    error::{Error, ErrorKind, Operation, Result},
    policy::Policy,
    ttl::Ttl,
};

/// The most pieces of user metadata that one entry can have.
const MAX_USER: usize = 255;
/// What of a header is left for tags and user metadata: the rest is for the key and for what every entry has.
const MAX_EXTRA: usize = MAX_HEADER - 1024;

/// A caller's options, as given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) ttl: Option<Ttl>,
    pub(crate) tags: Vec<Arc<str>>,
    pub(crate) user: Vec<(Arc<str>, Bytes)>,
    pub(crate) policy: Option<Box<Policy>>,
    pub(crate) fresh: bool,
    pub(crate) from_store: bool,
}

impl Options {
    /// Whether tags and metadata are so few and short that nothing need be counted to know that they are within the limits.
    /// No allocation: asked on hits.
    #[inline]
    pub(crate) fn are_surely_allowed(&self) -> bool {
        self.user.is_empty()
            && self.tags.len() <= MAX_TAGS
            && self.tags.iter().all(|tag| (1..=MAX_TAG_LEN).contains(&tag.len()))
    }
}

/// A caller's options, checked, with what the cache says where the caller says nothing.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) policy: Policy,
    pub(crate) ttl: Ttl,
    pub(crate) tags: Vec<Scope>,
    pub(crate) user: Vec<(Arc<str>, Bytes)>,
    /// What is there counts for nothing.
    pub(crate) fresh: bool,
    /// Near copies count for nothing.
    pub(crate) from_store: bool,
}

/// A call with what makes its values.
pub(crate) struct Order<L> {
    pub(crate) call: Call,
    pub(crate) loader: Slot<L>,
}

impl Call {
    /// # Errors
    /// A tag, a piece of metadata or a policy that cannot be.
    pub(crate) fn new(
        options: Options,
        cache: &Policy,
        store: &Capabilities,
        operation: Operation,
    ) -> Result<Self> {
        let Options { ttl, tags, user, policy, fresh, from_store } = options;
        let policy = match policy {
            Some(policy) => {
                policy.check(store)?;
                if policy.max_loads != cache.max_loads {
                    return Err(one_call_cannot(policy.max_loads, cache.max_loads).during(operation));
                }
                *policy
            }
            None => *cache,
        };
        let tags = if tags.is_empty() { Vec::new() } else { tag_scopes(&tags, operation)? };
        // What Larder itself keeps there of a TTL of its own.
        let reserved = usize::from(policy.sliding.is_some() && ttl.is_some());
        check_extra(&tags, &user, reserved, operation)?;
        Ok(Self { policy, ttl: ttl.unwrap_or(policy.ttl), tags, user, fresh, from_store })
    }

    /// Metadata with the entry's own TTL noted, where reading extends TTLs and it is not the cache's.
    pub(crate) fn sliding(&self, meta: Meta, ttl: Ttl) -> Meta {
        match (self.policy.sliding, ttl) {
            (Some(_), Ttl::After(own)) if ttl != self.policy.ttl => meta.with_slides(Some(own)),
            _ => meta,
        }
    }
}

fn one_call_cannot(loads: usize, cache: usize) -> Error {
    let message = format!(
        "max_loads cannot differ for one call: it bounds all loads of the cache together, at {cache}, and this call's policy \
         has {loads}; change the policy that the closure is given instead of making a new one"
    );
    Error::new(ErrorKind::Config, Operation::Load, message)
}

/// Whether tags and user metadata fit into an envelope: asked for every store alike, so that what is accepted in memory is
/// accepted everywhere. `reserved` pieces are Larder's own.
pub(crate) fn check_extra(
    tags: &[Scope],
    user: &[(Arc<str>, Bytes)],
    reserved: usize,
    operation: Operation,
) -> Result<()> {
    if user.is_empty() {
        return Ok(());
    }
    let refuse = |why: String| Err(Error::new(ErrorKind::Encode, operation, why));
    let most = MAX_USER - reserved;
    if user.len() > most {
        return refuse(format!(
            "there are {} pieces of user metadata; at most {most} are allowed here",
            user.len()
        ));
    }
    let mut total =
        tags.iter().map(|tag| if let Scope::Tag(tag) = tag { tag.len() + 10 } else { 10 }).sum::<usize>();
    for (name, data) in user {
        if name.len() > 255 {
            let len = name.len();
            return refuse(format!(
                "the name of a piece of user metadata has {len} bytes; at most 255 are allowed"
            ));
        }
        if name.starts_with(RESERVED) {
            return refuse(format!(
                "user metadata cannot be named \"{name}\": \"{RESERVED}\" is reserved for Larder"
            ));
        }
        total += name.len() + data.len() + 3;
    }
    if total > MAX_EXTRA {
        return refuse(format!(
            "tags and user metadata have {total} bytes together; at most {MAX_EXTRA} are allowed"
        ));
    }
    Ok(())
}
