//! Numbers of identity documents: residents, visitors and certificates.

use std::fmt;

use super::date::Date;
use super::text::{self, compact, is_alphanumeric, is_digits, part};

/// The division of all made-up numbers: GB/T 2260 assigns 370299 to no county.
pub const TEST_DIVISION: &str = "370299";

/// Years nobody has lived; an older birth date is doubted.
const MAX_AGE: u16 = 130;

/// A kind of identity document, the value of a field `id_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdKind {
    /// 居民身份证: 18 characters (GB 11643-1999); 15 digits of the first generation are completed.
    Resident,
    /// 港澳台居民居住证: 18 characters that begin 810000, 820000 or 830000.
    HkMoTwResidence,
    /// 外国人永久居留身份证: 15 characters (2017) or 18 that begin with 9 (from 2023-12-01); both are in use.
    ForeignResidence,
    /// 港澳居民来往内地通行证: H or M with 8 or 10 digits, HA or MA with 7 for permanent residents who are not Chinese.
    HkMoTravel,
    /// 台湾居民来往大陆通行证: 8 digits.
    TwTravel,
    /// 中国护照: a letter with 8 digits, or two letters, 14 or 15 with 7.
    ChinesePassport,
    /// 外国护照: 5 to 20 letters and digits; the issuing state is a field of its own.
    ForeignPassport,
    /// 残疾人证: an 18-character identity number, the kind (1–7) and the degree (1–4) of the disability.
    Disability,
}

impl IdKind {
    /// Every kind, the most frequent first.
    pub const ALL: [Self; 8] = [
        Self::Resident,
        Self::HkMoTwResidence,
        Self::ForeignResidence,
        Self::HkMoTravel,
        Self::TwTravel,
        Self::ChinesePassport,
        Self::ForeignPassport,
        Self::Disability,
    ];

    /// The stable code stored in records.
    pub fn code(self) -> &'static str {
        match self {
            Self::Resident => "resident_id",
            Self::HkMoTwResidence => "hmt_residence_permit",
            Self::ForeignResidence => "foreign_pr_card",
            Self::HkMoTravel => "hk_macao_permit",
            Self::TwTravel => "taiwan_permit",
            Self::ChinesePassport => "passport_cn",
            Self::ForeignPassport => "passport",
            Self::Disability => "disability",
        }
    }

    /// The kind with a stored code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind whose shape and check digit a typed number satisfies, to propose it; a foreign passport is never guessed.
    pub fn guess(typed: &str, today: Date) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind != Self::ForeignPassport && check(*kind, typed, today).is_ok())
    }

    fn label(self) -> &'static str {
        match self {
            Self::Resident => "resident identity card",
            Self::HkMoTwResidence => "residence permit for Hong Kong, Macao and Taiwan residents",
            Self::ForeignResidence => "foreign permanent resident card",
            Self::HkMoTravel => "mainland travel permit for Hong Kong and Macao residents",
            Self::TwTravel => "mainland travel permit for Taiwan residents",
            Self::ChinesePassport => "Chinese passport",
            Self::ForeignPassport => "foreign passport",
            Self::Disability => "disability certificate",
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Resident => "17 digits and a digit or X (15 digits on cards of the first generation)",
            Self::HkMoTwResidence => "17 digits, beginning 810000, 820000 or 830000, and a digit or X",
            Self::ForeignResidence => "9 with 16 digits and a digit or X, or three letters with 12 digits",
            Self::HkMoTravel => "H or M with 8 or 10 digits, or HA or MA with 7 digits",
            Self::TwTravel => "8 digits",
            Self::ChinesePassport => "a letter with 8 digits, or two letters, 14 or 15 with 7 digits",
            Self::ForeignPassport => "5 to 20 letters and digits",
            Self::Disability => "an identity number of 18 characters, a digit 1-7 and a digit 1-4",
        }
    }
}

/// The gender an identity number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gender {
    /// Code 1.
    Male,
    /// Code 2.
    Female,
}

