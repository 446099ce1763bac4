//! Names of people.

use super::text::{half_width, is_han, is_invisible};

/// The mark between the parts of a name: U+00B7, in GB 18030 the two bytes A1A4.
pub const SEPARATOR: char = '·';

/// The most characters (Unicode scalar values) a name may have.
pub const MAX_LENGTH: usize = 50;

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing but white space.
    #[error("a name has at least one character: type it")]
    Empty,
    /// More than 50 characters.
    #[error("a name has up to 50 characters: shorten it as the document does")]
    Length,
    /// A character that no name has.
    #[error(
        "a name has letters or Chinese characters, spaces, hyphens, apostrophes, dots and brackets: copy the document"
    )]
    Character,
    /// A separator at an end, or two in a row.
    #[error("the separator of a name stands once between two parts: remove the extra one")]
    Separator,
}

impl NameError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Length => "length",
            Self::Character => "character",
            Self::Separator => "separator",
        }
    }
}

/// Makes a typed name regular; what was typed is kept elsewhere.
///
/// The look-alikes `•` `．` `‧` `・` `･` `∙` and a full stop between Chinese characters become `·`; full-width letters become
/// half-width; white space goes at the ends, around separators and between Chinese characters, and is one space elsewhere.
/// Characters are never exchanged for others: a rare one stays the one in the document.
pub fn normalise(typed: &str) -> String {
    let separated: String =
        typed.chars().map(|c| if matches!(c, '•' | '．' | '‧' | '・' | '･' | '∙') { SEPARATOR } else { c }).collect();
    let mut name: Vec<char> = Vec::new();
    let mut gap = false;
    for c in half_width(&separated).chars() {
        if c.is_whitespace() {
            gap = true;
        } else if !is_invisible(c) {
            let closed = |last: char| last == SEPARATOR || c == SEPARATOR || is_han(last) && is_han(c);
            if gap && name.last().is_some_and(|last| !closed(*last)) {
                name.push(' ');
            }
            name.push(c);
            gap = false;
        }
    }
    let is_han_at = |at: Option<usize>| at.and_then(|at| name.get(at)).is_some_and(|c| is_han(*c));
    name.iter()
        .enumerate()
        .map(
            |(at, c)| if *c == '.' && is_han_at(at.checked_sub(1)) && is_han_at(Some(at + 1)) { SEPARATOR } else { *c },
        )
        .collect()
}

/// Checks a name as typed and returns its regular form: 1 to 50 characters, of one part or several (GB 18030-2022 in full).
pub fn check(typed: &str) -> Result<String, NameError> {
    let name = normalise(typed);
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.chars().count() > MAX_LENGTH {
        return Err(NameError::Length);
    }
    if !name.chars().all(belongs) {
        return Err(NameError::Character);
    }
    if name.split(SEPARATOR).any(str::is_empty) {
        return Err(NameError::Separator);
    }
    Ok(name)
}

/// Whether a character may stand in a name: letters of every script with their marks, private-use characters in which older
/// systems keep rare ones, and the marks documents print.
fn belongs(c: char) -> bool {
    let private = matches!(c, '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{10FFFD}');
    let mark = matches!(c, '\u{300}'..='\u{36F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{2FF0}'..='\u{2FFF}');
    c.is_alphabetic()
        || is_han(c)
        || private
        || mark
        || matches!(c, SEPARATOR | ' ' | '-' | '\'' | '’' | '.' | ',' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_look_alike_becomes_the_separator() {
        for separator in ["•", "．", "‧", "・", "·", "･", "∙", ".", " · "] {
            assert_eq!(check(&format!("买买提{separator}吐尔逊")).as_deref(), Ok("买买提·吐尔逊"), "{separator}");
        }
        assert_eq!(SEPARATOR, '\u{B7}');
        assert_eq!(normalise("J. R. Smith"), "J. R. Smith", "a full stop stays one among letters");
        assert_eq!(normalise("阿里.A.甲"), "阿里.A.甲");
    }

    #[test]
    fn spaces_go_where_they_only_align() {
        assert_eq!(normalise(" 张　三 "), "张三");
        assert_eq!(normalise("Ｊｏｈｎ   Smith\u{200B}"), "John Smith");
        assert_eq!(normalise("Anna 安娜"), "Anna 安娜");
    }

    #[test]
    fn rare_characters_survive_and_count_once() {
        for name in ["𰻝", "㛃", "\u{2A6D6}\u{20000}", "\u{F92C}", "\u{E816}", "葛\u{E0100}城"] {
            assert_eq!(check(name).as_deref(), Ok(name));
        }
        let long = "𠀀".repeat(50);
        assert_eq!(check(&long), Ok(long.clone()));
        assert_eq!(check(&(long + "𠀀")), Err(NameError::Length));
    }

    #[test]
    fn names_of_one_part_and_of_three_are_names() {
        for name in ["玛依拉", "阿不都·热合曼·买买提", "O'Neil-Smith, Anna", "José"] {
            assert_eq!(check(name).as_deref(), Ok(name));
        }
    }

    #[test]
    fn wrong_names_are_named() {
        let error = |typed| check(typed).unwrap_err().code();
        assert_eq!((error(""), error(" \u{3000}\u{200B}")), ("empty", "empty"));
        assert_eq!((error("张三1"), error("张三|李四"), error("张*三")), ("character", "character", "character"));
        assert_eq!((error("·张三"), error("张三·"), error("张··三")), ("separator", "separator", "separator"));
    }

    proptest! {
        #[test]
        fn making_regular_twice_changes_nothing(typed in "\\PC{0,60}|[张三𠀀a.·•・ 　]{0,20}") {
            let once = normalise(&typed);
            prop_assert_eq!(normalise(&once), once.clone());
            prop_assert_eq!(check(&typed), check(&once));
        }

        #[test]
        fn no_chinese_character_is_lost(typed: String) {
            let han = |text: &str| text.chars().filter(|c| is_han(*c)).collect::<String>();
            prop_assert_eq!(han(&normalise(&typed)), han(&typed));
        }
    }
}
