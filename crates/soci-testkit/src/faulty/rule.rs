//! Which requests go wrong, and how.

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

/// What happens to a request.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// It is answered as ever.
    Answer,
    /// It is answered as if it had no `Range`.
    AnswerWhole,
    /// It is not done, and this is the reply.
    Instead(Reply),
    /// It is not done, and the connection ends after so many bytes of its body were read.
    Drop(usize, End),
}

/// One way to go wrong: what is done with the request, and what becomes of the reply.
#[derive(Clone)]
#[must_use]
pub struct Fault {
    pub(super) act: Act,
    edits: Vec<Edit>,
}

impl fmt::Debug for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Fault({:?}, {} edits)",
            self.act,
            self.edits.len()
        )
    }
}

impl Fault {
    fn act(act: Act) -> Self {
        Self {
            act,
            edits: Vec::new(),
        }
    }

    /// The ordinary reply, to be changed by what follows.
    pub fn edit(edit: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        Self::act(Act::Answer).and(move |request, reply| edit(request, reply))
    }

    /// Another reply; the request is not done.
    pub fn reply(reply: Reply) -> Self {
        Self::act(Act::Instead(reply))
    }

    /// A registry's refusal with a code and a message.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::reply(Reply::error(status, code, message))
    }

    /// A reply with a status and nothing else.
    pub fn status(status: u16) -> Self {
        Self::reply(Reply::new(status))
    }

    /// What ECR says when a password is older than twelve hours.
    pub fn expired_authorization() -> Self {
        let message = "Your authorization token has expired. Reauthenticate and try again.";
        Self::error(403, "DENIED", message)
    }

    /// What S3 says when a presigned URL is too old.
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

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::reply(Reply::new(status).header("Location", location))
    }

    /// The connection is reset before the request is done.
    pub fn reset() -> Self {
        Self::act(Act::Drop(usize::MAX, End::Reset))
    }

    /// The connection is closed before the request is done.
    pub fn close() -> Self {
        Self::act(Act::Drop(usize::MAX, End::Close))
    }

    /// The connection is reset when some bytes of the request's body have come; an upload keeps those.
    pub fn reset_request_after(bytes: usize) -> Self {
        Self::act(Act::Drop(bytes, End::Reset))
    }

    /// The request is done, and its reply is lost.
    pub fn lose_reply() -> Self {
        Self::edit(|_, reply| reply.lose())
    }

    /// The whole blob, whatever part of it is asked for.
    pub fn ignore_range() -> Self {
        Self::act(Act::AnswerWhole)
    }

    /// The head comes late.
    pub fn stall_head(time: Duration) -> Self {
        Self::edit(move |_, reply| reply.stall_head(time))
    }

    /// The body stops for a while after some bytes.
    pub fn stall_after(bytes: usize, time: Duration) -> Self {
        Self::edit(move |_, reply| reply.stall_after(bytes, time))
    }

    /// The body comes slowly.
    pub fn drip(bytes: usize, tick: Duration) -> Self {
        Self::edit(move |_, reply| reply.drip(bytes, tick))
    }

    /// The connection is reset after some bytes of the body.
    pub fn reset_after(bytes: usize) -> Self {
        Self::edit(move |_, reply| reply.reset_after(bytes))
    }

    /// The connection is closed after some bytes of the body.
    pub fn close_after(bytes: usize) -> Self {
        Self::edit(move |_, reply| reply.close_after(bytes))
    }

    /// One byte of the body is another one.
    pub fn flip(at: usize) -> Self {
        Self::edit(move |_, reply| reply.flip(at))
    }

    /// A header field is another one, or is there at all.
    pub fn header(name: &'static str, value: impl Display) -> Self {
        let value = value.to_string();
        Self::edit(move |_, reply| reply.header(name, &value))
    }

    /// Adds a change of the reply to those there are.
    pub fn and(mut self, edit: impl Fn(&Request, Reply) -> Reply + Send + Sync + 'static) -> Self {
        self.edits.push(Arc::new(edit));
        self
    }

    /// Returns what becomes of a reply.
    pub(super) fn apply(&self, request: &Request, reply: Reply) -> Reply {
        let edits = self.edits.iter();
        edits.fold(reply, |reply, edit| edit(request, reply))
    }
}

/// A fault, and the requests that it befalls: all that match, unless less is said.
///
/// Rules are asked in the order in which they were given, and the first that applies decides. One that is spent, or
/// that skips a request, leaves it to those after it.
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
    /// A rule for methods and paths, as [`Request::is`] has them.
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

    /// Lets the first requests pass.
    pub fn skip(mut self, requests: usize) -> Self {
        self.skip = requests;
        self
    }

    /// Applies so often and then no more.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Applies once.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Applies with a probability of 0 to 1, by chance, but the same chance for the same seed.
    pub fn chance(mut self, probability: f64, seed: u64) -> Self {
        self.chance = Some((probability, Arc::new(Mutex::new(Rng::with_seed(seed)))));
        self
    }

    /// Applies only to requests of which something holds; the body is not read yet.
    pub fn when(mut self, predicate: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(predicate));
        self
    }

    fn takes(&mut self, request: &Request) -> bool {
        let fits = request.is(&self.methods, &self.glob)
            && self.when.as_ref().is_none_or(|when| when(request));
        if !fits || self.times == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        let lucky = |(probability, rng): &(f64, Arc<Mutex<Rng>>)| {
            rng.lock().expect("no panic").f64() < *probability
        };
        if !self.chance.as_ref().is_none_or(lucky) {
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

    /// Returns the fault that befalls a request.
    pub(super) fn fault(&self, request: &Request) -> Option<Fault> {
        let mut rules = self.0.lock().expect("no panic");
        let rule = rules
            .iter_mut()
            .find_map(|rule| rule.takes(request).then_some(rule))?;
        Some(rule.fault.clone())
    }
}
