//! What people read of a refusal: one file with a text per code, Chinese and English.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use serde::Deserialize;

/// A language that texts are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese, where nothing else is asked for.
    Zh,
    /// English.
    En,
}

/// A text in both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

#[derive(Deserialize)]
struct File {
    text: BTreeMap<String, Text>,
}

static TEXTS: LazyLock<BTreeMap<String, Text>> =
    LazyLock::new(|| toml::from_str::<File>(include_str!("../texts.toml")).map(|file| file.text).unwrap_or_default());

/// Every code with its text.
pub fn texts() -> &'static BTreeMap<String, Text> {
    &TEXTS
}

/// The text of a code with its numbers; the code itself where there is none.
pub fn text(code: &str, language: Language, args: &BTreeMap<&'static str, u64>) -> String {
    let Some(text) = TEXTS.get(code) else { return code.to_owned() };
    let mut text = match language {
        Language::Zh => text.zh.clone(),
        Language::En => text.en.clone(),
    };
    for (name, value) in args {
        text = text.replace(&format!("{{{name}}}"), &value.to_string());
    }
    text
}

impl Language {
    /// The language of `Accept-Language` that is wanted most, of those there are.
    pub fn of(headers: &HeaderMap) -> Self {
        let asked = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (mut best, mut language) = (0.0, Self::Zh);
        for entry in asked.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let tag = parts.next().unwrap_or_default().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse::<f32>().ok());
            let known = match tag.as_str() {
                "zh" => Self::Zh,
                "en" => Self::En,
                _ => continue,
            };
            if weight.is_some_and(|weight| weight > best) {
                (best, language) = (weight.unwrap_or(0.0), known);
            }
        }
        language
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_language_wanted_most_is_taken_and_chinese_otherwise() {
        for (asked, language) in [
            ("", Language::Zh),
            ("en", Language::En),
            ("en-GB,en;q=0.9", Language::En),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Zh),
            ("zh;q=0.1, en;q=0.2", Language::En),
            ("fr, de;q=0.9", Language::Zh),
            ("en;q=0", Language::Zh),
            ("en;q=x;;,,", Language::Zh),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_static(asked));
            assert_eq!(Language::of(&headers), language, "{asked}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::Zh);
    }

    #[test]
    fn numbers_are_put_into_their_places() {
        let args = BTreeMap::from([("max", 64)]);
        assert!(text("too_long", Language::En, &args).contains("64"));
        assert!(!text("too_long", Language::Zh, &args).contains('{'));
        assert_eq!(text("no_such_code", Language::Zh, &args), "no_such_code");
    }
}
