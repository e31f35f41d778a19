//! People made up on demand: the same id and seed give the same row, so nothing is kept in memory.
//!
//! Promises: as untidy as the data files and a little worse: missing, malformed and shared addresses,
//! spaces, texts over 1,000 characters, huge numbers, dates out of range, doubled consents, consents
//! without a person or a type. Campaigns and their participants are made here for the data files too.

use jiff::Timestamp;
use jiff::civil::Date;

use super::clock::stored;
use super::feed::full_name;
use super::model::{CUSTOMER_TYPES, Kind, LANGUAGES, PARTICIPANT_STATUS, SOURCES, limetype};
use super::table::{Base, Cell, Row};

const FIRST_PERSON: u64 = 5001;
const FIRST: u64 = 1001;
/// Ids set aside for each person's consents.
const CONSENT_IDS: u64 = 4;
const CAMPAIGNS: u64 = 6;
/// One person in so many takes part in a campaign.
const PARTICIPATES: u64 = 7;

/// How many people, and which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generator {
    persons: u64,
    seed: u64,
}

/// What is drawn for one row: a splitmix64 sequence that starts at the row's own place.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// True once in so many times.
    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(u64::try_from(from.len()).unwrap_or(1));
        usize::try_from(at).ok().and_then(|at| from.get(at).copied())
    }

    fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).unwrap_or_default()
    }

    fn key(&mut self, options: &[(&'static str, &'static str)]) -> Cell {
        Cell::Key(self.pick(options).map_or("empty", |(key, _)| key).to_owned())
    }

    /// A moment between 2019 and 2026, as the server stores it.
    fn moment(&mut self) -> Timestamp {
        let millis = 1_546_300_800_000_i64.saturating_add_unsigned(self.below(240_000_000_000));
        stored(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    }
}

const FIRST_NAMES: &[&str] = &[
    "Tuva",
    "Isak",
    "Åsa",
    "Örjan",
    "Zoë",
    "Nguyễn",
    "Maja",
    "Björn",
    "Søren",
    "Päivi",
    "Jürgen",
    "Fatima",
    "Олена",
    "Linn",
    "Erik",
    "Ingrid",
    "Pekka",
    "Lars",
    "Élise",
    "Sanna",
];
const LAST_NAMES: &[&str] = &[
    "Almgren",
    "Brodén",
    "Åkesson",
    "Öberg",
    "O'Neill",
    "van der Berg",
    "Müller",
    "Sørensen",
    "Virtanen",
    "Ekvall",
    "Łukasik",
    "Nyström",
    "Hansen",
    "Järvinen",
    "Weiß",
    "Lindqvist",
    "Persson",
    "Dahl",
];
const COUNTRIES: &[&str] =
    &["Sweden", "Norway", "Denmark", "Finland", "Germany", "Netherlands", "SWEDEN ", ""];
const CITIES: &[&str] = &["Malmö", "Oslo", "Århus", "Åbo", "Köln", "Utrecht", "Luleå", "Göteborg", ""];
const POSITIONS: &[&str] = &["CEO", "Buyer", "Redaktør", "Toimitusjohtaja", "Einkäufer", "", "Head of sales"];

impl Generator {
    pub(crate) fn new(persons: u64, seed: u64) -> Self {
        Self { persons, seed }
    }

    fn draw(self, salt: u64, id: u64) -> Draw {
        let mut draw = Draw(self.seed ^ salt.rotate_left(48) ^ id.wrapping_mul(0x2545_f491_4f6c_dd1d));
        draw.next();
        draw
    }

    fn companies(self) -> u64 {
        (self.persons / 6).clamp(1, 5000)
    }

    fn last_person(self) -> u64 {
        FIRST_PERSON + self.persons - 1
    }

