//! Sessions: their tokens, the cookie that carries them, and how they are shown to their owner.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keys::{KeyError, random};

/// The cookie's name. Browsers take `__Host-` only over HTTPS, for this host alone and for every path.
pub const COOKIE_NAME: &str = "__Host-gridpass";
/// A session's use is written down so often at most, in milliseconds.
pub const SEEN_EVERY_MS: i64 = 60_000;

/// A new token of 256 random bits.
pub fn token() -> Result<String, KeyError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// What is stored of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

/// The cookie that carries a token, for so many seconds.
pub fn cookie(token: &str, seconds: i64) -> Option<HeaderValue> {
    let cookie = format!("{COOKIE_NAME}={token}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&cookie).ok()
}

/// The token that the cookies of a request carry.
pub fn from_cookies(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(|line| line.split(';')).map(str::trim);
    cookies.find_map(|cookie| cookie.strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

/// Which program on which system a `User-Agent` names, in words of this table: a header may hold anything.
pub fn agent(header: &str) -> String {
    // The first that is named counts: browsers name those they are like, too.
    const PROGRAMS: [(&str, &str); 9] = [
        ("MicroMessenger", "WeChat"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("QQBrowser", "QQ Browser"),
        ("UCBrowser", "UC Browser"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ];
    const SYSTEMS: [(&str, &str); 7] = [
        ("HarmonyOS", "HarmonyOS"),
        ("OpenHarmony", "HarmonyOS"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let of =
        |table: &[(&str, &'static str)]| table.iter().find(|(mark, _)| header.contains(mark)).map(|(_, name)| *name);
    match (of(&PROGRAMS), of(&SYSTEMS)) {
        (Some(program), Some(system)) => format!("{program}, {system}"),
        (Some(one), None) | (None, Some(one)) => one.to_owned(),
        (None, None) => "other".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=b; x__Host-gridpass=no"));
        headers.append(COOKIE, HeaderValue::from_static("__Host-gridpass2=no;__Host-gridpass=yes; c=d"));
        assert_eq!(from_cookies(&headers), Some("yes"));
        assert_eq!(from_cookies(&HeaderMap::new()), None);
        let cookie = cookie("t", 60).unwrap();
        for part in ["__Host-gridpass=t; ", "Path=/", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=60"] {
            assert!(cookie.to_str().unwrap().contains(part), "{cookie:?}");
        }
        assert!(!cookie.to_str().unwrap().contains("Domain"), "browsers refuse it with this name");
    }

    #[test]
    fn programs_are_told_in_words_of_a_table() {
        let edge = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                    Safari/537.36 Edg/140.0.0.0";
        assert_eq!(agent(edge), "Edge, Windows");
        assert_eq!(agent("curl/8.9.1"), "curl");
        assert_eq!(agent("<script>alert(1)</script>"), "other");
    }

    #[test]
    fn tokens_are_256_random_bits() {
        let (one, other) = (token().unwrap(), token().unwrap());
        assert_eq!((one.len(), one == other), (43, false));
    }
}
