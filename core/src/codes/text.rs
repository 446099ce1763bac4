//! Typed text made regular, and the parts of it that may be shown.

use std::ops::Range;

/// Turns full-width ASCII (U+FF01–U+FF5E) and the ideographic space into their half-width forms.
pub fn half_width(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{3000}' => ' ',
            '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - 0xFEE0).unwrap_or(c),
            _ => c,
        })
        .collect()
}

/// Makes a typed code regular: half width, upper-case ASCII, no white space and nothing invisible.
pub fn compact(text: &str) -> String {
    half_width(text)
        .chars()
        .filter(|c| !c.is_whitespace() && !is_invisible(*c))
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// Whether a character shows nothing and comes along with copied text: controls, zero-width and direction marks.
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// Whether a character is a Chinese one, rare ones beyond the basic plane included.
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3007}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Hides all but the first `head` and the last `tail` characters; a text too short to hide anything is hidden whole.
pub fn mask(text: &str, head: usize, tail: usize) -> String {
    let length = text.chars().count();
    let shown = |at| head + tail < length && (at < head || at >= length - tail);
    text.chars().enumerate().map(|(at, c)| if shown(at) { c } else { '*' }).collect()
}

/// The last `count` characters.
pub fn tail(text: &str, count: usize) -> String {
    text.chars().skip(text.chars().count().saturating_sub(count)).collect()
}

/// Whether a text is one or more ASCII digits and nothing else.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a text is one or more ASCII letters or digits and nothing else.
pub(super) fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A part of an ASCII code by position; empty where the code has no such part.
pub(super) fn part(code: &str, range: Range<usize>) -> &str {
    code.get(range).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn typed_codes_become_regular() {
        assert_eq!(compact(" １１０１０５\u{3000}19491231 ００２ｘ\u{200B}\n"), "11010519491231002X");
        assert_eq!(half_width("Ａ座（东）~"), "A座(东)~");
    }

    #[test]
    fn short_texts_are_hidden_whole() {
        assert_eq!(mask("12345678", 2, 2), "12****78");
        assert_eq!(mask("1234", 2, 2), "****");
        assert_eq!(mask("", 4, 4), "");
        assert_eq!(mask("𰻝王五六七", 1, 1), "𰻝***七", "characters, not bytes");
    }

    #[test]
    fn tails_count_characters() {
        assert_eq!(tail("张三𰻝", 2), "三𰻝");
        assert_eq!(tail("1", 4), "1");
        assert_eq!(tail("1", 0), "");
    }

    #[test]
    fn rare_characters_are_chinese_and_separators_are_not() {
        assert!("一㐀𠀀𰻝〇".chars().all(is_han));
        assert!(!"a·1ー".chars().any(is_han));
    }

    proptest! {
        #[test]
        fn making_regular_twice_changes_nothing(text: String) {
            let once = compact(&text);
            prop_assert_eq!(compact(&once), once.clone());
            prop_assert!(!once.chars().any(|c| c.is_whitespace() || c.is_ascii_lowercase()));
        }

        #[test]
        fn a_mask_keeps_the_length_and_shows_no_more_than_asked(text: String, head in 0usize..6, tail in 0usize..6) {
            let masked = mask(&text, head, tail);
            prop_assert_eq!(masked.chars().count(), text.chars().count());
            let shown = masked.chars().zip(text.chars()).filter(|(m, t)| m == t && *t != '*').count();
            prop_assert!(shown <= head + tail);
        }
    }
}