impl Gender {
    /// The code of GB/T 2261.1-2003: `1` male, `2` female.
    pub fn code(self) -> &'static str {
        match self {
            Self::Male => "1",
            Self::Female => "2",
        }
    }
}

/// What a disability certificate's number tells; health data, to be treated as sensitive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Disability {
    /// 1 sight, 2 hearing, 3 speech, 4 limbs, 5 intellect, 6 mind, 7 several.
    pub kind: u8,
    /// 1 the gravest to 4.
    pub degree: u8,
}

/// A number that passed its check, with what can be read from it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The kind it was checked as.
    pub kind: IdKind,
    /// The regular form: upper case, no spaces, first-generation numbers completed to 18 characters.
    pub number: String,
    /// The birth date in the number, which in rare cases is a century off.
    pub birth: Option<Date>,
    /// From the sequence number: odd male, even female.
    pub gender: Option<Gender>,
    /// Six digits of GB/T 2260: where the number was first given, under the codes of that time.
    pub division: Option<String>,
    /// Of a foreigner's card: three letters (2017) or three digits (2023) of GB/T 2659.
    pub country: Option<String>,
    /// Of a disability certificate only.
    pub disability: Option<Disability>,
    /// What is doubtful though it blocks nothing.
    pub warnings: Vec<IdentityWarning>,
}

impl Identity {
    /// Asks `known` about the division, handing it six digits and the birth date, because a code counts as known if it was
    /// in force in the year of birth. No division table is built in.
    pub fn division_warning(&self, known: impl FnOnce(&str, Option<Date>) -> bool) -> Option<IdentityWarning> {
        let division = self.division.as_deref()?;
        (!known(division, self.birth)).then_some(IdentityWarning::Division)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("kind", &self.kind)
            .field("number", &mask(&self.number))
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

/// Why a number cannot be one of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Too many or too few characters.
    #[error("a {} has {}: count the characters", .0.label(), .0.shape())]
    Length(IdKind),
    /// The right number of characters, but not the right ones.
    #[error("a {} has {}: compare each character with the document", .0.label(), .0.shape())]
    Shape(IdKind),
    /// The birth date in the number is no day of the calendar.
    #[error("the birth date inside the number of a {} is no real day: compare it with the document", .0.label())]
    BirthDate(IdKind),
    /// The last character does not fit the others.
    #[error("the check character of the {} does not fit, so a character is wrong: compare each with the document", .0.label())]
    CheckDigit(IdKind),
    /// A faultless number of another kind.
    #[error("this is the number of a {}: choose that kind of document", .0.label())]
    OtherKind(IdKind),
}

impl IdentityError {
    /// The stable name of the error.
    pub fn code(self) -> &'static str {
        match self {
            Self::Length(_) => "length",
            Self::Shape(_) => "shape",
            Self::BirthDate(_) => "birth_date",
            Self::CheckDigit(_) => "check_digit",
            Self::OtherKind(_) => "other_kind",
        }
    }
}

/// What is doubtful in a number that may be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum IdentityWarning {
    /// Born after today or 130 years ago and more. No error: a phone's clock may be wrong, and so may an issued number.
    #[error("the birth date inside the number lies in the future or 130 years back: compare it with the document")]
    BirthDate,
    /// The division was not in force in the year of birth.
    #[error("the first six digits name no division of the year of birth: compare them with the document")]
    Division,
    /// Fifteen digits were completed to eighteen characters.
    #[error("a number of 15 digits was completed to 18 characters: compare it with the present card")]
    FirstGeneration,
}

impl IdentityWarning {
    /// The stable name of the warning.
    pub fn code(self) -> &'static str {
        match self {
            Self::BirthDate => "birth_date",
            Self::Division => "division",
            Self::FirstGeneration => "first_generation",
        }
    }
}

/// Makes a typed number regular: half width, upper case, no white space; 15 digits of a resident become 18 characters.
pub fn normalise(kind: IdKind, typed: &str) -> String {
    let number = compact(typed);
    if kind == IdKind::Resident { complete(&number).unwrap_or(number) } else { number }
}