    fn person(self, id: u64) -> Row {
        let mut draw = self.draw(1, id);
        let first = draw.word(FIRST_NAMES);
        let last = draw.word(LAST_NAMES);
        let last = if draw.one_in(1500) { last.repeat(9) } else { last.to_owned() };
        let domain = 1 + draw.below(self.companies());
        let plain = format!("p{id}.{}@firma{domain}.example", draw.below(1000));
        let email = match draw.below(400) {
            0 => String::new(),
            1 => format!("  {} ", plain.to_uppercase()),
            2 => plain.replace('@', " at "),
            3 => format!("{plain}; privat{id}@annat.example"),
            4 => format!("zoë.{plain}"),
            5 => format!("info@firma{domain}.example"),
            6 => plain.replace(".example", ""),
            _ => plain,
        };
        let subscriber = draw.below(90_000_000) + 10_000_000;
        let mobile = match draw.below(40) {
            0 => String::new(),
            1 => format!("07{}-{}", subscriber % 100, subscriber / 100),
            2 => format!("0046 7{subscriber}"),
            _ => format!("+467{subscriber}"),
        };
        let notes = match draw.below(300) {
            0 => "Kunden önskar bli uppringd efter kl. 15.\n".repeat(40),
            1 => "\u{202e}abc".to_owned(),
            2..60 => format!("Träffade {first} på mässan i {}.", draw.word(CITIES)),
            _ => String::new(),
        };
        let score = match draw.below(400) {
            0 => Cell::Int(9_007_199_254_740_993),
            1 => Cell::Int(2_147_483_648),
            2 => Cell::Int(-1),
            n if n % 2 == 0 => Cell::Int(i64::try_from(draw.below(101)).unwrap_or_default()),
            _ => Cell::Null,
        };
        let birth = match draw.below(1000) {
            0 => Date::new(1899, 12, 30).ok(),
            1 => Date::new(2090, 5, 5).ok(),
            n if n % 5 < 2 => {
                let day = i8::try_from(1 + draw.below(28)).unwrap_or(1);
                let month = i8::try_from(1 + draw.below(12)).unwrap_or(1);
                Date::new(i16::try_from(1938 + draw.below(70)).unwrap_or(1970), month, day).ok()
            }
            _ => None,
        };
        let company = if draw.one_in(15) { Cell::Null } else { Cell::Ref(1000 + domain) };
        let potential = if draw.one_in(2) {
            Cell::Null
        } else {
            Cell::Dec(f64::from(u32::try_from(draw.below(25_000_000)).unwrap_or_default()) / 100.0)
        };
        let (country, city, position) = (draw.word(COUNTRIES), draw.word(CITIES), draw.word(POSITIONS));
        let language = draw.key(LANGUAGES);
        let created = draw.moment();
        let updated = created.max(draw.moment());
        let text = |text: &str| Cell::Text(text.to_owned());
        row(id, created, updated, "person", |property| match property {
            "firstname" => text(first),
            "lastname" => text(&last),
            "name" => Cell::Text(full_name(first, &last)),
            "phone" => Cell::Text(format!("08-{} {}", subscriber % 1000, subscriber % 97)),
            "mobilephone" => text(&mobile),
            "email" => text(&email),
            "position" => text(position),
            "inactive" => Cell::Bool(subscriber.is_multiple_of(25)),
            "company" => company.clone(),
            "country" => text(country),
            "city" => text(city),
            "zipcode" => Cell::Text(format!("{:05}", subscriber % 100_000)),
            "language" => language.clone(),
            "birthdate" => birth.map_or(Cell::Null, Cell::Date),
            "score" => score.clone(),
            "visits" => Cell::Int(i64::try_from(subscriber % 401).unwrap_or_default()),
            "potential" => potential.clone(),
            "notes" => text(&notes),
            _ => Cell::Null,
        })
    }

    fn company(self, id: u64) -> Row {
        let mut draw = self.draw(2, id);
        let name = format!("{} {} AB", draw.word(LAST_NAMES), draw.word(CITIES));
        let (country, city) = (draw.word(COUNTRIES), draw.word(CITIES));
        let kind = draw.key(CUSTOMER_TYPES);
        let number = draw.below(1_000_000);
        let created = draw.moment();
        row(id, created, created.max(draw.moment()), "company", |property| match property {
            "name" => Cell::Text(name.clone()),
            "registrationno" => Cell::Text(format!("{number:06}-{:04}", number % 9973)),
            "country" => Cell::Text(country.to_owned()),
            "city" => Cell::Text(city.to_owned()),
            "zipcode" => Cell::Text(format!("{:05}", number % 100_000)),
            "customertype" => kind.clone(),
            "turnover" if number.is_multiple_of(2) => {
                Cell::Dec(f64::from(u32::try_from(number).unwrap_or_default()) * 850.25)
            }
            _ => Cell::Null,
        })
    }

