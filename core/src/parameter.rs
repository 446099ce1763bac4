//! What a district may set and phones must know: numbers by name, in one record of the district's bucket.

use crate::id::RecordId;
use crate::{Value, record::ShownValues};

/// The collection of the one record that holds them. Its keys are the names of [`Parameter::ALL`].
pub const COLLECTION: &str = "parameter";

/// A number that a district may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What holds until the district says otherwise.
    pub default: i64,
    /// The smallest number that makes sense.
    pub min: i64,
    /// The largest.
    pub max: i64,
}

impl Parameter {
    /// Days between visits to a household.
    pub const VISIT_INTERVAL_DAYS: Self = Self { name: "visit_interval_days", default: 90, min: 1, max: 3650 };

    /// Every parameter.
    pub const ALL: [Self; 1] = [Self::VISIT_INTERVAL_DAYS];

    /// The parameter of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|parameter| parameter.name == name)
    }

    /// Whether it may be set to a number.
    pub fn takes(&self, number: i64) -> bool {
        (self.min..=self.max).contains(&number)
    }

    /// What holds, by the record that holds all; a number that makes no sense is passed over.
    pub fn of(&self, shown: Option<&ShownValues>) -> i64 {
        let set = shown.and_then(|shown| shown.get(self.name)?.value().as_int());
        set.filter(|number| self.takes(*number)).unwrap_or(self.default)
    }

    /// The record that holds all of them.
    pub fn record() -> RecordId {
        RecordId::derived(COLLECTION, &[b"district"])
    }

    /// The record's values with this one set.
    pub fn set(&self, shown: &ShownValues, number: i64) -> ShownValues {
        let mut shown = shown.clone();
        shown.insert(self.name.to_owned(), crate::record::Shown::One(Value::Int(number)));
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_passed_over() {
        let interval = Parameter::VISIT_INTERVAL_DAYS;
        let nothing = ShownValues::new();
        assert_eq!((interval.of(None), interval.of(Some(&nothing))), (90, 90));
        assert_eq!(interval.of(Some(&interval.set(&nothing, 30))), 30);
        assert_eq!(interval.of(Some(&interval.set(&nothing, 0))), 90);
        assert_eq!(Parameter::named("visit_interval_days"), Some(interval));
        assert_eq!(Parameter::named("visit_interval"), None);
    }
}