/// Checks a number as typed; `today` serves to doubt birth dates and to find the century of two-digit years.
pub fn check(kind: IdKind, typed: &str, today: Date) -> Result<Identity, IdentityError> {
    let number = normalise(kind, typed);
    let length = number.chars().count();
    let lengths: &[usize] = match kind {
        IdKind::Resident | IdKind::HkMoTwResidence => &[18],
        IdKind::ForeignResidence => &[15, 18],
        IdKind::HkMoTravel => &[9, 11],
        IdKind::TwTravel => &[8],
        IdKind::ChinesePassport => &[9],
        IdKind::ForeignPassport => &[5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        IdKind::Disability => &[20],
    };
    if !lengths.contains(&length) {
        return Err(IdentityError::Length(kind));
    }
    if !is_alphanumeric(&number) {
        return Err(IdentityError::Shape(kind));
    }
    let mut found = Identity {
        kind,
        number: number.clone(),
        birth: None,
        gender: None,
        division: None,
        country: None,
        disability: None,
        warnings: Vec::new(),
    };
    match kind {
        IdKind::Resident | IdKind::HkMoTwResidence => read_mod_11_2(&mut found, &number)?,
        IdKind::ForeignResidence if length == 18 => read_mod_11_2(&mut found, &number)?,
        IdKind::ForeignResidence => read_2017(&mut found, today)?,
        IdKind::Disability => {
            let (holder, health) = (part(&number, 0..18), part(&number, 18..20));
            read_mod_11_2(&mut found, holder)?;
            found.disability = match health.as_bytes() {
                [kind @ b'1'..=b'7', degree @ b'1'..=b'4'] => {
                    Some(Disability { kind: kind - b'0', degree: degree - b'0' })
                }
                _ => return Err(IdentityError::Shape(kind)),
            };
        }
        _ if !fits(kind, &number) => return Err(IdentityError::Shape(kind)),
        _ => {}
    }
    if found.birth.is_some_and(|birth| birth.age_on(today).is_none_or(|age| age >= MAX_AGE)) {
        found.warnings.push(IdentityWarning::BirthDate);
    }
    if kind == IdKind::Resident && compact(typed) != number {
        found.warnings.push(IdentityWarning::FirstGeneration);
    }
    Ok(found)
}

/// The check character of 17 digits (ISO 7064 MOD 11-2 as in GB 11643-1999); none for anything else.
pub fn check_character(digits: &str) -> Option<char> {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];
    if digits.len() != WEIGHTS.len() {
        return None;
    }
    let sum =
        digits.chars().zip(WEIGHTS).try_fold(0, |sum, (digit, weight)| Some(sum + digit.to_digit(10)? * weight))?;
    CHARACTERS.into_iter().nth(sum as usize % 11)
}

/// The check digit of a field of a machine-readable zone (ICAO 9303, weights 7-3-1); none where a character has no place there.
pub fn mrz_check_digit(field: &str) -> Option<char> {
    let sum = field.chars().zip([7, 3, 1].into_iter().cycle()).try_fold(0u32, |sum, (c, weight)| {
        let value = match c {
            '<' => 0,
            '0'..='9' | 'A'..='Z' => c.to_digit(36)?,
            _ => return None,
        };
        Some((sum + value * weight) % 10)
    })?;
    char::from_digit(sum, 10)
}

/// A valid resident number for test data: [`TEST_DIVISION`], a birth date and a sequence number (modulo 1000; odd male).
pub fn test_number(birth: Date, sequence: u16) -> String {
    let digits =
        format!("{TEST_DIVISION}{:04}{:02}{:02}{:03}", birth.year(), birth.month(), birth.day(), sequence % 1000);
    let check = check_character(&digits).unwrap_or_default();
    format!("{digits}{check}")
}

/// What may be shown of a number: the first and last 4 characters of 15 or more, the first and last 2 of 8 or more, else
/// nothing. Of a disability certificate (20) the kind and degree stay hidden, for they tell of a person's health.
pub fn mask(number: &str) -> String {
    let number = compact(number);
    match number.chars().count() {
        20 => text::mask(&holder(&number), 4, 4) + "**",
        15.. => text::mask(&number, 4, 4),
        8.. => text::mask(&number, 2, 2),
        _ => text::mask(&number, 0, 0),
    }
}

