//! Host patterns against host names.
#![forbid(unsafe_code)]

/// Whether a host name is meant by a pattern.
///
/// Both are lower-case and were read before: the pattern by the profile, the name by [`super::name`]. A `*` stands
/// for one label or a part of one: at least one character, never a dot. A second `*` in a label stands for itself,
/// which no name contains.
pub fn matches(pattern: &str, host: &str) -> bool {
    let mut labels = host.split('.');
    let each = pattern
        .split('.')
        .all(|part| labels.next().is_some_and(|label| fits(part, label)));
    each && labels.next().is_none()
}

fn fits(part: &str, label: &str) -> bool {
    match part.split_once('*') {
        None => part == label,
        Some((before, behind)) => {
            label.len() > before.len() + behind.len()
                && label.starts_with(before)
                && label.ends_with(behind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_is_one_label_or_a_part_of_one() {
        let bedrock = "bedrock-runtime.*.amazonaws.com";
        let vertex = "*-aiplatform.googleapis.com";
        let table = [
            ("api.openai.com", "api.openai.com", true),
            ("api.openai.com", "api.openai.com.evil.example", false),
            ("api.openai.com", "xapi.openai.com", false),
            ("api.openai.com", "openai.com", false),
            (bedrock, "bedrock-runtime.us-east-1.amazonaws.com", true),
            (bedrock, "bedrock-runtime.a.b.amazonaws.com", false),
            (bedrock, "bedrock-runtime..amazonaws.com", false),
            (bedrock, "bedrock-runtime.amazonaws.com", false),
            (vertex, "us-central1-aiplatform.googleapis.com", true),
            (vertex, "-aiplatform.googleapis.com", false),
            (vertex, "aiplatform.googleapis.com", false),
            (vertex, "a.b-aiplatform.googleapis.com", false),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "a.example.org", false),
            ("a*z.example.com", "az.example.com", false),
            ("a*a.example.com", "a.example.com", false),
            ("a*z.example.com", "abz.example.com", true),
            ("a*.example.com", "ab.example.com", true),
            ("a*.example.com", "a.example.com", false),
            ("", "", true),
            ("*", "", false),
            ("a**b.c.d", "axxb.c.d", false),
        ];
        for (pattern, host, expected) in table {
            assert_eq!(matches(pattern, host), expected, "{pattern} {host}");
        }
    }
}
