//! How mutants are listed that are one store, with or without a flaw.

/// Lists mutants: how the store is made with a flaw or without, then each flaw with its name in words and the case that must catch
/// it. Defines `Flaw` and `MUTANTS`.
macro_rules! mutants {
    (|$clock:ident, $flaw:ident| $make:expr; $($kind:ident $name:literal => $caught_by:literal;)*) => {
        /// The one way in which it is wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum Flaw { $($kind),* }

        pub(super) const MUTANTS: &[Mutant] = &[$(
            Mutant {
                name: $name,
                caught_by: $caught_by,
                make: |$clock| {
                    let $flaw = Some(Flaw::$kind);
                    $make
                },
                healthy: |$clock| {
                    let $flaw = None;
                    $make
                },
            },
        )*];
    };
}
