//! What happened when: requests and hits in steps of time, that double whenever there are too many of them.

/// There are no more than so many steps.
const MOST: i64 = 96;

/// Requests and hits over time.
#[derive(Debug)]
pub(crate) struct Series {
    begin: Option<i64>,
    /// Milliseconds.
    pub(crate) step: i64,
    steps: Vec<Step>,
    ttls: usize,
}

/// What happened in a step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    pub(crate) requests: f64,
    /// Of the requests: those that were looked at, where only some were.
    pub(crate) looked_at: f64,
    /// Of those: the hits, for each TTL.
    pub(crate) hits: Vec<f64>,
}

impl Series {
    pub(crate) fn new(ttls: usize) -> Self {
        Self { begin: None, step: 60_000, steps: Vec::new(), ttls }
    }

    /// The step of this moment, which is none before that of the call before.
    pub(crate) fn at(&mut self, time: i64) -> &mut Step {
        let begin = *self.begin.get_or_insert(time);
        while (time - begin) / self.step >= MOST {
            self.double();
        }
        let at = usize::try_from((time - begin) / self.step).unwrap_or(0);
        if at >= self.steps.len() {
            self.steps.resize(at + 1, Step { hits: vec![0.0; self.ttls], ..Step::default() });
        }
        &mut self.steps[at]
    }

    /// Each step with its beginning, in milliseconds since 1970.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, &Step)> {
        let begin = self.begin.unwrap_or_default();
        (0..).map(move |number| begin + number * self.step).zip(&self.steps)
    }

    fn double(&mut self) {
        self.step *= 2;
        self.steps = self
            .steps
            .chunks(2)
            .map(|pair| {
                pair.iter().skip(1).fold(pair[0].clone(), |mut sum, step| {
                    sum.requests += step.requests;
                    sum.looked_at += step.looked_at;
                    sum.hits.iter_mut().zip(&step.hits).for_each(|(sum, hits)| *sum += hits);
                    sum
                })
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "whole numbers")]

    use super::*;

    #[test]
    fn steps_double_and_lose_nothing() {
        let mut series = Series::new(1);
        for minute in 0..5000 {
            let step = series.at(minute * 60_000);
            step.requests += 1.0;
            step.hits[0] += 0.5;
        }
        assert_eq!(series.step, 64 * 60_000);
        assert!(series.steps.len() <= 96);
        assert_eq!(series.iter().map(|(_, step)| step.requests).sum::<f64>(), 5000.0);
        assert_eq!(series.iter().map(|(_, step)| step.hits[0]).sum::<f64>(), 2500.0);
        series.at(i64::MAX / 4).requests += 1.0;
        assert!(series.steps.len() <= 96);
    }
}
