//! Sums of what is known and of what stands for more: requests of keys that are looked at anyway, and of keys of a sample.

/// What a request counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Weight {
    /// For how many it stands: 1, or more for a key of the sample.
    pub(crate) stands_for: f64,
    /// Whether it stands for itself alone.
    pub(crate) is_exact: bool,
}

impl Weight {
    pub(crate) const ONE: Self = Self { stands_for: 1.0, is_exact: true };
}

/// A sum in two parts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Split {
    exact: f64,
    sampled: f64,
}

impl Split {
    pub(crate) fn add(&mut self, figure: f64, weight: Weight) {
        if weight.is_exact {
            self.exact += figure;
        } else {
            self.sampled += figure * weight.stands_for;
        }
    }

    /// The whole, where `factor` corrects what the sample stands for.
    pub(crate) fn whole(self, factor: f64) -> f64 {
        self.exact + self.sampled * factor
    }

    /// By what the sample has to be multiplied so that the whole is this.
    pub(crate) fn factor(self, whole: f64) -> f64 {
        if self.sampled > 0.0 { ((whole - self.exact) / self.sampled).max(0.0) } else { 1.0 }
    }
}