    fn consents_of(self, person: u64) -> u64 {
        self.draw(3, person).below(CONSENT_IDS + 1)
    }

    fn consent(self, id: u64) -> Option<Row> {
        let place = id.checked_sub(FIRST)?;
        let person = FIRST_PERSON + place / CONSENT_IDS;
        if person > self.last_person() || place % CONSENT_IDS >= self.consents_of(person) {
            return None;
        }
        let mut draw = self.draw(4, id);
        // The last of four repeats the type of the first: a doubled consent.
        let slot = place % CONSENT_IDS;
        let kind = FIRST + (person + if slot == 3 { 0 } else { slot * 2 }) % 7;
        let person = if draw.one_in(1500) { Cell::Null } else { Cell::Ref(person) };
        let kind = if draw.one_in(1500) { Cell::Null } else { Cell::Ref(kind) };
        let approved = !draw.one_in(5);
        let source = Cell::Key(draw.pick(SOURCES.get(1..)?)?.0.to_owned());
        let created = draw.moment();
        Some(row(id, created, created, "consent", |property| match property {
            "person" => person.clone(),
            "consenttype" => kind.clone(),
            "approved" => Cell::Bool(approved),
            "date" => Cell::Time(created),
            "source" => source.clone(),
            _ => Cell::Null,
        }))
    }

    fn campaign(id: u64) -> Row {
        let at: Timestamp = "2026-02-01T08:00:00Z".parse().unwrap_or(Timestamp::UNIX_EPOCH);
        let names = [
            "Vårmässan",
            "Kundkväll Malmö",
            "Nyhetsbrev mars",
            "Frukostseminarium",
            "Julkort",
            "Webbinarium",
        ];
        let place = usize::try_from(id.saturating_sub(FIRST)).unwrap_or_default();
        let name = names.get(place).copied().unwrap_or("Kampanj");
        row(id, at, at, "campaign", |property| match property {
            "name" => Cell::Text(name.to_owned()),
            "campaignstatus" => {
                Cell::Key(if id.is_multiple_of(2) { "ongoing" } else { "planned" }.to_owned())
            }
            "type" => Cell::Key(if id.is_multiple_of(3) { "email" } else { "seminary" }.to_owned()),
            "startdate" => Cell::Time(at),
            "budget" | "outcome" => Cell::Dec(0.0),
            _ => Cell::Null,
        })
    }

    fn participants(self) -> u64 {
        self.persons / PARTICIPATES
    }

    fn participant(self, id: u64) -> Row {
        let mut draw = self.draw(5, id);
        let place = id - FIRST;
        let status = draw.key(PARTICIPANT_STATUS);
        let created = draw.moment();
        row(id, created, created, "participant", |property| match property {
            "person" => Cell::Ref(FIRST_PERSON + place * PARTICIPATES),
            "campaign" => Cell::Ref(FIRST + place % CAMPAIGNS),
            "participantstatus" => status.clone(),
            _ => Cell::Null,
        })
    }
}

fn row(id: u64, created: Timestamp, updated: Timestamp, name: &str, cell: impl Fn(&str) -> Cell) -> Row {
    let properties = limetype(name).map_or(&[][..], |limetype| limetype.properties);
    let cells = properties
        .iter()
        .map(|property| match (cell(property.name), property.kind) {
            (Cell::Null, Kind::String(_) | Kind::Text(_) | Kind::Phone(_) | Kind::Link(_)) => {
                Cell::Text(String::new())
            }
            (Cell::Null, Kind::YesNo) => Cell::Bool(false),
            (Cell::Null, Kind::Option(_)) => Cell::Key("empty".to_owned()),
            (cell, _) => cell,
        })
        .collect();
    Row { id, created, updated, cells }
}

