//! Several processes in one outage, of which some come back, some go on, and some have just started.

use tokio::task::JoinHandle;

use super::Process;
use crate::{
    between::{Act, Calls},
    case::family,
    context::Context,
    failure::{Failure, Verdict},
    gate::Gate,
    patience::patiently,
    task,
};

family! { "failover" needs [Storing, FailingOver]:
    who_has_just_started_makes_up_for_an_outage = "A process that has just started does not serve what was removed in an outage of which nobody else is left.";
    one_outage_is_made_up_for_once = "What is written after one process has come back is still there when the others have.";
    who_goes_on_after_another_is_back_makes_up_for_that = "What is removed in the second store after another process has come back is not served by the first either.";
    a_removal_that_ends_after_the_first_has_gone_holds = "A removal that was on its way when the first store went is done in the second.";
    a_removal_that_ends_after_the_first_is_back_holds = "A removal that was on its way in the second store when the first came back is done there.";
}

async fn who_has_just_started_makes_up_for_an_outage(t: &Context) -> Verdict {
    let p = Process::new(t, "one");
    p.cache.set("k", "before").await?;
    p.loses_first(t).await?;
    p.cache.delete("k").await?;
    drop(p);
    let started = Process::new(t, "started");
    started.lacks("k").await?;
    started.cache.set("k", "afterwards").await?;
    Process::new(t, "started later").has("k", "afterwards").await
}

async fn one_outage_is_made_up_for_once(t: &Context) -> Verdict {
    let (one, other) = (Process::new(t, "one"), Process::new(t, "other"));
    for p in [&one, &other] {
        p.cache.set("k", "before").await?;
    }
    for p in [&one, &other] {
        p.loses_first(t).await?;
        p.cache.set("k", "meanwhile").await?;
    }
    one.finds_first(t).await?;
    one.lacks("k").await?;
    one.cache.set("k", "afterwards").await?;
    other.finds_first(t).await?;
    other.has("k", "afterwards").await?;
    one.has("k", "afterwards").await
}

async fn who_goes_on_after_another_is_back_makes_up_for_that(t: &Context) -> Verdict {
    for in_bulk in [false, true] {
        let (early, late) = (Process::new(t, "early"), Process::new(t, "late"));
        for p in [&early, &late] {
            p.cache.set("k", "before").await?;
        }
        for p in [&early, &late] {
            p.loses_first(t).await?;
            p.cache.set("k", "meanwhile").await?;
        }
        early.finds_first(t).await?;
        early.cache.set("k", "afterwards").await?;
        if in_bulk {
            for one in late.cache.delete_many(&["beside".into(), "k".into()]).await? {
                one?;
            }
        } else {
            late.cache.delete("k").await?;
        }
        late.finds_first(t).await?;
        late.lacks("k").await?;
        early.lacks("k").await?;
    }
    Ok(())
}

/// Begins to remove this key.
fn remove(p: &Process) -> JoinHandle<larder_core::Result<bool>> {
    let cache = p.cache.clone();
    task::spawn(async move { cache.delete("k").await })
}

async fn ended(task: JoinHandle<larder_core::Result<bool>>) -> Verdict {
    patiently("an end", task).await?.map_err(|panic| Failure::new("an end", panic))??;
    Ok(())
}

async fn a_removal_that_ends_after_the_first_has_gone_holds(t: &Context) -> Verdict {
    let (p, other) = (Process::new(t, "one"), Process::new(t, "other"));
    p.cache.set("k", "before").await?;
    let gate = Gate::new();
    p.first.on(Calls::Deletes, &p.store.text_of(&"k".into()), Act::AnswerHeld(gate.clone()));
    let removing = remove(&p);
    gate.has_begun("a removal").await?;
    p.loses_first(t).await?;
    other.loses_first(t).await?;
    // Others have gone over as well, and have it there.
    p.call().await;
    other.cache.set("k", "meanwhile").await?;
    p.has("k", "meanwhile").await?;
    gate.open();
    ended(removing).await?;
    p.lacks("k").await?;
    other.lacks("k").await
}

async fn a_removal_that_ends_after_the_first_is_back_holds(t: &Context) -> Verdict {
    let p = Process::new(t, "one");
    p.cache.set("k", "before").await?;
    p.loses_first(t).await?;
    p.cache.set("k", "meanwhile").await?;
    let gate = Gate::new();
    p.second.on(Calls::Deletes, &p.store.text_of(&"k".into()), Act::AnswerHeld(gate.clone()));
    let removing = remove(&p);
    gate.has_begun("a removal").await?;
    p.finds_first(t).await?;
    // Another process has it again by then.
    let other = Process::new(t, "other");
    other.lacks("k").await?;
    other.cache.set("k", "afterwards").await?;
    p.has("k", "afterwards").await?;
    gate.open();
    ended(removing).await?;
    p.lacks("k").await?;
    other.lacks("k").await
}
