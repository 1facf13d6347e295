//! What is under way at once: a read and a write of one key, two writes, a write whose end nobody has seen.

use larder_core::Result;

use super::{LONG, Process, STEADY, ended, outside};
use crate::{
    between::{Act, Calls},
    case::family,
    context::Context,
    failure::{Verdict, holds, same},
    gate::Gate,
    probe::Direct,
};

family! { "chain" needs [Storing, Chained]:
    a_read_that_a_change_has_overtaken_leaves_no_copy = "A read that was on its way while the key was written, touched or removed leaves no older copy.";
    a_read_that_began_during_a_change_leaves_no_copy = "A read that began while a change of the key was under way leaves no older copy, also if it ends later.";
    of_two_writes_at_once_neither_is_the_copy = "Of two writes of a key at once neither is the copy, whichever is acknowledged last.";
    a_write_in_doubt_leaves_no_copy = "A write that fails or is given up may have taken place, and leaves no copy.";
}

/// Changes a key, alone or as one of many.
async fn change(store: &Direct, way: usize, key: &str) -> Result<Option<&'static str>> {
    match way {
        0 => store.set(key, "new", LONG).await.map(|_| Some("new")),
        1 => store.delete(key).await.map(|_| None),
        2 => store.touch(key, LONG).await.map(|_| Some("new")),
        _ => store.delete_many(&["beside", key]).await.remove(1).map(|_| None),
    }
}

async fn a_read_that_a_change_has_overtaken_leaves_no_copy(t: &Context) -> Verdict {
    let (p, outside) = (Process::new(t, "chain", STEADY), outside(t));
    for way in 0..4 {
        for in_bulk in [false, true] {
            let key = format!("k{way}{in_bulk}");
            outside.set(&key, "old", LONG).await?;
            let gate = Gate::new();
            p.far.on(Calls::Reads, &p.text(&key), Act::AnswerHeld(gate.clone()));
            let asked = key.clone();
            let reading = p.begin(|store| async move {
                if in_bulk { Ok(store.get_many(&[&asked]).await?.remove(0)) } else { store.get(&asked).await }
            });
            gate.has_begun("a read").await?;
            p.far.heal();
            if way == 2 {
                // A touch changes no value: what the read has missed is what others have written before it.
                outside.set(&key, "new", LONG).await?;
            }
            let expected = change(&p.store, way, &key).await?;
            gate.open();
            same(ended(reading).await??.as_deref(), Some("old"))?;
            for _ in 0..2 {
                same(p.store.get(&key).await?.as_deref(), expected)?;
            }
        }
    }
    Ok(())
}

async fn a_read_that_began_during_a_change_leaves_no_copy(t: &Context) -> Verdict {
    let (p, outside) = (Process::new(t, "chain", STEADY), outside(t));
    for way in [0, 1, 3] {
        let key = format!("k{way}");
        outside.set(&key, "old", LONG).await?;
        let (writing_gate, reading_gate) = (Gate::new(), Gate::new());
        let text = p.text(&key);
        p.far.on(Calls::All, &text, Act::Held(writing_gate.clone()));
        let changed = key.clone();
        let changing = p.begin(|store| async move { change(&store, way, &changed).await });
        writing_gate.has_begun("a change").await?;
        p.far.heal();
        p.far.on(Calls::Reads, &text, Act::AnswerHeld(reading_gate.clone()));
        let asked = key.clone();
        let reading = p.begin(|store| async move { store.get(&asked).await });
        reading_gate.has_begun("a read").await?;
        p.far.heal();
        writing_gate.open();
        let expected = ended(changing).await??;
        reading_gate.open();
        same(ended(reading).await??.as_deref(), Some("old"))?;
        for _ in 0..2 {
            same(p.store.get(&key).await?.as_deref(), expected)?;
        }
    }
    Ok(())
}

async fn of_two_writes_at_once_neither_is_the_copy(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    for first_last in [false, true] {
        let (key, gates) = (format!("k{first_last}"), [Gate::new(), Gate::new()]);
        let mut writing = Vec::new();
        for (value, gate) in ["first", "second"].into_iter().zip(&gates) {
            p.far.heal();
            p.far.on(Calls::Writes, &p.text(&key), Act::AnswerHeld(gate.clone()));
            let written = key.clone();
            writing.push(p.begin(|store| async move { store.set(&written, value, LONG).await }));
            // The store has done it when its answer is held.
            gate.has_begun("a write").await?;
        }
        p.far.heal();
        let order = if first_last { [1, 0] } else { [0, 1] };
        let mut writing: Vec<_> = writing.into_iter().map(Some).collect();
        for place in order {
            gates[place].open();
            if let Some(task) = writing[place].take() {
                same(ended(task).await??, true)?;
            }
        }
        // Whichever the store did last is what everybody reads.
        let there = outside(t).get(&key).await?;
        for _ in 0..2 {
            same(p.store.get(&key).await?, there.clone())?;
        }
    }
    Ok(())
}

async fn a_write_in_doubt_leaves_no_copy(t: &Context) -> Verdict {
    let p = Process::new(t, "chain", STEADY);
    for (is_delete, calls) in [(false, Calls::Writes), (true, Calls::Deletes)] {
        let expected = if is_delete { None } else { Some("new") };
        for is_given_up in [false, true] {
            let key = format!("k{is_delete}{is_given_up}");
            p.store.set(&key, "old", LONG).await?;
            p.has_near(&key, "old").await?;
            let gate = Gate::new();
            let act = if is_given_up { Act::AnswerHeld(gate.clone()) } else { Act::LosesReply };
            p.far.on(calls, &p.text(&key), act);
            let changed = key.clone();
            let changing =
                p.begin(|store| async move { change(&store, usize::from(is_delete), &changed).await });
            if is_given_up {
                gate.has_begun("a change").await?;
                changing.abort();
                let _ = changing.await;
            } else {
                holds(ended(changing).await?.is_err(), "an error", "none")?;
            }
            p.far.heal();
            for _ in 0..2 {
                same(p.store.get(&key).await?.as_deref(), expected)?;
            }
        }
    }
    Ok(())
}
