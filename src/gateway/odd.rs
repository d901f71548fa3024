//! What is odd about a name that was asked for: hints for the record, never a decision.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

/// From here on a label is long. The longest of ordinary hosts are about 42 characters (private endpoints of cloud
/// services); tunnels fill labels up to 63.
const LONG_LABEL: usize = 50;
/// More labels than this are many. The longest of ordinary hosts have six or seven.
const MANY_LABELS: usize = 8;
/// The shortest run of letters and digits whose entropy says something. Supabase's project names are 20 random
/// letters, Weaviate's clusters 22 to 24 letters and digits.
const RUN: usize = 25;
/// The shortest run of hex digits that is odd: 32 are an account's number in ordinary host names.
const HEX_RUN: usize = 33;

/// Names what is odd about a name: `long label`, `high entropy`, `many labels`.
///
/// High entropy is Shannon's, in bits per character, of a label's longest run without a hyphen (so no UUID has it).
/// Measured on random texts: 99 of 100 base32 labels of 28 characters have more than 3.7 and hex labels of 33 more
/// than 3.2, while words run together stay below 4.0 and hold no digits.
pub fn oddities(name: &str) -> Vec<&'static str> {
    let labels = || name.split('.');
    let mut odd = Vec::new();
    if labels().any(|label| label.chars().count() >= LONG_LABEL) {
        odd.push("long label");
    }
    if labels().any(is_random) {
        odd.push("high entropy");
    }
    let reverse = name.ends_with(".ip6.arpa");
    if labels().count() > MANY_LABELS && !reverse {
        odd.push("many labels");
    }
    odd
}

fn is_random(label: &str) -> bool {
    label.split(['-', '_']).any(|run| {
        let length = run.chars().count();
        let all = |fine: fn(&char) -> bool| run.chars().all(|c| fine(&c));
        if all(char::is_ascii_hexdigit) {
            return length >= HEX_RUN && entropy(run) > 3.2;
        }
        let bound = if all(char::is_ascii_alphabetic) {
            4.0
        } else {
            3.6
        };
        length >= RUN && entropy(run) > bound
    })
}

/// Bits per character.
fn entropy(text: &str) -> f64 {
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    let mut length = 0.0;
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
        length += 1.0;
    }
    let part = |count: &u32| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    };
    counts.values().map(part).sum()
}

#[cfg(test)]
mod tests {
    use super::oddities;

    #[test]
    fn ordinary_cloud_hosts_are_not_odd() {
        for name in [
            "api.openai.com",
            "abc123-us-east1-gcp.svc.pinecone.io",
            "xyzcompany.supabase.co",
            "qwmyafkbxnqjzlvupckr.supabase.co",
            "xvdfrk1lrqgq7qmuyvjbsg.c0.europe-west3.gcp.weaviate.cloud",
            "3f2504e0-4f89-11d3-9a0c-0305e82c3301.us-east4-0.gcp.cloud.qdrant.io",
            "bedrock-runtime.us-east-1.amazonaws.com",
            "vpce-0a1b2c3d4e5f67890-abcdefgh-us-east-1a.s3.us-east-1.vpce.amazonaws.com",
            "x7ab2c3d4e5f6g7h.us-east-1.aws.endpoints.huggingface.cloud",
            "0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com",
            "northwindtradersazureopenaiservice.openai.azure.com",
            "mycompanyproductionfrontend.azurewebsites.net",
            "customvisionpredictionapiendpoint.cognitiveservices.azure.com",
            "_mongodb._tcp.cluster0.abcde.mongodb.net",
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            "",
            ".",
        ] {
            assert_eq!(oddities(name), Vec::<&str>::new(), "{name}");
        }
    }

    #[test]
    fn payloads_in_labels_are_odd() {
        for label in [
            "mzxw6ytboi4dkmrtgq2tmnzyhe3a",         // base32
            "nbswy3dpeb3w64tmmqqho2lunastqmjt",     // base32
            "aGVsbG8gd29ybGQgdGhpcyBpcyBhIHRlc3Q",  // base64
            "3f2504e04f8911d39a0c0305e82c3301a7b9", // hex
        ] {
            let name = format!("{label}.t.example.com");
            assert_eq!(oddities(&name), ["high entropy"], "{label}");
        }
        let hex = "d2a84f4b8b650937ec8f73cd8be2c74add5a911ba64df27458ed8229da804a";
        assert_eq!(
            oddities(&format!("{hex}.t.example.com")),
            ["long label", "high entropy"]
        );
        assert_eq!(oddities(&"a".repeat(50)), ["long label"]);
        assert_eq!(oddities("a.b.c.d.e.f.g.h.i"), ["many labels"]);
    }
}
