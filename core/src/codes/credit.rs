//! Unified social credit codes of organisations (统一社会信用代码, GB 32100-2015).

use super::text::{compact, is_digits, part};

/// The 31 characters of a code in the order of their values: no I, O, S, V or Z.
const ALPHABET: &str = "0123456789ABCDEFGHJKLMNPQRTUWXY";

/// Registering authority and category of organisation, the first two characters: GB 32100-2015 and its later additions.
const PREFIXES: [&str; 38] = [
    "11", "12", "13", "19", "21", "29", "31", "32", "33", "34", "35", "39", "41", "49", "51", "52", "53", "54", "55",
    "59", "61", "62", "69", "71", "72", "79", "81", "89", "91", "92", "93", "A1", "A9", "N1", "N2", "N3", "N9", "Y1",
];

/// A code of the right shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditCode {
    /// The regular form: 18 upper-case characters.
    pub code: String,
    /// What is doubtful though it blocks nothing.
    pub warnings: Vec<CreditWarning>,
}

impl CreditCode {
    /// Registering authority and category: the first two characters.
    pub fn prefix(&self) -> &str {
        part(&self.code, 0..2)
    }

    /// The division of the registering authority (GB/T 2260): six digits. Not where the organisation sits.
    pub fn division(&self) -> &str {
        part(&self.code, 2..8)
    }

    /// The organisation code inside (GB 11714): nine characters.
    pub fn organisation(&self) -> &str {
        part(&self.code, 8..17)
    }
}

/// Why a text is no credit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreditError {
    /// Not 18 characters.
    #[error("a credit code has 18 characters: count them on the licence")]
    Length,
    /// Characters that have no place there.
    #[error(
        "a credit code has 2 characters, 6 digits and 10 characters, never I, O, S, V or Z: compare it with the licence"
    )]
    Shape,
}

impl CreditError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Shape => "shape",
        }
    }
}

/// What is doubtful in a credit code that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CreditWarning {
    /// The last character does not fit. No error: such codes have been issued.
    #[error("the check character of the credit code does not fit: compare each character with the licence")]
    CheckDigit,
    /// No authority is known to issue codes that begin so. No error: authorities are added.
    #[error(
        "the first two characters of the credit code name no known authority and category: compare them with the licence"
    )]
    Prefix,
}

impl CreditWarning {
    /// The stable name of the warning.
    pub fn code(self) -> &'static str {
        match self {
            Self::CheckDigit => "check_digit",
            Self::Prefix => "prefix",
        }
    }
}

/// Makes a typed code regular: half width, upper case, no white space.
pub fn normalise(typed: &str) -> String {
    compact(typed)
}

/// Checks a code as typed: the shape blocks, check character and prefix only warn.
pub fn check(typed: &str) -> Result<CreditCode, CreditError> {
    let code = normalise(typed);
    if code.chars().count() != 18 {
        return Err(CreditError::Length);
    }
    if !code.chars().all(|c| ALPHABET.contains(c)) || !is_digits(part(&code, 2..8)) {
        return Err(CreditError::Shape);
    }
    let fits = check_character(part(&code, 0..17)) == code.chars().last();
    let known = PREFIXES.contains(&part(&code, 0..2));
    let warnings = [(fits, CreditWarning::CheckDigit), (known, CreditWarning::Prefix)];
    let warnings = warnings.into_iter().filter_map(|(fine, warning)| (!fine).then_some(warning)).collect();
    Ok(CreditCode { code, warnings })
}

/// The check character of the first 17: `(31 - sum of value * 3^(i-1) mod 31) mod 31`; none for anything else.
pub fn check_character(characters: &str) -> Option<char> {
    if characters.chars().count() != 17 {
        return None;
    }
    let (sum, _) = characters.chars().try_fold((0, 1), |(sum, weight), c| {
        let value = ALPHABET.chars().position(|known| known == c)?;
        Some((sum + value * weight, weight * 3 % 31))
    })?;
    ALPHABET.chars().nth((31 - sum % 31) % 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_published_code_is_valid() {
        let found = check(" 91110000 600037341l ").unwrap();
        assert_eq!(found.code, "91110000600037341L");
        assert_eq!((found.prefix(), found.division(), found.organisation()), ("91", "110000", "600037341"));
        assert_eq!(found.warnings, []);
    }

    #[test]
    fn a_wrong_check_character_only_warns_because_such_codes_were_issued() {
        assert_eq!(check("91350211M0000XUF46").unwrap().warnings, [CreditWarning::CheckDigit]);
        assert_eq!(check_character("91350211M0000XUF4"), Some('R'));
    }

    #[test]
    fn a_remainder_of_zero_gives_zero() {
        assert_eq!(check_character("00000000000000000"), Some('0'));
    }

    #[test]
    fn an_unknown_prefix_only_warns() {
        let code = "97110000600037341";
        let code = format!("{code}{}", check_character(code).unwrap());
        assert_eq!(check(&code).unwrap().warnings, [CreditWarning::Prefix]);
    }

    #[test]
    fn the_shape_blocks() {
        assert_eq!(check("").unwrap_err().code(), "length");
        assert_eq!(check("91110000600037341").unwrap_err().code(), "length");
        for typed in [
            "9111000A600037341L",
            "91110000I00037341L",
            "91110000O00037341L",
            "91110000-00037341L",
            "91110000六00037341",
        ] {
            assert_eq!(check(&format!("{typed:0<18}")).unwrap_err().code(), "shape", "{typed}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_character_is_noticed(body in "9[123][0-9]{6}[0-9A-HJ-NPQRTUWXY]{9}", at in 0usize..17, step in 1usize..31) {
            let code = format!("{body}{}", check_character(&body).unwrap());
            prop_assert_eq!(check(&code).unwrap().warnings, []);
            let mut typo: Vec<char> = code.chars().collect();
            let value = ALPHABET.find(typo[at]).unwrap();
            typo[at] = ALPHABET.chars().nth((value + step) % 31).unwrap();
            let typo: String = typo.into_iter().collect();
            prop_assert!(check(&typo).map_or(true, |found| found.warnings.contains(&CreditWarning::CheckDigit)));
        }

        #[test]
        fn no_text_panics(typed in "\\PC{0,20}|[0-9A-Z]{18}") {
            prop_assert_eq!(normalise(&normalise(&typed)), normalise(&typed));
            let _ = (check(&typed), check_character(&typed));
        }
    }
}