/// The rows of one limetype.
pub(crate) fn base(generator: Generator, limetype: &'static str) -> Box<dyn Base> {
    Box::new(Made { generator, limetype })
}

#[derive(Debug)]
struct Made {
    generator: Generator,
    limetype: &'static str,
}

impl Made {
    /// The first id and the last, both included.
    fn span(&self) -> (u64, u64) {
        let (first, count) = match self.limetype {
            "person" => (FIRST_PERSON, self.generator.persons),
            "company" => (FIRST, self.generator.companies()),
            "consent" => (FIRST, self.generator.persons * CONSENT_IDS),
            "campaign" => (FIRST, CAMPAIGNS),
            _ => (FIRST, self.generator.participants()),
        };
        (first, first + count - 1)
    }
}

impl Base for Made {
    fn get(&self, id: u64) -> Option<Row> {
        let (first, last) = self.span();
        if !(first..=last).contains(&id) {
            return None;
        }
        match self.limetype {
            "person" => Some(self.generator.person(id)),
            "company" => Some(self.generator.company(id)),
            "consent" => self.generator.consent(id),
            "campaign" => Some(Generator::campaign(id)),
            _ => Some(self.generator.participant(id)),
        }
    }

    fn next(&self, after: u64) -> Option<u64> {
        let (first, last) = self.span();
        let mut id = (after + 1).max(first);
        while id <= last {
            if self.limetype != "consent" {
                return Some(id);
            }
            let place = id - FIRST;
            let person = FIRST_PERSON + place / CONSENT_IDS;
            if place % CONSENT_IDS < self.generator.consents_of(person) {
                return Some(id);
            }
            id += CONSENT_IDS - place % CONSENT_IDS;
        }
        None
    }

    fn last(&self) -> u64 {
        self.span().1
    }

    fn related(&self, property: &str, id: u64) -> Option<Vec<u64>> {
        let place = id.checked_sub(FIRST_PERSON);
        match (self.limetype, property, place) {
            ("consent" | "participant", "person", None) => Some(Vec::new()),
            ("consent", "person", Some(place)) => {
                let first = FIRST + place * CONSENT_IDS;
                let ids = (first..first + CONSENT_IDS).filter(|consent| {
                    let at = self.generator.consent(*consent);
                    at.is_some_and(|row| row.cells.first() == Some(&Cell::Ref(id)))
                });
                Some(ids.collect())
            }
            ("participant", "person", Some(place)) => {
                let made = place % PARTICIPATES == 0 && place / PARTICIPATES < self.generator.participants();
                Some(if made { vec![FIRST + place / PARTICIPATES] } else { Vec::new() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_people_and_they_are_untidy() {
        let made = base(Generator::new(20_000, 7), "person");
        let again = base(Generator::new(20_000, 7), "person");
        let person = limetype("person").unwrap();
        let mut long = 0;
        let mut addressless = 0;
        let mut id = 0;
        let mut count = 0;
        while let Some(next) = made.next(id) {
            let row = made.get(next).unwrap();
            assert_eq!(Some(&row), again.get(next).as_ref());
            long += usize::from(matches!(row.cell(person, "notes"), Cell::Text(text) if text.len() > 1000));
            addressless += usize::from(row.cell(person, "email") == &Cell::Text(String::new()));
            id = next;
            count += 1;
        }
        assert_eq!(count, 20_000);
        assert!(long > 20 && addressless > 20);
    }

    #[test]
    fn consents_are_found_by_person_and_by_id_alike() {
        let made = base(Generator::new(3000, 7), "consent");
        let mut id = 0;
        let (mut all, mut found, mut orphans, mut typeless) = (0, 0, 0, 0);
        while let Some(next) = made.next(id) {
            let row = made.get(next).unwrap();
            orphans += usize::from(row.cells[0] == Cell::Null);
            typeless += usize::from(row.cells[1] == Cell::Null);
            all += 1;
            id = next;
        }
        for person in 5001..8001 {
            found += made.related("person", person).unwrap().len();
        }
        assert_eq!(all, found + orphans);
        assert!(orphans > 0 && typeless > 0 && all > 5000);
    }
}
