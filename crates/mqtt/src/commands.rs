//! Commands and answers as they stand in payloads.

use instored_domain::{Answer, Command, Refusal, RefusalCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A longer payload is no command. In bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// Reads the payload of the topic `cmd/<verb>`: the fields of the command as a JSON object, or
/// nothing at all where it has none.
///
/// # Errors
/// What the caller is told when it is no command.
pub fn parse(verb: &str, payload: &[u8]) -> Result<Command, Refusal> {
    let malformed = |message: String| Refusal::new(RefusalCode::Malformed, message);
    if payload.len() > LONGEST {
        let length = payload.len();
        return Err(malformed(format!("{length} bytes are no command: the limit is {LONGEST}")));
    }
    let mut fields: Map<String, Value> = if payload.trim_ascii().is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(payload)
            .map_err(|error| malformed(format!("the payload is no JSON object: {error}")))?
    };
    if fields.insert("verb".to_owned(), Value::from(verb)).is_some() {
        return Err(malformed("the verb stands in the topic, not in the payload".to_owned()));
    }
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let message = error.to_string();
        if message.starts_with(&format!("unknown variant `{verb}`")) {
            let message = message.replacen("variant", "command", 1);
            Refusal::new(RefusalCode::UnknownCommand, message)
        } else {
            malformed(format!("`{verb}`: {message}"))
        }
    })
}

/// The verb of a command and the payload that goes with it.
pub(super) fn encode(command: &Command) -> serde_json::Result<(String, Vec<u8>)> {
    let mut fields: Map<String, Value> = serde_json::from_value(serde_json::to_value(command)?)?;
    match fields.remove("verb") {
        Some(Value::String(verb)) => Ok((verb, serde_json::to_vec(&fields)?)),
        _ => Err(serde::ser::Error::custom("a command is tagged with its verb")),
    }
}

/// An answer as its payload.
pub(super) fn encode_answer(answer: &Result<Answer, Refusal>) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Refused<'a> {
        error: &'a Refusal,
    }
    match answer {
        Ok(answer) => serde_json::to_vec(answer),
        Err(error) => serde_json::to_vec(&Refused { error }),
    }
}

/// The answer that a payload is.
pub(super) fn decode_answer(payload: &[u8]) -> serde_json::Result<Result<Answer, Refusal>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Refused { error: Refusal },
        Done(Answer),
    }
    Ok(match serde_json::from_slice(payload)? {
        Either::Done(answer) => Ok(answer),
        Either::Refused { error } => Err(error),
    })
}

#[cfg(test)]
mod tests {
    use instored_domain::CustomerId;

    use super::*;

    fn code(verb: &str, payload: &[u8]) -> RefusalCode {
        parse(verb, payload).unwrap_err().code
    }

    #[test]
    fn the_verb_comes_from_the_topic() {
        assert_eq!(parse("present", b""), Ok(Command::Present {}));
        assert_eq!(parse("present", b" {}\n"), Ok(Command::Present {}));
        assert_eq!(
            parse("enrol", br#"{"language":"de"}"#),
            Ok(Command::Enrol { language: Some("de".into()), another_person: false })
        );
        assert_eq!(code("present", br#"{"verb":"forget"}"#), RefusalCode::Malformed);
    }

    #[test]
    fn what_is_no_command_is_refused_with_the_reason() {
        assert_eq!(code("dance", b"{}"), RefusalCode::UnknownCommand);
        assert_eq!(code("", b""), RefusalCode::UnknownCommand);
        assert!(parse("dance", b"").unwrap_err().message.contains("not-me"));
        for payload in [&b"{"[..], b"[]", b"\xff\xfe", b"{}{}", br#"{"customer":7}"#, b"{}"] {
            assert_eq!(code("forget", payload), RefusalCode::Malformed);
        }
        assert_eq!(code("present", &vec![b' '; LONGEST + 1]), RefusalCode::Malformed);
    }

    #[test]
    fn commands_and_answers_survive_the_wire() {
        let customer = CustomerId(uuid::Uuid::from_u128(3));
        let command = Command::NotMe { customer };
        let (verb, payload) = encode(&command).unwrap();
        assert_eq!((verb.as_str(), parse(&verb, &payload)), ("not-me", Ok(command)));

        for answer in [
            Ok(Answer::Forgotten(customer)),
            Ok(Answer::Enrolling {}),
            Err(Refusal::new(RefusalCode::NotFound, "no such customer")),
        ] {
            assert_eq!(decode_answer(&encode_answer(&answer).unwrap()).unwrap(), answer);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_payload_is_read_or_refused(verb in ".{0,12}", payload: Vec<u8>) {
            let _ = parse(&verb, &payload);
        }
    }
}
