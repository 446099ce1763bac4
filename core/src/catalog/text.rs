//! Words a user sees, in the two languages of the product.

/// One text, Chinese first. Placeholders are written `{label}` and filled by whoever shows the text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Text {
    /// Simplified Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

impl Text {
    /// A text from its two forms.
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The text with every `{name}` of `args` filled in.
    pub fn fill<'a>(&self, args: impl IntoIterator<Item = (&'a str, &'a Text)>) -> Self {
        args.into_iter().fold(self.clone(), |text, (name, value)| {
            let place = format!("{{{name}}}");
            Self { zh: text.zh.replace(&place, &value.zh), en: text.en.replace(&place, &value.en) }
        })
    }
}
