//! What a 304, or an answer to `HEAD`, changes in what is stored (RFC 9111, 4.3.4 and 4.3.5).

use http::{
    HeaderMap, StatusCode,
    header::{AGE, CONTENT_LENGTH, DATE, ETAG, LAST_MODIFIED},
    response,
};

use super::{
    Exchange, Rules, Stored, fields,
    storing::{NotStored, Storing, storing},
};

/// The stored answer with the fields of a 304, or why it may not be kept any longer. The 304 is the answer to a request
/// that [`validate`](super::conditional::validate) made for this stored answer and no other, so that it is about this one
/// whichever tag it bears.
pub fn update(stored: &Stored, exchange: &Exchange<'_>, rules: &Rules) -> Storing {
    let mut headers = stored.headers.clone();
    // How old it is, is what the 304 says or does not say.
    headers.remove(AGE);
    headers.remove(DATE);
    let mut with = exchange.answer.headers.clone();
    fields::remove_hop_by_hop(&mut with);
    fields::replace(&mut headers, &with);
    let mut answer: response::Parts = exchange.answer.clone();
    answer.status = stored.status;
    answer.headers = headers;
    storing(&Exchange { answer: &answer, ..*exchange }, rules)
}

/// What an answer to `HEAD` says about what is stored for the same request.
#[derive(Debug)]
pub enum Head {
    /// It describes the same: this is the stored answer with the new fields.
    Same(Box<Stored>),
    /// It describes something else, or may not be stored any longer: what is stored is no longer valid.
    Changed,
    /// It says nothing about it.
    Nothing,
}

/// What an answer to `HEAD` says about a stored answer. It describes the same if neither a validator nor the length differs.
/// `body` is the stored body's length in bytes.
pub fn head(stored: &Stored, body: usize, exchange: &Exchange<'_>, rules: &Rules) -> Head {
    let answer = exchange.answer;
    if answer.status != StatusCode::OK || stored.status != StatusCode::OK {
        return Head::Nothing;
    }
    let differs = |field| {
        let theirs: Option<&http::HeaderValue> = HeaderMap::get(&answer.headers, &field);
        theirs.is_some() && theirs != stored.headers.get(&field)
    };
    let length = answer.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let other_length = length.is_some_and(|length| length.parse() != Ok(body));
    if differs(ETAG) || differs(LAST_MODIFIED) || other_length {
        return Head::Changed;
    }
    // What may be stored is decided as for the GET that it stands for.
    let mut request = exchange.request.clone();
    request.method = http::Method::GET;
    match update(stored, &Exchange { request: &request, ..*exchange }, rules) {
        Storing::Store(stored) => Head::Same(stored),
        Storing::DoNotStore(NotStored::AskedNotTo) => Head::Nothing,
        Storing::DoNotStore(_) => Head::Changed,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use http::{Request, Response, request};

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_700_000_000 + seconds)
    }

    fn request(method: &str) -> request::Parts {
        Request::builder().method(method).uri("/").body(()).unwrap().into_parts().0
    }

    fn answer(status: u16, fields: &[(&'static str, &str)]) -> response::Parts {
        let mut answer = Response::builder().status(status);
        for (name, value) in fields {
            answer = answer.header(*name, *value);
        }
        answer.body(()).unwrap().into_parts().0
    }

    fn first() -> Stored {
        let answer = answer(
            200,
            &[("cache-control", "max-age=2"), ("etag", "\"a\""), ("age", "1"), ("x", "old"), ("y", "kept")],
        );
        let exchange = Exchange { request: &request("GET"), answer: &answer, asked: at(0), answered: at(0) };
        let Storing::Store(stored) = storing(&exchange, &Rules::default()) else { panic!("may be stored") };
        *stored
    }

    fn updated(fields: &[(&'static str, &str)]) -> Result<Stored, NotStored> {
        let answer = answer(304, fields);
        let exchange =
            Exchange { request: &request("GET"), answer: &answer, asked: at(10), answered: at(10) };
        match update(&first(), &exchange, &Rules::default()) {
            Storing::Store(stored) => Ok(*stored),
            Storing::DoNotStore(why) => Err(why),
        }
    }

    #[test]
    fn it_is_fresh_again() {
        assert!(first().ttl(at(10)) < 0);
        let stored = updated(&[("x", "new"), ("connection", "z"), ("z", "1")]).unwrap();
        assert_eq!((stored.status.as_u16(), stored.ttl(at(10)), stored.age(at(10))), (200, 2, 0));
        assert_eq!(
            (&stored.headers["x"], &stored.headers["y"]),
            (&"new".parse().unwrap(), &"kept".parse().unwrap())
        );
        assert!(!stored.headers.contains_key("z") && !stored.headers.contains_key("age"));
        assert_eq!(updated(&[("cache-control", "max-age=60")]).unwrap().ttl(at(10)), 60);
    }

    #[test]
    fn a_304_may_say_that_it_is_not_to_be_kept() {
        assert_eq!(updated(&[("cache-control", "no-store")]).unwrap_err(), NotStored::NoStore);
        assert_eq!(updated(&[("vary", "*")]).unwrap_err(), NotStored::Vary);
    }

    #[test]
    fn answers_to_head() {
        let of = |status: u16, fields: &[(&'static str, &str)]| {
            let answer = answer(status, fields);
            let exchange =
                Exchange { request: &request("HEAD"), answer: &answer, asked: at(10), answered: at(10) };
            head(&first(), 3, &exchange, &Rules::default())
        };
        let Head::Same(stored) = of(200, &[("etag", "\"a\""), ("content-length", "3"), ("x", "new")]) else {
            panic!("it is the same");
        };
        assert_eq!((stored.ttl(at(10)), &stored.headers["x"]), (2, &"new".parse().unwrap()));
        assert!(matches!(of(200, &[("etag", "\"b\"")]), Head::Changed));
        assert!(matches!(of(200, &[("content-length", "4")]), Head::Changed));
        assert!(matches!(of(200, &[("cache-control", "no-store")]), Head::Changed));
        assert!(matches!(of(404, &[]), Head::Nothing));
    }
}
