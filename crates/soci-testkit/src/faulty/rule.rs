//! The faults of a registry, and the rules for which requests have them.

use std::{
    fmt,
    fmt::Display,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;

use super::{
    reply::{End, Reply},
    request::Request,
};

type Edit = Arc<dyn Fn(&Request, Reply) -> Reply + Send + Sync>;
type Predicate = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// How a request is handled.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// It is answered as usual.
    Answer,
    /// It is answered as if it had no `Range`.
    IgnoreRange,
    /// It has no effect, and this is the response.
    Reply(Box<Reply>),
    /// It has no effect, and the connection breaks after this many bytes of its body were read.
    Disconnect(usize, End),
}

/// A fault: how the request is handled, and how the response is changed.
#[derive(Clone)]
#[must_use]
pub struct Fault {
    pub(super) action: Action,
    edits: Vec<Edit>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Fault({:?}, {} edits)",
            self.action,
            self.edits.len()
        )
    }
}

impl Fault {
    fn from_action(action: Action) -> Self {
        Self {
            action,
            edits: Vec::new(),
        }
    }

    /// Changes the usual response by a function.
    pub fn edit(edit: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self::from_action(Action::Answer).and(move |request, reply| edit(request, reply))
    }

    /// Sends this response instead; the request has no effect.
    pub fn reply(reply: Reply) -> Self {
        Self::from_action(Action::Reply(Box::new(reply)))
    }

    /// Sends an error in the format of the distribution specification; the request has no effect.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::reply(Reply::error(status, code, message))
    }

    /// Sends an empty response with this status; the request has no effect.
    pub fn status(status: u16) -> Self {
        Self::reply(Reply::new(status))
    }

    /// Sends ECR's error for a password that is older than twelve hours.
    pub fn expired_authorization() -> Self {
        let message = "Your authorization token has expired. Reauthenticate and try again.";
        Self::error(403, "DENIED", message)
    }

    /// Sends S3's error for an expired presigned URL.
    pub fn expired_url(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Request has expired</Message></Error>"
        );
        Self::reply(
            Reply::new(status)
                .header("Content-Type", "application/xml")
                .body(body),
        )
    }

    /// Redirects to another URL; the request has no effect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::reply(Reply::new(status).header("Location", location))
    }

    /// Resets the connection after the request was read; it has no effect.
    pub fn reset() -> Self {
        Self::from_action(Action::Disconnect(usize::MAX, End::Reset))
    }

    /// Closes the connection after the request was read; it has no effect.
    pub fn close() -> Self {
        Self::from_action(Action::Disconnect(usize::MAX, End::Close))
    }

    /// Resets the connection after this many bytes of the request's body. An upload keeps these
    /// bytes.
    pub fn reset_request_after(bytes: usize) -> Self {
        Self::from_action(Action::Disconnect(bytes, End::Reset))
    }

    /// Performs the request, and resets the connection instead of a response.
    pub fn lose_reply() -> Self {
        Self::edit(|_, reply| reply.lose())
    }

    /// Sends the whole blob with status 200, even if a range is requested.
    pub fn ignore_range() -> Self {
        Self::from_action(Action::IgnoreRange)
    }

    /// Delays the head of the response.
    pub fn stall_head(time: Duration) -> Self {
        Self::edit(move |_, reply| reply.stall_head(time))
    }

    /// Pauses after this many bytes of the body.
    pub fn stall_after(bytes: usize, time: Duration) -> Self {
        Self::edit(move |_, reply| reply.stall_after(bytes, time))
    }

    /// Sends this many bytes of the body at a time, with a pause after each.
    pub fn drip(bytes: usize, tick: Duration) -> Self {
        Self::edit(move |_, reply| reply.drip(bytes, tick))
    }

    /// Resets the connection after this many bytes of the body.
    pub fn reset_after(bytes: usize) -> Self {
        Self::edit(move |_, reply| reply.reset_after(bytes))
    }

    /// Closes the connection after this many bytes of the body.
    pub fn close_after(bytes: usize) -> Self {
        Self::edit(move |_, reply| reply.close_after(bytes))
    }

    /// Changes the byte of the body at this offset.
    pub fn flip(at: usize) -> Self {
        Self::edit(move |_, reply| reply.flip(at))
    }

    /// Sets a header field of the response.
    pub fn header(name: &'static str, value: impl Display) -> Self {
        let value = value.to_string();
        Self::edit(move |_, reply| reply.header(name, &value))
    }

    /// Adds another change of the response, after the existing ones.
    pub fn and(mut self, edit: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// Changes a response as the fault demands.
    pub(super) fn apply(&self, request: &Request, reply: Reply) -> Reply {
        let edits = self.edits.iter();
        edits.fold(reply, |reply, edit| edit(request, reply))
    }
}

/// A fault, and the requests that have it: all that match, unless the methods below restrict them.
///
/// The first rule that applies to a request decides. A rule that is used up, or that skips the
/// request, does not apply.
#[derive(Clone)]
#[must_use]
pub struct Rule {
    methods: String,
    glob: String,
    when: Option<Predicate>,
    skip: usize,
    times: usize,
    chance: Option<(f64, Arc<Mutex<Rng>>)>,
    fault: Fault,
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Rule({} {}: {:?})",
            self.methods, self.glob, self.fault
        )
    }
}

impl Rule {
    /// Returns a rule for methods and paths; see [`Request::is`].
    pub fn on(methods: &str, glob: &str, fault: Fault) -> Self {
        Self {
            methods: methods.to_owned(),
            glob: glob.to_owned(),
            when: None,
            skip: 0,
            times: usize::MAX,
            chance: None,
            fault,
        }
    }

    /// Does not apply to this many of the first matching requests.
    pub fn skip(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Applies to this many requests at most.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Applies to one request.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Applies at random with a probability from 0 to 1. The same seed gives the same sequence.
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, Arc::new(Mutex::new(Rng::with_seed(seed)))));
        self
    }

    /// Applies only if the predicate holds. The body of the request has not been read at this
    /// point.
    pub fn when(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    /// Returns whether the rule applies to a request, and counts it.
    fn applies_to(&mut self, request: &Request) -> bool {
        let matches = request.is(&self.methods, &self.glob)
            && self.when.as_ref().is_none_or(|when| when(request));
        if !matches || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let is_drawn = |(probability, rng): &(f64, Arc<Mutex<Rng>>)| {
            rng.lock().expect("no panic").f64() < *probability
        };
        if !self.chance.as_ref().is_none_or(is_drawn) {
            return false;
        }
        self.times -= 1;
        true
    }
}

/// All rules of a server.
#[derive(Debug, Default)]
pub(super) struct Rules(Mutex<Vec<Rule>>);

impl Rules {
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        Self(Mutex::new(rules))
    }

    pub(super) fn add(&self, rule: Rule) {
        self.0.lock().expect("no panic").push(rule);
    }

    pub(super) fn clear(&self) {
        self.0.lock().expect("no panic").clear();
    }

    /// Returns the fault of a request, if a rule applies to it.
    pub(super) fn find_fault(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.0.lock().expect("no panic");
        let rule = rules
            .iter_mut()
            .find_map(|rule| rule.applies_to(request).then_some(rule))?;
        Some(rule.fault.clone())
    }
}
