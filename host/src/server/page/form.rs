//! A form as it was sent: fields by name, and rows of fields that go together.

use std::collections::BTreeMap;

/// A form's fields, in the order in which they stand in it.
#[derive(Debug, Clone, Default)]
pub struct Sent(Vec<(String, String)>);

impl Sent {
    /// With these fields.
    pub fn new(fields: Vec<(String, String)>) -> Self {
        Self(fields)
    }

    /// A field without the space around it; none if it is not there, or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// A field as it is; empty if it is not there.
    pub fn exact(&self, name: &str) -> &str {
        self.0.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }

    /// Whether a box is ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| given == name)
    }

    /// Rows: each begins with the field `first`, and has what stands up to the next.
    pub fn rows(&self, first: &str) -> Vec<SentRow> {
        let mut rows: Vec<SentRow> = Vec::new();
        for (name, value) in &self.0 {
            if name == first {
                rows.push(SentRow::default());
            }
            if let Some(row) = rows.last_mut() {
                row.0.entry(name.clone()).or_default().push(value.clone());
            }
        }
        rows
    }
}

/// One row of a form.
#[derive(Debug, Clone, Default)]
pub struct SentRow(BTreeMap<String, Vec<String>>);

impl SentRow {
    /// A field without the space around it; empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(|values| values.first()).map_or("", |value| value.trim())
    }

    /// A field without the space around it; none if it is not there, or empty.
    pub fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// All values of a field of which there are several.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.get(name).into_iter().flatten().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_with_their_first_field() {
        let fields = [
            ("proof", "x"),
            ("field", "a"),
            ("value", " 1 "),
            ("field", "b"),
            ("value", "2"),
            ("value", "3"),
        ];
        let sent = Sent::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec());
        let rows = sent.rows("field");
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].text("field"), rows[0].text("value")), ("a", "1"));
        assert_eq!(rows[1].all("value").collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(rows[1].some("nothing"), None);
        assert_eq!(sent.text("proof"), Some("x"));
        assert!(sent.is_ticked("value") && !sent.is_ticked("other"));
    }
}
