//! JSON as text: laid out to be read, and with strings replaced, while every number stays as it was written.

/// Lays JSON out, and replaces the strings that are values as `change` says; none: what is given is no JSON object or
/// list.
pub fn rewritten(text: &str, mut change: impl FnMut(&str) -> Option<String>) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) || serde_json::from_str::<serde::de::IgnoredAny>(text).is_err() {
        return None;
    }
    // From here on it is known to be JSON.
    let mut out = String::with_capacity(text.len() * 2);
    let mut depth = 0usize;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, after) = rest.split_at(token_length(rest, first));
        let next = after.trim_start();
        match first {
            '{' | '[' if next.starts_with(['}', ']']) => {
                out.push(first);
                out.push_str(next.get(..1).unwrap_or_default());
                rest = next.get(1..).unwrap_or_default();
                continue;
            }
            '{' | '[' => {
                depth += 1;
                out.push(first);
                line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(first);
            }
            ',' => {
                out.push(',');
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            '"' if !next.starts_with(':') => out.push_str(&changed(token, &mut change)),
            _ if first.is_whitespace() => {}
            _ => out.push_str(token),
        }
        rest = after;
    }
    Some(out)
}

fn line(out: &mut String, depth: usize) {
    out.push('\n');
    out.push_str(&"  ".repeat(depth));
}

fn changed(token: &str, change: &mut impl FnMut(&str) -> Option<String>) -> String {
    let new = serde_json::from_str::<String>(token).ok().and_then(|text| change(&text));
    new.map_or_else(|| token.to_owned(), |new| serde_json::Value::String(new).to_string())
}

/// Bytes of the token at the beginning.
fn token_length(text: &str, first: char) -> usize {
    match first {
        '"' => {
            let mut escaped = false;
            let end = text.char_indices().skip(1).find(|(_, c)| {
                let ends = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                ends
            });
            end.map_or(text.len(), |(at, _)| at + 1)
        }
        '{' | '}' | '[' | ']' | ',' | ':' => 1,
        _ if first.is_whitespace() => first.len_utf8(),
        _ => text.find(['{', '}', '[', ']', ',', ':', '"', ' ', '\n', '\r', '\t']).unwrap_or(text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_stay_as_they_were_written() {
        let text =
            r#"{"n":1234.50,"big":123456789012345678901,"e":1E5,"b":[true,null],"empty":{},"none":[ ]}"#;
        let laid_out = rewritten(text, |_| None).unwrap();
        assert_eq!(
            laid_out,
            "{\n  \"n\": 1234.50,\n  \"big\": 123456789012345678901,\n  \"e\": 1E5,\n  \"b\": [\n    true,\n    null\n  ],\n  \
             \"empty\": {},\n  \"none\": []\n}"
        );
        assert_eq!(rewritten(&laid_out, |_| None).unwrap(), laid_out);
    }

    #[test]
    fn strings_are_replaced_where_they_are_values() {
        let text = r#"{"a":"a","b":["x\"y\\","{,:"]}"#;
        let mut seen = Vec::new();
        let changed = rewritten(text, |text| {
            seen.push(text.to_owned());
            (text == "a").then(|| "\"new\"".to_owned())
        });
        assert_eq!(seen, ["a", "x\"y\\", "{,:"]);
        let json: serde_json::Value = serde_json::from_str(&changed.unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({ "a": "\"new\"", "b": ["x\"y\\", "{,:"] }));
    }

    #[test]
    fn what_is_no_json_stays() {
        for text in ["", "plain", "{", "\"a\"", "17", "<html>"] {
            assert_eq!(rewritten(text, |_| None), None, "{text}");
        }
    }
}