/// The last 4 characters, by which people look a number up; of a disability certificate (20) those of the identity number.
pub fn tail(number: &str) -> String {
    let number = compact(number);
    text::tail(&if number.chars().count() == 20 { holder(&number) } else { number }, 4)
}

fn holder(certificate: &str) -> String {
    certificate.chars().take(18).collect()
}

/// Completes 15 digits: `19` goes before the two digits of the year, the check character behind (GB 11643-1999).
fn complete(number: &str) -> Option<String> {
    if number.len() != 15 || !is_digits(number) {
        return None;
    }
    let digits = format!("{}19{}", part(number, 0..6), part(number, 6..15));
    let check = check_character(&digits)?;
    Some(format!("{digits}{check}"))
}

fn read_mod_11_2(found: &mut Identity, number: &str) -> Result<(), IdentityError> {
    let (digits, check) = (part(number, 0..17), number.chars().nth(17));
    if !is_digits(digits) || !check.is_some_and(|c| c.is_ascii_digit() || c == 'X') || digits.starts_with('0') {
        return Err(IdentityError::Shape(found.kind));
    }
    let birth = Date::from_digits(part(digits, 6..14)).map_err(|_| IdentityError::BirthDate(found.kind))?;
    if check != check_character(digits) {
        return Err(IdentityError::CheckDigit(found.kind));
    }
    let kind = match part(digits, 0..6) {
        "810000" | "820000" | "830000" => IdKind::HkMoTwResidence,
        division if division.starts_with('9') => IdKind::ForeignResidence,
        _ => IdKind::Resident,
    };
    if found.kind != kind && (found.kind != IdKind::Disability || kind == IdKind::ForeignResidence) {
        return Err(IdentityError::OtherKind(kind));
    }
    found.birth = Some(birth);
    if kind == IdKind::ForeignResidence {
        found.country = Some(part(digits, 3..6).to_owned());
    } else {
        let odd = part(digits, 16..17).parse::<u8>().is_ok_and(|digit| digit % 2 == 1);
        found.gender = Some(if odd { Gender::Male } else { Gender::Female });
        found.division = Some(part(digits, 0..6).to_owned());
    }
    Ok(())
}

/// Three letters, four digits of the region, `yymmdd`, two digits.
fn read_2017(found: &mut Identity, today: Date) -> Result<(), IdentityError> {
    let (country, digits) = (part(&found.number, 0..3), part(&found.number, 3..15));
    if !country.bytes().all(|b| b.is_ascii_uppercase()) || !is_digits(digits) {
        return Err(IdentityError::Shape(found.kind));
    }
    let born_in = |century| Date::from_digits(&format!("{century}{}", part(digits, 4..10))).ok();
    let birth = born_in("20").filter(|birth| *birth <= today).or_else(|| born_in("19"));
    found.birth = Some(birth.ok_or(IdentityError::BirthDate(found.kind))?);
    found.country = Some(country.to_owned());
    Ok(())
}

