//! References of images.
//!
//! Owns the grammar `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`: what the kubelet would refuse as
//! InvalidImageName is refused before anything is made of it.

use super::faults::Faults;

pub(super) fn check(field: &str, image: &str, faults: &mut Faults) {
    faults.unless(
        image.len() <= 500 && is_reference(image),
        field,
        "is no image: write one such as registry.example.com/erpgo:1.4.0, all lower case before \
         the tag",
    );
}

fn is_reference(image: &str) -> bool {
    let (name, digest) = match image.split_once('@') {
        None => (image, None),
        Some((name, digest)) => (name, Some(digest)),
    };
    let (path, tag) = split_tag(name);
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let host_first = !rest.is_empty() && is_host(first);
    (host_first || is_component(first))
        && rest.iter().all(|part| is_component(part))
        && tag.is_none_or(is_tag)
        && digest.is_none_or(is_digest)
}

// A colon after the last slash is the tag's; before it, it is a port's.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        None => (text, None),
        Some((host, port)) => (host, Some(port)),
    };
    let named = port.is_some() || host.contains('.') || host == "localhost";
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('-')
            && !part.ends_with('-')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    named
        && host.split('.').all(part)
        && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

// Separators are one dot, one or two underscores, or any number of dashes, always between others.
fn is_component(text: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(alphanumeric).filter(|run| !run.is_empty());
    text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && separators
            .into_iter()
            .all(|run| matches!(run, "." | "_" | "__") || run.chars().all(|c| c == '-'))
}

fn is_tag(tag: &str) -> bool {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    tag.len() <= 128
        && tag.starts_with(first)
        && tag.chars().all(|c| first(c) || matches!(c, '.' | '-'))
}

fn is_digest(digest: &str) -> bool {
    digest.split_once(':').is_some_and(|(algorithm, hex)| {
        !algorithm.is_empty()
            && algorithm.chars().all(|c| c.is_ascii_alphanumeric())
            && hex.len() >= 32
            && hex.chars().all(|c| c.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::is_reference;

    #[test]
    fn references_that_a_kubelet_takes_pass_and_others_do_not() {
        let digest = format!("erpgo@sha256:{}", "a".repeat(64));
        for good in [
            "erpgo",
            "erpgo:1.4.0",
            "erpgo.local/erpgo:dev",
            "localhost:5000/a/b-c__d:v1",
            "registry.example.com:443/team/erpgo",
            "team/erpgo:Latest_1",
            &digest,
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            "",
            "Erpgo",
            "erpgo:",
            "erpgo:-x",
            "erpgo tag",
            "http://registry/erpgo",
            "registry:99999/erpgo",
            "a//b",
            "/erpgo",
            "erpgo/",
            "a..b",
            "erpgo@sha256:1",
        ] {
            assert!(!is_reference(bad), "{bad}");
        }
    }
}
