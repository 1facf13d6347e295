//! What holds for one key holds for many.

use super::Process;
use crate::{
    case::family,
    context::Context,
    failure::{Verdict, same},
};

family! { "failover" needs [Storing, FailingOver]:
    in_bulk_as_alone = "Bulk operations go to the second store as single ones do, with their answers in order, and are made up for alike.";
}

async fn in_bulk_as_alone(t: &Context) -> Verdict {
    let p = Process::new(t, "store");
    let keys = ["a", "b", "c"];
    let items = |value: &str| keys.map(|key| (key.into(), format!("{value} {key}").as_str().into())).to_vec();
    for one in p.cache.set_many(items("before")).await? {
        one?;
    }
    p.loses_first(t).await?;
    let before = p.asked();
    for one in p.cache.set_many(items("meanwhile")).await? {
        one?;
    }
    let read = async || -> Result<Vec<_>, crate::failure::Failure> {
        let keys = ["c", "missing", "a", "b"].map(larder_core::Key::from);
        Ok(p.cache.get_many(&keys).await?.into_iter().collect::<Result<Vec<_>, _>>()?)
    };
    let expected = [Some("meanwhile c"), None, Some("meanwhile a"), Some("meanwhile b")];
    same(read().await?, expected.map(|value| value.map(Into::into)))?;
    let removed = p.cache.delete_many(&["missing", "b"].map(larder_core::Key::from)).await?;
    same(removed.into_iter().collect::<Result<Vec<_>, _>>()?, [false, true])?;
    let expected = [Some("meanwhile c"), None, Some("meanwhile a"), None];
    same(read().await?, expected.map(|value| value.map(Into::into)))?;
    let after = p.asked();
    same(after.0 - before.0, 0)?;
    p.finds_first(t).await?;
    same(read().await?, [None, None, None, None])
}
