//! What counts as a public key: one OpenSSH line [USR-7].

/// At most so many bytes; OpenSSH's own limit.
const MAX_BYTES: usize = 16_384;

/// The kinds of key that OpenSSH servers take today; DSA is gone from them.
const KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// Why a text is no public key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyError {
    /// Longer than OpenSSH reads.
    #[error("has {0} bytes, at most {MAX_BYTES} are allowed")]
    TooLong(usize),
    /// More lines, or bytes that no line has.
    #[error("must be one line without control characters")]
    NotOneLine,
    /// A PEM or RFC 4716 block, options in front, DSA, or no key at all.
    #[error("must be one OpenSSH public key line, <type> <base64> [<comment>], whose type is one of {}", KINDS.join(", "))]
    UnknownKind,
    /// The middle is not what the front says.
    #[error("is not a complete {0} key: what follows the type is not the base64 text of such a key")]
    Damaged(&'static str),
}

/// Checks that `text` is one OpenSSH public key line: `<type> <base64> [<comment>]`. White space around it is fine, since `.pub` files end
/// with a line break; options such as `command="..."` are not.
///
/// # Errors
/// What is wrong with it. The text itself is not repeated: somebody may have pasted the private key.
pub fn check_public_key(text: &str) -> Result<(), PublicKeyError> {
    if text.len() > MAX_BYTES {
        return Err(PublicKeyError::TooLong(text.len()));
    }
    let line = text.trim();
    if line.chars().any(|c| c.is_control() && c != '\t') {
        return Err(PublicKeyError::NotOneLine);
    }
    let mut words = line.split_ascii_whitespace();
    let front = words.next().unwrap_or_default();
    let kind = KINDS.into_iter().find(|kind| *kind == front).ok_or(PublicKeyError::UnknownKind)?;
    let blob = words.next().and_then(base64).ok_or(PublicKeyError::Damaged(kind))?;
    if is_key(&blob, kind) { Ok(()) } else { Err(PublicKeyError::Damaged(kind)) }
}

/// A key's blob is a sequence of fields, each a length in four bytes and so many bytes (RFC 4253, section 6.6). The first one is its
/// type; at least one more follows, and the last one ends where the blob ends.
fn is_key(blob: &[u8], kind: &str) -> bool {
    let mut fields = Vec::new();
    let mut rest = blob;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let Some((field, behind)) = behind.split_at_checked(length) else { return false };
        fields.push(field);
        rest = behind;
    }
    rest.is_empty() && fields.len() > 1 && fields[0] == kind.as_bytes()
}

/// Strict base64 (RFC 4648, section 4). Twenty lines, where the domain would else have a dependency.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    let is_padded = text.len().is_multiple_of(4) && text.len() - digits.len() <= 2;
    if !is_padded || digits.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | sextet(*digit)?;
        }
        bits <<= 6 * (4 - group.len());
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    Some(bytes)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

    /// [USR-7]
    #[test]
    fn usr_7_one_openssh_line_and_nothing_else() {
        let with = |front: &str, behind: &str| format!("{front}{ED25519}{behind}");
        let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAEQDAAAAAAAAAAAAAAAAAAAAB ada@laptop";
        for fine in [ED25519, rsa, &with("", " ada@laptop of Ada"), &with("", "\n"), &with("  ", "\r\n"), &with("", " ädä")] {
            assert_eq!(check_public_key(fine), Ok(()), "{fine}");
        }
        let key = ED25519.split_once(' ').unwrap().1;
        for (text, error) in [
            (String::new(), PublicKeyError::UnknownKind),
            (key.to_owned(), PublicKeyError::UnknownKind),
            (format!("ssh-dss {key}"), PublicKeyError::UnknownKind),
            (with("command=\"/bin/sh\" ", ""), PublicKeyError::UnknownKind),
            ("-----BEGIN RSA PRIVATE KEY-----".to_owned(), PublicKeyError::UnknownKind),
            (format!("{ED25519}\n{ED25519}"), PublicKeyError::NotOneLine),
            (with("", " a\0b"), PublicKeyError::NotOneLine),
            (format!("ssh-rsa {key}"), PublicKeyError::Damaged("ssh-rsa")),
            ("ssh-ed25519".to_owned(), PublicKeyError::Damaged("ssh-ed25519")),
            (with("", "A"), PublicKeyError::Damaged("ssh-ed25519")),
            (ED25519[..ED25519.len() - 4].to_owned(), PublicKeyError::Damaged("ssh-ed25519")),
            ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5".to_owned(), PublicKeyError::Damaged("ssh-ed25519")),
            (ED25519.replace("HR4f", "HR*f"), PublicKeyError::Damaged("ssh-ed25519")),
        ] {
            assert_eq!(check_public_key(&text), Err(error), "{text}");
        }
    }

    /// [USR-7], the limit.
    #[test]
    fn usr_7_a_key_has_at_most_16384_bytes() {
        let sized = |bytes: usize| format!("{ED25519} {}", "c".repeat(bytes - ED25519.len() - 1));
        assert_eq!(check_public_key(&sized(16_384)), Ok(()));
        assert_eq!(check_public_key(&sized(16_385)), Err(PublicKeyError::TooLong(16_385)));
    }

    #[test]
    fn base64_is_read_strictly() {
        for (text, bytes) in [
            ("", Some(&b""[..])),
            ("Zg==", Some(b"f")),
            ("Zm8=", Some(b"fo")),
            ("Zm9v", Some(b"foo")),
            ("Zm9vYg==", Some(b"foob")),
        ] {
            assert_eq!(base64(text).as_deref(), bytes, "{text}");
        }
        for text in ["Z", "Zg", "Zg=", "Zm9", "Z===", "====", "Zm9v=", "Zm 9", "Zm9-"] {
            assert_eq!(base64(text), None, "{text}");
        }
    }
}
