//! What the clouds' stores answer when they refuse, in plain words.
//!
//! The storage client hands on the text of an answer: a status, then XML (S3, Google, Azure).

/// The code and the message of a refusal within the client's text.
pub(super) fn said(text: &str) -> Option<String> {
    const MARK: &str = "status code: ";
    if text.contains("redirect without LOCATION") {
        return Some("301 Moved Permanently, PermanentRedirect".to_owned());
    }
    let answer = &text[text.find(MARK)? + MARK.len()..];
    let status = answer.split(':').next().unwrap_or_default().trim().to_owned();
    let (code, message) = (element(answer, "Code"), element(answer, "Message"));
    Some(match (code, message) {
        (Some(code), Some(message)) => format!("{status}, {code}: {message}"),
        (Some(code), None) => format!("{status}, {code}"),
        _ => status,
    })
}

/// The first line of the element `name` of an XML text.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let from = text.find(&open)? + open.len();
    let to = from + text[from..].find(&close)?;
    text[from..to].lines().next().map(str::trim)
}

/// Whether the bucket or container itself is missing.
pub(super) fn no_bucket(said: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist"]
        .iter()
        .any(|code| said.contains(code))
}

/// Whether it is a refusal that the same request will meet again.
pub(super) fn is_refusal(said: &str) -> bool {
    ["401", "403"].iter().any(|status| said.starts_with(status)) || advice(said).is_some()
}

/// Whether the store calls the request itself wrong: any 4xx but those that speak of a moment
/// (RFC 9110, section 15.5; RFC 6585, section 4; RFC 8470, section 5.2) and 412, which tells that
/// a condition did not hold.
pub(super) fn is_wrong(said: &str) -> bool {
    let status =
        said.split(' ').next().filter(|status| status.len() == 3).and_then(|status| status.parse().ok());
    status.is_some_and(|status: u16| {
        (400..500).contains(&status) && ![408, 409, 412, 425, 429].contains(&status)
    })
}

/// What to do about a refusal that only a person can mend; `None` for any other answer.
pub(super) fn advice(said: &str) -> Option<&'static str> {
    let known = ADVICE.iter().find(|(codes, _)| codes.iter().any(|code| said.contains(code)));
    known.map(|(_, advice)| *advice)
}

const ADVICE: &[(&[&str], &str)] = &[
    (&["ExpiredToken", "TokenRefreshRequired"], "the credentials have expired: renew them and run again"),
    (
        &["InvalidAccessKeyId", "InvalidToken", "InvalidClientTokenId", "NotSignedUp"],
        "the store does not know these credentials: look at the variables docs/stores.md lists",
    ),
    (
        &["SignatureDoesNotMatch", "AuthenticationFailed", "InvalidAuthenticationInfo"],
        "the secret does not fit the key: copy both again, without spaces",
    ),
    (&["RequestTimeTooSkewed"], "this machine's clock is wrong: set it, signatures hold the time"),
    (
        &["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"],
        "the bucket lies in another region: set AWS_REGION to it",
    ),
    (
        &["NoAuthenticationInformation", super::cloud::NO_CREDENTIALS],
        "there are no credentials in the environment, and this machine grants none: docs/stores.md lists the variables",
    ),
    (
        &[
            "AccessDenied",
            "AuthorizationPermissionMismatch",
            "AuthorizationFailure",
            "InsufficientPermissions",
        ],
        "the credentials are known but may not do this: docs/stores.md has the smallest policy",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    // As object_store 0.13 words an answer of S3; documented at
    // https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    const SIGNATURE: &str = "Generic S3 error: Error performing GET https://s3.example/acme?list-type=2&sig=canary in 4ms - \
        Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
        <Message>The request signature we calculated does not match.</Message><AWSAccessKeyId>canary</AWSAccessKeyId>\
        <StringToSign>canary</StringToSign></Error>";

    #[test]
    fn code_and_message_are_told_and_nothing_else_of_the_answer() {
        let said = said(SIGNATURE).expect("an answer");
        assert_eq!(
            said,
            "403 Forbidden, SignatureDoesNotMatch: The request signature we calculated does not match."
        );
        assert!(advice(&said).is_some_and(|advice| advice.contains("secret")));
    }

    #[test]
    fn a_busy_store_is_nobodys_mistake() {
        let text = "x - Server returned non-2xx status code: 503 Service Unavailable: <Error><Code>SlowDown</Code></Error>";
        let said = said(text).expect("an answer");
        assert_eq!(said, "503 Service Unavailable, SlowDown");
        assert_eq!(advice(&said), None);
    }

    #[test]
    fn a_wrong_request_is_not_sent_again_and_a_busy_moment_is_waited_for() {
        for wrong in
            ["400 Bad Request, InvalidArgument: x", "416 Range Not Satisfiable", "405 Method Not Allowed"]
        {
            assert!(is_wrong(wrong), "{wrong}");
        }
        for moment in [
            "408 Request Timeout",
            "409 Conflict",
            "412 Precondition Failed",
            "429 Too Many Requests",
            "503 x",
        ] {
            assert!(!is_wrong(moment), "{moment}");
        }
        assert!(!is_wrong("4 of 12 bytes came") && !is_wrong("connection refused"));
    }

    #[test]
    fn a_text_that_is_no_answer_is_not_read_as_one() {
        assert_eq!(said("connection refused"), None);
    }
}
