//! Texts as they are compared: what looks the same is the same.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The separators people type between the parts of a name; the standard one is the first, U+00B7. U+FF0E and the
/// half-width U+FF65 are listed because folding widths would turn them into something else.
const SEPARATORS: [char; 6] = ['\u{b7}', '\u{2022}', '\u{ff0e}', '\u{2027}', '\u{30fb}', '\u{ff65}'];

/// Lower case, one width, without accents, name separators and variation selectors; of characters that Unicode knows
/// under several numbers the one of NFC.
pub fn fold(text: &str) -> String {
    text.chars()
        .filter(|c| !SEPARATORS.contains(c) && !is_variation_selector(*c))
        .nfkd()
        .filter(|c| !is_combining_mark(*c))
        .nfc()
        .flat_map(char::to_lowercase)
        .collect()
}

/// Whether two names are the same for people: separators, widths, case and spaces do not count.
pub fn same_name(left: &str, right: &str) -> bool {
    let key = |text: &str| fold(text).split_whitespace().collect::<String>();
    key(left) == key(right)
}

fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{180b}'..='\u{180d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_the_same_is_the_same() {
        for separator in ['·', '•', '．', '‧', '・', '･'] {
            assert!(same_name("阿依古丽·买买提", &format!("阿依古丽{separator}买买提")), "{separator}");
        }
        assert!(same_name("ＪＯＳÉ １", "jose 1"));
        assert!(same_name("\u{fa19}", "神"), "compatibility ideograph");
        assert!(same_name("𠮷\u{e0100}田", "𠮷田"), "variation selector beyond the BMP");
        assert!(!same_name("张三", "张山"));
    }
}