/// Whether an ASCII number of a permitted length has the shape of a kind without a check character.
fn fits(kind: IdKind, number: &str) -> bool {
    let letters = number.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = part(number, letters..number.len());
    let lettered = |counts: &[(usize, usize)]| is_digits(digits) && counts.contains(&(letters, digits.len()));
    match kind {
        IdKind::HkMoTravel => match part(number, 0..letters) {
            "H" | "M" => lettered(&[(1, 8), (1, 10)]),
            "HA" | "MA" => lettered(&[(2, 7)]),
            _ => false,
        },
        IdKind::TwTravel => lettered(&[(0, 8)]),
        IdKind::ChinesePassport => {
            lettered(&[(1, 8), (2, 7)]) || lettered(&[(0, 9)]) && ["14", "15"].contains(&part(number, 0..2))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn today() -> Date {
        Date::new(2025, 6, 1).unwrap()
    }

    fn date(text: &str) -> Option<Date> {
        Some(text.parse().unwrap())
    }

    fn error(kind: IdKind, typed: &str) -> &'static str {
        check(kind, typed, today()).unwrap_err().code()
    }

    /// The same rule as a polynomial: `c = (1 - 2 * int(17 digits, base 13)) mod 11`.
    fn check_character_in_base_13(digits: &str) -> char {
        let number = digits.chars().fold(0i64, |sum, digit| (sum * 13 + i64::from(digit.to_digit(10).unwrap())) % 11);
        match (1 - 2 * number).rem_euclid(11) {
            10 => 'X',
            value => char::from_digit(value as u32, 10).unwrap(),
        }
    }

    #[test]
    fn published_resident_numbers_are_valid() {
        let found = check(IdKind::Resident, "11010519491231002x", today()).unwrap();
        assert_eq!(found.number, "11010519491231002X");
        assert_eq!(found.birth, date("1949-12-31"));
        assert_eq!(found.gender, Some(Gender::Female));
        assert_eq!(found.division.as_deref(), Some("110105"));
        assert_eq!(found.warnings, []);

        let found = check(IdKind::Resident, "440524188001010014", today()).unwrap();
        assert_eq!(found.gender.map(Gender::code), Some("1"));
        assert_eq!(found.warnings, [IdentityWarning::BirthDate], "born 1880");
    }

    #[test]
    fn typing_habits_do_not_matter() {
        for typed in
            ["１１０１０５１９４９１２３１００２Ｘ", " 110105 19491231\t002x ", "110105\u{3000}19491231002X\u{200B}"]
        {
            assert_eq!(normalise(IdKind::Resident, typed), "11010519491231002X");
        }
    }

    #[test]
    fn first_generation_numbers_are_completed() {
        let found = check(IdKind::Resident, "110105 491231 002", today()).unwrap();
        assert_eq!(found.number, "11010519491231002X");
        assert_eq!(found.warnings, [IdentityWarning::FirstGeneration]);
        assert_eq!(error(IdKind::Resident, "110105490231002"), "birth_date");
        assert_eq!(error(IdKind::Disability, "110105491231002"), "length");
    }

    #[test]
    fn faults_have_stable_names() {
        assert_eq!(error(IdKind::Resident, ""), "length");
        assert_eq!(error(IdKind::Resident, "1101051949123100"), "length");
        assert_eq!(error(IdKind::Resident, "1101051949123100AX"), "shape");
        assert_eq!(error(IdKind::Resident, "01010519491231002X"), "shape");
        assert_eq!(error(IdKind::Resident, "一10105194912310024"), "shape");
        assert_eq!(error(IdKind::Resident, "110105194902310021"), "birth_date");
        assert_eq!(error(IdKind::Resident, "110105194912310021"), "check_digit");
    }

    #[test]
    fn future_birth_dates_are_doubted_only() {
        let number = test_number(Date::new(2025, 6, 2).unwrap(), 1);
        assert_eq!(check(IdKind::Resident, &number, today()).unwrap().warnings, [IdentityWarning::BirthDate]);
        let number = test_number(today(), 1);
        assert_eq!(check(IdKind::Resident, &number, today()).unwrap().warnings, []);
    }

    #[test]
    fn permits_of_hong_kong_macao_and_taiwan_residents_are_told_from_resident_cards() {
        for division in ["810000", "820000", "830000"] {
            // Nobody alive was born then.
            let digits = format!("{division}18000101100");
            let number = format!("{digits}{}", check_character(&digits).unwrap());
            let found = check(IdKind::HkMoTwResidence, &number, today()).unwrap();
            assert_eq!((found.birth, found.gender), (date("1800-01-01"), Some(Gender::Female)));
            assert_eq!(
                check(IdKind::Resident, &number, today()),
                Err(IdentityError::OtherKind(IdKind::HkMoTwResidence))
            );
        }
        let resident = test_number(today(), 7);
        assert_eq!(check(IdKind::HkMoTwResidence, &resident, today()), Err(IdentityError::OtherKind(IdKind::Resident)));
    }

    #[test]
    fn both_cards_of_foreign_permanent_residents_are_read() {
        let new = check(IdKind::ForeignResidence, "932682198501010017", today()).unwrap();
        assert_eq!((new.birth, new.country.as_deref(), new.division), (date("1985-01-01"), Some("682"), None));
        assert_eq!(error(IdKind::ForeignResidence, "932682198501010018"), "check_digit");
        assert_eq!(error(IdKind::Resident, "932682198501010017"), "other_kind");

        let old = check(IdKind::ForeignResidence, "kaz110090123105", today()).unwrap();
        assert_eq!((old.birth, old.country.as_deref()), (date("1990-12-31"), Some("KAZ")));
        assert_eq!(check(IdKind::ForeignResidence, "KAZ000020022905", today()).unwrap().birth, date("2020-02-29"));
        assert_eq!(error(IdKind::ForeignResidence, "KAZ110090133105"), "birth_date");
        assert_eq!(error(IdKind::ForeignResidence, "KA1110090123105"), "shape");
        assert_eq!(error(IdKind::ForeignResidence, "KAZ11009012310"), "length");
    }

    #[test]
    fn travel_permits_and_passports_have_shapes_only() {
        let good = |kind, numbers: &[&str]| numbers.iter().all(|number| check(kind, number, today()).is_ok());
        assert!(good(IdKind::HkMoTravel, &["H12345678", "m12345678", "H1234567801", "HA1234567", "MA1234567"]));
        assert_eq!(error(IdKind::HkMoTravel, "K12345678"), "shape");
        assert_eq!(error(IdKind::HkMoTravel, "HB1234567"), "shape");
        assert_eq!(error(IdKind::HkMoTravel, "HA123456789"), "shape");
        assert_eq!(error(IdKind::HkMoTravel, "H123456789"), "length");
        assert!(good(IdKind::TwTravel, &["12345678"]));
        assert_eq!(error(IdKind::TwTravel, "1234567A"), "shape");
        assert_eq!(error(IdKind::TwTravel, "123456789"), "length");
        assert!(good(IdKind::ChinesePassport, &["E12345678", "EA1234567", "G12345678", "141234567", "151234567"]));
        assert_eq!(error(IdKind::ChinesePassport, "161234567"), "shape");
        assert_eq!(error(IdKind::ChinesePassport, "EAB123456"), "shape");
        assert!(good(IdKind::ForeignPassport, &["A1234", "12345678901234567890", "l898902c3"]));
        assert_eq!(error(IdKind::ForeignPassport, "A123"), "length");
        assert_eq!(error(IdKind::ForeignPassport, "A1234-5"), "shape");
    }

    #[test]
    fn disability_certificates_tell_kind_and_degree_and_hide_them() {
        let number = test_number(Date::new(1960, 5, 1).unwrap(), 2) + "14";
        let found = check(IdKind::Disability, &number, today()).unwrap();
        assert_eq!(found.disability, Some(Disability { kind: 1, degree: 4 }));
        assert_eq!(found.gender, Some(Gender::Female));
        assert_eq!(mask(&number), format!("3702**********{}**", part(&number, 14..18)));
        assert_eq!(tail(&number), part(&number, 14..18));
        assert_eq!(error(IdKind::Disability, &(holder(&number) + "84")), "shape");
        assert_eq!(error(IdKind::Disability, &(holder(&number) + "15")), "shape");
    }

    #[test]
    fn divisions_are_asked_for_with_the_birth_date() {
        let found = check(IdKind::Resident, &test_number(today(), 1), today()).unwrap();
        assert_eq!(found.division_warning(|_, _| true), None);
        let asked = |division: &str, birth| (division, birth) != (TEST_DIVISION, Some(today()));
        assert_eq!(found.division_warning(asked), Some(IdentityWarning::Division));
        let passport = check(IdKind::ChinesePassport, "E12345678", today()).unwrap();
        assert_eq!(passport.division_warning(|_, _| false), None);
    }

    #[test]
    fn test_numbers_belong_to_nobody_and_are_valid() {
        let number = test_number(Date::new(1990, 3, 7).unwrap(), 2);
        assert!(number.starts_with("37029919900307002"));
        assert_eq!(check(IdKind::Resident, &number, today()).unwrap().gender, Some(Gender::Female));
    }

    #[test]
    fn masks_show_the_ends_only() {
        assert_eq!(mask("370299199003070024"), "3702**********0024");
        assert_eq!(mask("e12345678"), "E1*****78");
        assert_eq!(mask("A1234"), "*****");
        assert_eq!(tail("11010519491231002x"), "002X");
        let found = check(IdKind::ChinesePassport, "E12345678", today()).unwrap();
        assert!(!format!("{found:?}").contains("12345678"), "a number never reaches a log");
    }

    #[test]
    fn kinds_are_guessed_and_coded() {
        assert_eq!(IdKind::guess("110105491231002", today()), Some(IdKind::Resident));
        assert_eq!(IdKind::guess("932682198501010017", today()), Some(IdKind::ForeignResidence));
        assert_eq!(IdKind::guess("H12345678", today()), Some(IdKind::HkMoTravel));
        assert_eq!(IdKind::guess("E12345678", today()), Some(IdKind::ChinesePassport));
        assert_eq!(IdKind::guess("XYZ12", today()), None);
        assert!(IdKind::ALL.into_iter().all(|kind| IdKind::from_code(kind.code()) == Some(kind)));
        assert_eq!(IdKind::from_code("none"), None);
    }

    #[test]
    fn machine_readable_zones_have_check_digits() {
        assert_eq!(mrz_check_digit("L898902C3"), Some('6'));
        assert_eq!(mrz_check_digit("740812"), Some('2'));
        assert_eq!(mrz_check_digit("120415"), Some('9'));
        assert_eq!(mrz_check_digit("ZE184226B<<<<<"), Some('1'));
        assert_eq!(mrz_check_digit("a1"), None);
    }

    prop_compose! {
        fn valid()(days in -25_000i64..20_000, sequence in 0u16..1000) -> String {
            test_number(Date::from_days(days).unwrap(), sequence)
        }
    }

    proptest! {
        #[test]
        fn both_forms_of_the_check_agree(digits in "[0-9]{17}") {
            prop_assert_eq!(check_character(&digits), Some(check_character_in_base_13(&digits)));
        }

        #[test]
        fn a_changed_digit_is_caught(number in valid(), at in 0usize..17, step in 1u8..10) {
            let mut bytes = number.into_bytes();
            bytes[at] = b'0' + (bytes[at] - b'0' + step) % 10;
            prop_assert!(check(IdKind::Resident, std::str::from_utf8(&bytes).unwrap(), today()).is_err());
        }

        #[test]
        fn two_digits_in_the_wrong_order_are_caught(number in valid(), at in 0usize..16) {
            let mut bytes = number.clone().into_bytes();
            bytes.swap(at, at + 1);
            let swapped = String::from_utf8(bytes).unwrap();
            prop_assert_eq!(check(IdKind::Resident, &swapped, today()).is_ok(), swapped == number);
        }

        #[test]
        fn made_numbers_are_valid_and_tell_what_they_were_made_of(days in -25_000i64..20_000, sequence in 0u16..1000) {
            let birth = Date::from_days(days).unwrap();
            let found = check(IdKind::Resident, &test_number(birth, sequence), today()).unwrap();
            prop_assert_eq!(found.birth, Some(birth));
            prop_assert_eq!(found.gender == Some(Gender::Male), sequence % 2 == 1);
        }

        #[test]
        fn no_text_panics_and_none_is_repeated(typed in "\\PC{0,24}|[0-9Xx０-９ HMA]{5,22}") {
            for kind in IdKind::ALL {
                let once = normalise(kind, &typed);
                prop_assert_eq!(normalise(kind, &once), once.clone());
                if let Err(error) = check(kind, &typed, today()) {
                    prop_assert!(once.chars().count() < 5 || !error.to_string().contains(&once));
                }
            }
            prop_assert_eq!(mask(&typed).chars().count(), compact(&typed).chars().count());
            let _ = (tail(&typed), mrz_check_digit(&typed), IdKind::guess(&typed, today()));
        }
    }
}
