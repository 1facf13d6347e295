//! Several keys at once. Those of a namespace that cannot be made ready fail alone.

use std::{borrow::Cow, sync::Arc};

use smallvec::SmallVec;
use tokio::time::Instant;

use super::{
    pair::{Pair, TRIES, is_of_first, restless},
    tokens::Tokens,
    work::Item,
};
use crate::{
    backend::Backend,
    error::{Error, ErrorKind, Result},
    key::Namespace,
};

/// What keeps namespaces from being ready, each once.
type Failed<'a> = SmallVec<[(&'a Namespace, Error); 2]>;

fn failure<'f>(failed: &'f Failed<'_>, namespace: &Namespace) -> Option<&'f Error> {
    failed.iter().find(|(of, _)| *of == namespace).map(|(_, error)| error)
}

/// The namespaces of these, each once.
fn namespaces<'a, I: Item + 'a>(items: impl Iterator<Item = &'a I>) -> SmallVec<[&'a Namespace; 4]> {
    let mut all: SmallVec<[&Namespace; 4]> = SmallVec::new();
    for item in items {
        let namespace = item.key().namespace();
        if !all.contains(&namespace) {
            all.push(namespace);
        }
    }
    all
}

impl<A: Backend, B: Backend> Pair<A, B> {
    /// One answer for each, in their order.
    pub(super) async fn many<I: Item>(
        self: &Arc<Self>,
        items: &[I],
        options: &I::Options,
    ) -> Vec<Result<I::Answer>> {
        if items.is_empty() {
            return Vec::new();
        }
        let until = items.iter().filter_map(|item| item.until(options)).min();
        for _ in 0..=TRIES {
            let (era, failed) = self.all_ready(items, until).await;
            if self.era() != era {
                continue;
            }
            let asked: Cow<'_, [I]> = if failed.is_empty() {
                Cow::Borrowed(items)
            } else {
                items
                    .iter()
                    .filter(|item| failure(&failed, item.key().namespace()).is_none())
                    .cloned()
                    .collect()
            };
            let answers = self.asked(&asked, options, (era, until)).await;
            // As with one key.
            if self.era() != era {
                continue;
            }
            let mut answers = answers.into_iter();
            return items
                .iter()
                .map(|item| match failure(&failed, item.key().namespace()) {
                    Some(error) => Err(error.clone()),
                    // There is one for each that was asked for.
                    None => answers
                        .next()
                        .unwrap_or_else(|| Err(restless(I::OPERATION)))
                        .map_err(|error| self.described(era, error, I::OPERATION)),
                })
                .collect();
        }
        let error = restless(I::OPERATION);
        items.iter().map(|_| Err(error.clone())).collect()
    }

    /// Makes all their namespaces ready; in which era, and those for which that failed.
    async fn all_ready<'a, I: Item + 'a>(&self, items: &'a [I], until: Option<Instant>) -> (u64, Failed<'a>) {
        let mut failed = Failed::new();
        let era = self.era();
        for namespace in namespaces(items.iter()) {
            match self.ready(namespace, until, I::OPERATION).await {
                Ok(ready) if ready == era => {}
                // It is over: all of it is begun anew.
                Ok(_) => break,
                Err(error) => failed.push((namespace, error)),
            }
        }
        (era, failed)
    }

    async fn asked<I: Item>(
        self: &Arc<Self>,
        items: &[I],
        options: &I::Options,
        (era, until): (u64, Option<Instant>),
    ) -> Vec<Result<I::Answer>> {
        let Some(any) = items.first() else { return Vec::new() };
        if is_of_first(era) {
            return one_each(I::on(items, options, &self.first, Tokens::OF_FIRST).await, items.len());
        }
        self.probe(any.key().namespace()).await;
        let answers = I::on(items, options, &self.second, Tokens::of_second(era)).await;
        let mut answers = one_each(answers, items.len());
        if !I::WRITES || self.era() != era {
            return answers;
        }
        let written = items.iter().zip(&answers).filter(|(_, answer)| answer.is_ok()).map(|(item, _)| item);
        for namespace in namespaces(written) {
            let Err(error) = self.covered(namespace, era, until, I::OPERATION).await else { continue };
            for (item, answer) in items.iter().zip(&mut answers) {
                if item.key().namespace() == namespace && answer.is_ok() {
                    *answer = Err(error.clone());
                }
            }
        }
        answers
    }
}

/// The answers, if there is one for each; else nobody knows which is whose.
fn one_each<T>(answers: Vec<Result<T>>, count: usize) -> Vec<Result<T>> {
    if answers.len() == count {
        return answers;
    }
    let message = format!("the store gave {} answers to {count} questions", answers.len());
    let error = Error::new(ErrorKind::Protocol, crate::error::Operation::Get, message);
    (0..count).map(|_| Err(error.clone())).collect()
}
