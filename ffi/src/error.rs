//! What can go wrong, as the app has to act on it.

use gridpass_phone::{ApiError, Problem};

use crate::view::TextView;

/// What can go wrong. Each variant is something else that the app does next; none holds anything about a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, uniffi::Error)]
pub enum PhoneError {
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
        problems: Vec<ProblemView>,
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
    /// Do nothing: the app itself stopped the call.
    #[error("stopped")]
    Stopped,
    /// Report it.
    #[error("a defect of the program in: {step}")]
    Bug {
        /// Where.
        step: String,
    },
}

/// One problem of what was typed.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ProblemView {
    /// The key of the field, if it is about one.
    pub key: Option<String>,
    /// A stable code.
    pub code: String,
    /// What is wrong and what to do; names fields, never a value.
    pub text: TextView,
}

impl From<Problem> for ProblemView {
    fn from(problem: Problem) -> Self {
        Self { key: problem.key, code: problem.code, text: problem.text.into() }
    }
}

impl From<ApiError> for PhoneError {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Enrol { code } => Self::Enrol { code },
            ApiError::Locked { code } => Self::Locked { code },
            ApiError::Later { code, after_ms } => Self::Later { code, after_ms },
            ApiError::Input { problems } => Self::Input { problems: problems.into_iter().map(Into::into).collect() },
            ApiError::NotFound => Self::NotFound,
            ApiError::Update => Self::Update,
            ApiError::Full { step } => Self::Full { step },
            ApiError::ReadOnly { folder } => Self::ReadOnly { folder },
            ApiError::Storage { step, damaged } => Self::Storage { step, damaged },
            ApiError::Bug { step } => Self::Bug { step },
        }
    }
}

impl PhoneError {
    /// One thing that was passed in cannot be read.
    pub(crate) fn unreadable(key: &str, code: &str) -> Self {
        let problem = ProblemView { key: Some(key.to_owned()), ..Problem::of_form(code).into() };
        Self::Input { problems: vec![problem] }
    }
}
