//! What can go wrong, as the app has to act on it.

use gridpass_core::catalog::{Catalog, Finding, Text};
use gridpass_core::sync::Failure;

use crate::host::HostError;
use crate::outbox::OutboxError;
use crate::store::StoreError;

/// The code of a sync that stopped because the phone is full.
pub(crate) const FULL: &str = "full";

/// What can go wrong. Each variant is something else that the app does next; no variant holds anything about a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Scan an enrolment code: there is no enrolment, or the server does not take this device any more.
    #[error("enrol again: {code}")]
    Enrol {
        /// Why, as a stable code.
        code: String,
    },
    /// Ask for the PIN.
    #[error("locked: {code}")]
    Locked {
        /// Why, as a stable code.
        code: String,
    },
    /// Try again later; nothing was lost.
    #[error("try again later: {code}")]
    Later {
        /// Why, as a stable code.
        code: String,
        /// How long to wait, in milliseconds.
        after_ms: u32,
    },
    /// Show the problems at their fields; what was typed is kept by the caller.
    #[error("{} problems in what was typed", problems.len())]
    Input {
        /// What is wrong, in the order of the form.
        problems: Vec<Problem>,
    },
    /// Go back: what was asked for is not on this phone.
    #[error("not on this phone")]
    NotFound,
    /// Update the app.
    #[error("the server or the stored data needs a newer app")]
    Update,
    /// Ask the user to free space: nothing of this was stored, and all that was stored before is kept.
    #[error("the phone is full: {step}")]
    Full {
        /// What was tried.
        step: String,
    },
    /// Give the app its folder back: it may not write there.
    #[error("{folder} cannot be written")]
    ReadOnly {
        /// The phone's folder.
        folder: String,
    },
    /// Restart, or offer the rescue.
    #[error("the phone's storage failed while: {step}")]
    Storage {
        /// What was tried.
        step: String,
        /// Whether the database is damaged: opening the phone again sets it aside and rebuilds it.
        damaged: bool,
    },
    /// Report it.
    #[error("a defect of the program in: {step}")]
    Bug {
        /// Where.
        step: String,
    },
}

/// One problem of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key of the field, if it is about one.
    pub key: Option<String>,
    /// A stable code.
    pub code: String,
    /// What is wrong and what to do; names fields, never a value.
    pub text: Text,
}

impl Problem {
    /// A problem of one field.
    pub fn at(key: &str, code: &str) -> Self {
        Self { key: Some(key.to_owned()), ..Self::of_form(code) }
    }

    /// A problem of the whole form.
    pub fn of_form(code: &str) -> Self {
        Self { key: None, code: code.to_owned(), text: text_of(code) }
    }

    /// The problem with a word of its text filled in.
    pub fn with(self, name: &str, word: &Text) -> Self {
        Self { text: self.text.fill([(name, word)]), ..self }
    }

    /// What a catalog found.
    pub(crate) fn found(finding: &Finding, catalog: &Catalog) -> Self {
        Self { key: Some(finding.at.clone()), code: finding.code.clone(), text: finding.text(catalog) }
    }
}

/// The text of a code of the program, or the bare code.
fn text_of(code: &str) -> Text {
    Catalog::built_in().text(code).cloned().unwrap_or_else(|| Text::new(code, code))
}

impl ApiError {
    /// What happened and what to do, in both languages; problems of a form have texts of their own.
    pub fn text(&self) -> Text {
        let known_or =
            |code: &str, else_code| Catalog::built_in().text(code).cloned().unwrap_or_else(|| text_of(else_code));
        match self {
            Self::Enrol { code } => known_or(code, "enrol_again"),
            Self::Locked { code } => text_of(code),
            Self::Later { code, .. } => known_or(code, "later"),
            Self::Input { .. } => text_of("check_form"),
            Self::NotFound => text_of("not_on_this_phone"),
            Self::Update => text_of("update_app"),
            Self::Full { .. } => text_of("storage_full"),
            Self::ReadOnly { folder } => text_of("storage_read_only").fill([("folder", &Text::new(folder, folder))]),
            Self::Storage { damaged: true, .. } => text_of("storage_damaged"),
            Self::Storage { .. } => text_of("storage"),
            Self::Bug { .. } => text_of("bug"),
        }
    }

    pub(crate) fn bug(step: &str) -> Self {
        Self::Bug { step: step.to_owned() }
    }

    pub(crate) fn input(problem: Problem) -> Self {
        Self::Input { problems: vec![problem] }
    }

    /// What a failed sync asks of the app.
    pub(crate) fn of_sync(failure: Failure, code: &str, after_ms: u32) -> Self {
        let code = code.to_owned();
        match failure {
            Failure::NoAnswer | Failure::Busy | Failure::Protocol => Self::Later { code, after_ms },
            Failure::Unauthorized | Failure::DeviceRefused => Self::Enrol { code },
            Failure::UpdateApp => Self::Update,
            Failure::Storage if code == FULL => Self::Full { step: "sync".to_owned() },
            Failure::Storage => Self::Storage { step: code, damaged: false },
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Newer { .. } => Self::Update,
            StoreError::WrongKey => Self::Locked { code: "wrong_key".to_owned() },
            StoreError::Damaged { step } => Self::Storage { step: step.to_owned(), damaged: true },
            StoreError::Sqlite { step, source } => {
                // What SQLite says names tables and columns, never what is in them.
                tracing::error!(step, %source, "the database failed");
                Self::Storage { step: format!("{step}: {:?}", source.sqlite_error_code()), damaged: false }
            }
            StoreError::Full { step } => Self::Full { step: step.to_owned() },
            StoreError::Io { step } => Self::Storage { step: step.to_owned(), damaged: false },
            StoreError::Host(error) => error.into(),
            StoreError::Outbox(error) => error.into(),
            StoreError::Refused(error) => *error,
        }
    }
}

impl From<OutboxError> for ApiError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Full { step } => Self::Full { step: format!("outbox, {step}") },
            _ => Self::Storage { step: error.to_string(), damaged: false },
        }
    }
}

impl From<HostError> for ApiError {
    fn from(error: HostError) -> Self {
        Self::Storage { step: error.step, damaged: false }
    }
}
