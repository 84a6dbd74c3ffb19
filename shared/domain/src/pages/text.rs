//! Text made fit: on one line, in ASCII, within a length.

/// What shows that something was cut.
const CUT: &str = "...";

/// On one line: whatever ends a line or steers a terminal becomes a space, and spaces at the ends go.
pub(super) fn one_line(text: &str) -> String {
    let plain: String =
        text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') { ' ' } else { c }).collect();
    plain.trim().to_owned()
}

/// In printable ASCII on one line; everything else becomes `?`.
pub(super) fn ascii(text: &str) -> String {
    one_line(text).chars().map(|c| if c.is_ascii() { c } else { '?' }).collect()
}

/// At most `most` characters; what is longer ends with `...`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(CUT.len())).collect();
    format!("{kept}{}", &CUT[..CUT.len().min(most)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_is_cut_to_the_length_and_shows_it() {
        for (text, most, expected) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc..."),
            ("äöüäöüä", 6, "äöü..."),
            ("abcd", 3, "..."),
            ("abcd", 2, ".."),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, most), expected, "{text} {most}");
        }
    }

    #[test]
    fn control_characters_and_line_ends_become_spaces_and_what_is_not_ascii_a_question_mark() {
        assert_eq!(one_line("\u{7}a\r\nb\u{2028}c\u{1b}[2J\n"), "a  b c [2J");
        assert_eq!(ascii("Zürich\t🙂"), "Z?rich ?");
    }
}
